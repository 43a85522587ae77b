"""Rows, messages and configurations as warehouses and platforms really send them."""
