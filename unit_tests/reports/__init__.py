"""Tests of `destination_customerio.reports`."""
