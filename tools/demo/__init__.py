"""`make demo`: the connector at work on shipped rows, against a local Track API and a local S3."""
