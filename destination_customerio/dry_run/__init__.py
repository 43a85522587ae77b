"""`write --dry-run`: everything but sending, and what it shows of a mapping."""
