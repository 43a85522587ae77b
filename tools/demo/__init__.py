"""`make demo`: runs the connector on sample rows, against a local Track API and a local S3."""
