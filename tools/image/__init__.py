"""Files for the image only."""
