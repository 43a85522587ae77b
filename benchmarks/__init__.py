"""Measures the connector's speed and memory: `make bench`, or `python -m benchmarks`."""
