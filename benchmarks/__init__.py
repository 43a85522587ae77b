"""How fast the connector is, and how little memory it takes: `make bench`, or `python -m benchmarks`."""
