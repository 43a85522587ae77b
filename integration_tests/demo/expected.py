"""What the demo's rows are to become."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DemoStream:
    """One stream of the demo: its file of rows, its object, and its wrong rows by reason and column."""

    name: str
    object_name: str
    rejected: dict[tuple[str, str], int]

    def rows(self) -> list[Row]:
        """Its rows, as the warehouse has them."""
        return [json.loads(line) for line in (DATA / f"{self.name}.jsonl").read_text().splitlines()]


STREAMS = (
    DemoStream(
        "users",
        "person_identify",
        {
            ("required", "person_email"): 2,
            ("too_large", "biography"): 1,
            ("invalid", "person_email"): 1,
        },
    ),
    DemoStream(
        "orders",
        "person_event",
        {
            ("invalid", "timestamp"): 2,
            ("required", "event_name"): 1,
            ("too_large", "event_name"): 1,
            ("too_large", ""): 1,
        },
    ),
)
