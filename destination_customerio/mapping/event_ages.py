"""How old the events of a stream are: only those of the last 72 hours can trigger Customer.io's campaigns.

The API silently accepts older events, and those in the future.
"""

from __future__ import annotations

import math

RECENT_HOURS = 72
_RECENT_SECONDS = RECENT_HOURS * 3_600


class EventAges:
    """Counts events by age. Not thread-safe; owned by the coordinator thread.

    started_at  the start of the sync, in unix seconds; ages are relative to it
    recent      at most 72 hours old, and those without a timestamp, which count as now
    older       over 72 hours old
    future      after the start of the sync
    """

    __slots__ = ("_oldest_recent", "_started_at", "future", "older", "recent")

    def __init__(self, started_at: float) -> None:
        # Integers, as comparing a timestamp with a float takes twice as long.
        self._started_at = math.floor(started_at)
        self._oldest_recent = math.ceil(started_at - _RECENT_SECONDS)
        self.recent = 0
        self.older = 0
        self.future = 0

    def count(self, timestamp: int | None) -> None:
        """Count an event by its timestamp in unix seconds."""
        if timestamp is None or self._oldest_recent <= timestamp <= self._started_at:
            self.recent += 1
        elif timestamp < self._oldest_recent:
            self.older += 1
        else:
            self.future += 1

    @property
    def total(self) -> int:
        """All events counted."""
        return self.recent + self.older + self.future
