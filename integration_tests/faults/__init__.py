"""Fault injection against the connector as a process: quick in `make test`, long in `make chaos`."""
