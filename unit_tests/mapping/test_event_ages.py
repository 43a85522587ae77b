"""Events are counted by age, as only recent ones can trigger campaigns."""

from __future__ import annotations

import pytest

from destination_customerio.mapping.event_ages import EventAges

START = 1_764_000_000.5
HOURS_72 = 259_200


@pytest.mark.parametrize(
    ("timestamp", "recent", "older", "future"),
    [
        (None, 1, 0, 0),
        (1_764_000_000, 1, 0, 0),
        (1_764_000_001, 0, 0, 1),
        (1_764_000_001 - HOURS_72, 1, 0, 0),
        (1_764_000_000 - HOURS_72, 0, 1, 0),
        (0, 0, 1, 0),
        (-5, 0, 1, 0),
        (99_999_999_999, 0, 0, 1),
    ],
)
def test_each_event_has_one_age(timestamp: int | None, recent: int, older: int, future: int) -> None:
    """At most 72 hours, older, or after the start; an event without a timestamp happens now."""
    ages = EventAges(START)
    ages.count(timestamp)
    assert (ages.recent, ages.older, ages.future, ages.total) == (recent, older, future, 1)
