"""Distinguishes rows that are refused from an account that is.

A request that is refused without naming a row or a field may be the fault of one of its rows, so it is split until the
culprits are isolated (`splitting`). If every request is refused, that would cost two requests for every row of the sync
and end with all of them rejected, although the account or the configuration is at fault. So, while nothing is accepted:

- After a few refusals only one lane continues to split. The others wait, as they would find the same.
- A lane that has split a whole batch down to single rows, none of them accepted, holds its verdict back while another lane
  may still have a row accepted.
- If no other lane has a batch, there is nothing to wait for, and its rows are rejected.
- After a few such batches the breaker trips, and the sync ends. Rows that are held back then are not settled.

A row that is accepted anywhere, or refused in words that name it or one of its fields, shows that the API judges rows:
all lanes continue, and what was held back counts as verdicts on rows. So no number of bad rows that are named trips it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

# How many requests in a row may be refused before only one lane continues to split.
_FREE_REFUSALS = 100


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When the breaker trips: both must be reached, with nothing accepted in between.

    batches  whole batches refused down to their single rows
    rows     the rows of these batches
    """

    batches: int = 2
    rows: float = 5_000


class CircuitBreaker:
    """Shared by all lanes. Thread-safe.

    refused_batches, refused_rows  whole batches refused since a row was last accepted, and their rows
    rejected_rows                  those of the rows that were settled as rejected before the breaker tripped
    """

    def __init__(self, limits: BreakerLimits | None = None) -> None:
        self._limits = limits or BreakerLimits()
        self._lock = threading.Lock()
        self._refusals = 0
        self._splitter: object | None = None
        self._delivering: set[object] = set()
        self.refused_batches = 0
        self.refused_rows = 0
        self.rejected_rows = 0
        self._has_tripped = False

    def start(self, lane: object) -> None:
        """A lane starts to deliver a batch."""
        with self._lock:
            self._delivering.add(lane)

    def end(self, lane: object) -> None:
        """A lane has no more to learn about its batch, or has failed."""
        with self._lock:
            self._delivering.discard(lane)
            if self._splitter is lane:
                self._splitter = None

    def rows_are_judged(self) -> None:
        """A row was accepted, or refused by name: the API judges rows."""
        with self._lock:
            self._refusals = 0
            self._splitter = None
            self.refused_batches = 0
            self.refused_rows = 0
            self.rejected_rows = 0

    def request_refused(self) -> None:
        """A request was refused in words that name neither a row nor a field."""
        with self._lock:
            self._refusals += 1

    def may_split(self, lane: object) -> bool:
        """Whether a lane may continue to split a refused request now."""
        with self._lock:
            if self._refusals <= _FREE_REFUSALS:
                return True
            if self._splitter is None:
                self._splitter = lane
            return self._splitter is lane

    def batch_refused(self, rows: int) -> bool:
        """Every row of a batch was refused alone, in such words; returns whether the breaker trips.

        Called before the lane's `end`: as soon as no lane is delivering, other batches that are held back may settle.
        """
        with self._lock:
            self.refused_batches += 1
            self.refused_rows += rows
            if self.refused_batches >= self._limits.batches and self.refused_rows >= self._limits.rows:
                self._has_tripped = True
            return self._has_tripped

    def may_settle(self, rows: int) -> bool:
        """Whether such a batch is a verdict on its rows: others were accepted since, or no lane is left that could show it."""
        with self._lock:
            if self._has_tripped:
                return False
            if not self.refused_batches:
                return True
            if self._delivering:
                return False
            self.rejected_rows += rows
            return True
