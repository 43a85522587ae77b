"""Dead letters read back from the bucket."""
