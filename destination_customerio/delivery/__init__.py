"""Delivery to Customer.io: rows are partitioned into lanes and batched; batches are sent, retried and split."""
