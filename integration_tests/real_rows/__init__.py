"""Rows as warehouses have them, answers as Customer.io gives them: one process test for each kind."""
