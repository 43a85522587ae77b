"""What the lanes share: how long everybody has been told to wait, and whether anything is accepted at all."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# So many refused requests in a row, over all lanes, with not one row accepted in between: more than the halving of a
# full batch needs to find a few bad rows, and few enough not to burn through the account's rate limit.
MAX_REFUSALS_IN_A_ROW = 250


class Pace:
    """A 429 slows every lane, not only the one that got it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._resume_at = float("-inf")

    def hold(self, seconds: float) -> None:
        """Let nobody send for so long from now."""
        with self._lock:
            self._resume_at = max(self._resume_at, self._clock() + seconds)

    def seconds_to_wait(self) -> float:
        """How long to wait before the next request; 0 when nobody was told to."""
        with self._lock:
            return max(0.0, self._resume_at - self._clock())


class RefusalCount:
    """Counts refused requests since any lane last had a row accepted; `max_in_a_row` of them are not too many."""

    def __init__(self, max_in_a_row: float = MAX_REFUSALS_IN_A_ROW) -> None:
        self._max_in_a_row = max_in_a_row
        self._lock = threading.Lock()
        self._in_a_row = 0

    def accepted(self) -> None:
        """Some row was accepted: it is the rows that are refused, not the account."""
        with self._lock:
            self._in_a_row = 0

    def refused(self) -> bool:
        """One more request was refused as a whole; whether it was one too many."""
        with self._lock:
            self._in_a_row += 1
            return self._in_a_row > self._max_in_a_row
