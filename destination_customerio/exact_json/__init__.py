"""JSON whose values are preserved, digit for digit."""
