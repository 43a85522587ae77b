"""One `write` at work."""
