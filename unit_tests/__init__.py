"""Tests of the parts: pure ones for themselves, edges against small servers on loopback."""
