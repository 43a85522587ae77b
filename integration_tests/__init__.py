"""Tests of the connector as a process, and the local servers that they run it against."""
