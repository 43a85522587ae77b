"""The time that one attempt may take.

The timeouts of `requests` limit each call of a socket. So a server that drips its answer, or sends interim answers (100
Continue) without end, holds a request for ever, while a request that goes over a slow line may be cut although it makes
progress. This timer counts differently:

- A piece of the request has to leave within `silence_seconds`, and the whole of it within `send_seconds`.
- The answer has to be complete within `silence_seconds` after the other side has received the request. Only the operating
  system knows when that is: a body of 500 KB fits into its buffers, which a slow line takes a minute to empty.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class AttemptTimer:
    """Not thread-safe; owned by one client.

    failure      what took too long, if that is how the attempt ended
    is_received  whether the other side had received the whole request when it began to answer
    """

    def __init__(self, silence_seconds: float, send_seconds: float, clock: Callable[[], float]) -> None:
        self.failure = ""
        self.is_received = True
        self._is_cut_off = False
        self._silence_seconds = silence_seconds
        self._send_seconds = send_seconds
        # How often a lane that waits for its answer looks whether the request is still on its way.
        self._look_seconds = min(1.0, silence_seconds / 8)
        self._clock = clock
        self._began_sending_at: float | None = None
        self._last_sent_at = 0.0
        self._answer_by = math.inf
        self._unreceived_bytes = 0

    @property
    def sending_seconds(self) -> float:
        """How long the request has taken to leave, or has been on its way."""
        return 0.0 if self._began_sending_at is None else self._last_sent_at - self._began_sending_at

    def begin(self) -> None:
        """A new attempt."""
        self.failure = ""
        self._began_sending_at = None

    def connects(self, within_seconds: float) -> None:
        """A connection is being made; a proxy may have to answer meanwhile."""
        self._answer_by = self._clock() + within_seconds
        self._unreceived_bytes = 0
        self._is_cut_off = False

    def seconds_to_send(self) -> float:
        """How long the next piece of the request may take to leave.

        Raises:
            TimeoutError: the request has taken too long.
        """
        now = self._last_sent_at = self._clock()
        if self._began_sending_at is None:
            self._began_sending_at = now
        left = min(self._silence_seconds, self._began_sending_at + self._send_seconds - now)
        if left <= 0:
            raise self.sending_failed()
        return left

    def sending_failed(self) -> TimeoutError:
        """A part of the request did not leave in time."""
        self._last_sent_at = self._clock()
        return self._failed("the request could not be sent in time")

    def request_cut_off(self) -> None:
        """The other side accepts no more of the request."""
        self._is_cut_off = True

    def awaits_answer(self) -> None:
        """The whole request has been handed to the operating system."""
        self._unreceived_bytes = 0
        self._is_sent()

    def seconds_to_read(self) -> float:
        """How long to wait for bytes of the answer before calling `nothing_came`.

        Raises:
            TimeoutError: the answer has taken too long.
        """
        left = self._answer_by - self._clock()
        if left > 0:
            return min(left, self._look_seconds)
        if self._unreceived_bytes:
            raise self.sending_failed()
        raise self._failed("no answer in time")

    def nothing_came(self, unreceived_bytes: int) -> None:
        """No byte of the answer came for a while; so many bytes of the request are still on their way."""
        if unreceived_bytes < self._unreceived_bytes:
            self._is_sent()
        self._unreceived_bytes = unreceived_bytes

    def answer_began(self, unreceived_bytes: int) -> bool:
        """The head of the answer is there; returns whether it can be an answer to the whole request."""
        self.is_received = not (self._is_cut_off or unreceived_bytes)
        return self.is_received

    def waited(self, seconds: float) -> None:
        """The answer was not read for so long, for a reason that is not the server's."""
        self._answer_by += seconds

    def _is_sent(self) -> None:
        self._last_sent_at = self._clock()
        self._answer_by = self._last_sent_at + self._silence_seconds

    def _failed(self, failure: str) -> TimeoutError:
        self.failure = failure
        return TimeoutError(failure)
