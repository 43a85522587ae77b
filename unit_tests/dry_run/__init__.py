"""Tests of `destination_customerio.dry_run`."""
