"""A row becomes an entry of the Track API. Everything here is pure."""
