"""Checks everything about a release that can be checked without publishing it: `make release-check`."""
