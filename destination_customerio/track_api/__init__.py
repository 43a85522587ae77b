"""Everything that knows Customer.io's HTTP."""
