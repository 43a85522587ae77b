"""State shared by the lanes: the pause that a 429 imposes on all of them, and the circuit breaker. Thread-safe."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Consecutive refused requests, over all lanes, with no row accepted in between: more than the halving of a full batch
# needs to isolate a few bad rows, and few enough not to use up the account's rate limit.
MAX_CONSECUTIVE_REFUSALS = 250


class Throttle:
    """A 429 slows every lane, not only the one that received it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._resume_at = float("-inf")

    def hold(self, seconds: float) -> None:
        """Keep all lanes from sending for this long from now."""
        with self._lock:
            self._resume_at = max(self._resume_at, self._clock() + seconds)

    def seconds_to_wait(self) -> float:
        """How long to wait before the next request; 0 if it may be sent now."""
        with self._lock:
            return max(0.0, self._resume_at - self._clock())


class CircuitBreaker:
    """Trips after more than `max_consecutive_refusals` refused requests during which no lane had a row accepted."""

    def __init__(self, max_consecutive_refusals: float = MAX_CONSECUTIVE_REFUSALS) -> None:
        self._max_consecutive_refusals = max_consecutive_refusals
        self._lock = threading.Lock()
        self._refusals = 0

    def row_accepted(self) -> None:
        """Reset the count: a row was accepted, so the refusals are about rows, not about the account."""
        with self._lock:
            self._refusals = 0

    def request_refused(self) -> bool:
        """Count a request that was refused as a whole; returns whether the breaker has tripped."""
        with self._lock:
            self._refusals += 1
            return self._refusals > self._max_consecutive_refusals
