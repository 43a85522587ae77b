"""The pause that a 429 imposes on all lanes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Throttle:
    """A 429 slows every lane, not only the one that received it. Thread-safe."""

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
