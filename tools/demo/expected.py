"""The expected outcome of each of the demo's rows, computed from the rows alone.

It uses none of the connector's code, so that it can verify the connector.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(__file__).parent / "data"
ROWS_PER_STATE = 1_000

Row = dict[str, Any]

# `make_data` inserts its bad rows at these positions.
_WRONG_USERS = {
    287: ("required", "person_email"),
    801: ("required", "person_email"),
    1203: ("too_large", "biography"),
    1604: ("invalid", "person_email"),
}
_WRONG_ORDERS = {
    502: ("invalid", "timestamp"),
    1003: ("invalid", "timestamp"),
    1504: ("required", "event_name"),
    2005: ("too_large", "event_name"),
    2506: ("too_large", ""),
}


@dataclass(frozen=True, slots=True)
class DemoStream:
    """One stream of the demo.

    wrong  the rows that must be rejected: row number in the file (from 1) to reason and column
    """

    name: str
    object_name: str
    wrong: Mapping[int, tuple[str, str]]

    @property
    def rows(self) -> list[Row]:
        """Its rows, as in the warehouse."""
        return _rows(self.name)

    @property
    def good_rows(self) -> list[Row]:
        """The rows that must reach Customer.io."""
        return [row for number, row in enumerate(self.rows, start=1) if number not in self.wrong]

    @property
    def states(self) -> list[tuple[int, int, int]]:
        """Its states in order: rows read so far, and rows delivered and rejected since the previous state."""
        ends = [*range(ROWS_PER_STATE, len(self.rows), ROWS_PER_STATE), len(self.rows)]
        states = []
        for start, end in zip([0, *ends], ends, strict=False):
            rejected = sum(start < number <= end for number in self.wrong)
            states.append((end, end - start - rejected, rejected))
        return states


USERS = DemoStream("users", "person_identify", _WRONG_USERS)
ORDERS = DemoStream("orders", "person_event", _WRONG_ORDERS)
STREAMS = (USERS, ORDERS)


def expected_person(row: Row) -> Row:
    """The person that a good row of `users` becomes, as listed by the local Track API."""
    attributes = {name: value for name, value in row.items() if name != "person_email"}
    attributes["created_at"] = _unix_seconds(row["created_at"])
    return {"identifiers": {"email": row["person_email"]}, "attributes": attributes}


def expected_event(row: Row) -> Row:
    """The event that a good row of `orders` becomes, as listed by the local Track API, without its id."""
    named = ("person_email", "event_name", "event_id", "timestamp")
    return {
        "identifiers": {"email": row["person_email"]},
        "name": row["event_name"],
        "timestamp": _unix_seconds(row["timestamp"]),
        "attributes": {name: value for name, value in row.items() if name not in named},
    }


def _unix_seconds(moment: str | int) -> int:
    """Convert ISO text or milliseconds."""
    return moment // 1_000 if isinstance(moment, int) else int(datetime.fromisoformat(moment).timestamp())


@cache
def _rows(name: str) -> list[Row]:
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
