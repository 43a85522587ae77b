"""Developer tools: the local Track API, the demo, generated docs, registry checks."""
