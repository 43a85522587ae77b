"""Numbers and names in sentences."""

from __future__ import annotations


def counted(number: int, singular: str, plural: str = "") -> str:
    """A number and its noun: `1 row`, `2,000 rows`; `plural` if it isn't formed by adding an s."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def reason_with_column(reason: str, column: str) -> str:
    """Why rows were rejected: `required (person_email)`, or `too_large` if no single column is at fault."""
    return f"{reason} ({column})" if column else reason
