"""Batches on their way to Customer.io: partitioned, sent, retried, split."""
