"""What people run beside the connector: the local Track API, the demo, generated docs, registry checks."""
