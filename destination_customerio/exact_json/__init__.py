"""JSON values kept as they came, digit for digit."""
