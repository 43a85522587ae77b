"""How many lanes send at once.

On a fast line all lanes do. On a slow one they would share it until none of them finishes a request before something in
between, the server or the lane itself gives up. As with TCP, nobody knows what the line can bear; it shows in what happens:

- A request that times out, takes long to leave, or fails while it is still on its way after a while, is a sign of congestion:
  half as many requests may be in flight. Those that began before the last such decision say nothing new, so one crowd
  halves the limit once.
- Any other success is a sign of room: one more request for as many successes as may be in flight, so the limit grows by one
  while each lane succeeds once (additive increase, multiplicative decrease).
- Until the first congestion it grows by one for each success, which doubles it each time (slow start). It starts at the
  number of lanes that a sync has by default, since most lines bear these.

At one request in flight nothing shares the line, so some request always gets through. Lanes that wait take turns in the
order in which they came.
"""

from __future__ import annotations

import threading

_FIRST_LIMIT = 8
# A third of the time after which silence counts as a failure.
SLOW_SENDING_SECONDS = 10.0
# By when a request has left on any line that is not congested; one that fails after that may have been cut off midway.
ORDINARY_SENDING_SECONDS = 1.0


class ConcurrencyLimit:
    """Thread-safe; shared by all lanes.

    successes  how many requests the server has dealt with so far
    """

    def __init__(self, lanes: int, slow_sending_seconds: float = SLOW_SENDING_SECONDS) -> None:
        self.successes = 0
        self._lanes = lanes
        self._slow_sending_seconds = slow_sending_seconds
        self._lock = threading.Lock()
        self._limit = float(min(lanes, _FIRST_LIMIT))
        self._is_starting = True
        # How often the limit was lowered when each request in flight began.
        self._in_flight: dict[object, int] = {}
        self._waiting: dict[object, None] = {}
        self._times_lowered = 0

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return int(self._limit)

    def may_begin(self, lane: object) -> bool:
        """Whether a lane may send its request now; it then calls `end`, and so it does if it no longer wants to."""
        with self._lock:
            self._waiting.setdefault(lane)
            free = self.limit - len(self._in_flight)
            if lane not in list(self._waiting)[: max(free, 0)]:
                return False
            del self._waiting[lane]
            self._in_flight[lane] = self._times_lowered
            return True

    def end(self, lane: object) -> None:
        """A lane's request is no longer in flight, or waiting to be."""
        with self._lock:
            self._waiting.pop(lane, None)
            self._in_flight.pop(lane, None)

    def observe(self, lane: object, *, succeeded: bool, timed_out: bool, sending_seconds: float) -> None:
        """How a lane's request, which is still in flight, ended."""
        longest = self._slow_sending_seconds if succeeded else ORDINARY_SENDING_SECONDS
        with self._lock:
            self.successes += succeeded
            if timed_out or sending_seconds > longest:
                self._lower(since=self._in_flight[lane])
            elif succeeded:
                self._raise()

    def _lower(self, since: int) -> None:
        if since == self._times_lowered:
            self._times_lowered += 1
            self._is_starting = False
            self._limit = float(max(1, len(self._in_flight) // 2))

    def _raise(self) -> None:
        step = 1.0 if self._is_starting else 1.0 / self._limit
        self._limit = min(float(self._lanes), self._limit + step)
