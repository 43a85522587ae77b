"""Turns a row into an entry of the Track API. Everything here is pure."""
