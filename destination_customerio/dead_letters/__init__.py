"""Rejected rows on their way into the bucket."""
