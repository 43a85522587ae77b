"""Rejected rows, counted by their kind: how many, when, and one masked example."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.codec import encode, parse
from destination_customerio.masking import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

# More than a masked example shows.
_MAX_EXAMPLE_BYTES = 100
# Rows may hold any time, so the number of days has no limit of its own.
_MAX_DAYS = 400
# Rows built from maps may bring new column names without end; counts by name must not grow with them.
_MAX_KINDS = 200
_OTHER = ("other", "")


@dataclass(slots=True)
class Kind:
    """Rejected rows of the same kind.

    rows     how many
    first    when the source emitted the first of them, in milliseconds since 1970; None when unknown
    last     the same for the last of them
    example  the value at fault, masked
    by_day   rows by the day they were emitted (`2026-11-24`, UTC); at most 400 days, those of others are left out
    """

    rows: int = 0
    first: int | None = None
    last: int | None = None
    example: str = ""
    by_day: Counter[str] = field(default_factory=Counter)

    def add(self, emitted_at: int | None, example: Callable[[], str]) -> None:
        """Count a row that was emitted at this time, in milliseconds since 1970; the first gives the example."""
        if not self.rows:
            self.example = example()
        self.rows += 1
        if emitted_at is None:
            return
        self.first = emitted_at if self.first is None else min(self.first, emitted_at)
        self.last = emitted_at if self.last is None else max(self.last, emitted_at)
        if day := written_time(emitted_at)[:10]:
            self._count_day(day, 1)

    def merge(self, other: Kind) -> None:
        """Count the rows of another as well."""
        self.example = self.example or other.example
        self.rows += other.rows
        firsts = [moment for moment in (self.first, other.first) if moment is not None]
        lasts = [moment for moment in (self.last, other.last) if moment is not None]
        self.first, self.last = min(firsts, default=None), max(lasts, default=None)
        for day, rows in other.by_day.items():
            self._count_day(day, rows)

    def to_json(self) -> dict[str, Any]:
        """The counts as members of a JSON document."""
        return {
            "rows": self.rows,
            "first": written_time(self.first),
            "last": written_time(self.last),
            "example": self.example,
            "by_day": dict(sorted(self.by_day.items())),
        }

    def _count_day(self, day: str, rows: int) -> None:
        if day in self.by_day or len(self.by_day) < _MAX_DAYS:
            self.by_day[day] += rows


def kind_of(kinds: dict[tuple[str, str], Kind], reason: str, column: str) -> Kind:
    """The kind of a reason and column; see `bounded_name`."""
    return kinds.setdefault(bounded_name(kinds, reason, column), Kind())


def bounded_name(known: Collection[tuple[str, str]], reason: str, column: str) -> tuple[str, str]:
    """What rows with this reason and column are counted as; beyond a limit, new kinds are `other`."""
    name = reason, column
    return name if name in known or len(known) < _MAX_KINDS else _OTHER


def masked_example(data: bytes, column: str) -> str:
    """The value of a column in a row, masked; the whole row when it lacks that column."""
    try:
        row = parse(data)
        value = row.get(column, row)
        if value is None:  # says nothing about anybody, and much about the rejection
            return "null"
        return masked(value if isinstance(value, str) else encode(value).decode())
    except ValueError:  # nested too deeply for the parser
        return masked(data[:_MAX_EXAMPLE_BYTES].decode(errors="replace"))


def written_time(milliseconds: int | None) -> str:
    """An ISO 8601 time for people and programs, to the second; empty when unknown."""
    if milliseconds is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):  # a row may hold any number
        return ""
