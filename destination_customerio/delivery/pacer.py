"""The gentle mode: a limit on the rows that all lanes together send per second."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pacer:
    """Spaces requests so that their rows stay within a rate. Thread-safe.

    Every attempt reserves its time, retries and parts of a refused request included. In no period do more rows start than
    the rate allows, apart from one request. Unused time is not saved up.
    """

    def __init__(self, max_rows_per_second: float, clock: Callable[[], float]) -> None:
        self._rate = max_rows_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = float("-inf")

    def reserve(self, rows: int) -> float:
        """Reserve the next free time for a request; returns the seconds until it may start. One without rows is free."""
        if not rows:
            return 0.0
        with self._lock:
            now = self._clock()
            starts_at = max(now, self._free_at)
            self._free_at = starts_at + rows / self._rate
            return starts_at - now
