"""The HTTP client for Customer.io's Track API, and what its answers mean."""
