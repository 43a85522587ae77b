"""Everything that goes wrong in production, done to the connector as a process: `make test` quickly, `make chaos` at length."""
