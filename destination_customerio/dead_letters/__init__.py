"""Rejected rows on their way to the bucket, and back out of it."""
