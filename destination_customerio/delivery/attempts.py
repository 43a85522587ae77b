"""Sends one request: attempted, throttled, paced and retried until its rows are judged.

Every attempt sends the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, assert_never

from destination_customerio.delivery.backoff import MAX_ATTEMPTS, backoff_seconds
from destination_customerio.delivery.failures import (
    answered_wrongly,
    retries_exhausted,
)
from destination_customerio.track_api.failures import FEW_ATTEMPTS
from destination_customerio.track_api.verdict import (
    Accepted,
    Answer,
    Blocked,
    Doubtful,
    NoAnswer,
    PaymentRequired,
    Refused,
    Retry,
    Unauthorized,
    Verdict,
    judge,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from destination_customerio.delivery.breaker import CircuitBreaker
    from destination_customerio.delivery.concurrency import ConcurrencyLimit
    from destination_customerio.delivery.pacer import Pacer
    from destination_customerio.delivery.throttle import Throttle
    from destination_customerio.mapping.endpoints import Endpoint


# How soon a lane that waits for another notices what that one has found.
_POLL_SECONDS = 0.05


class Transport(Protocol):
    """Makes one attempt to send a body."""

    def post_batch(self, body: bytes, path: str) -> Answer | NoAnswer:
        """Send the body to an endpoint once."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Aborted(Exception):  # noqa: N818 - not a failure of the delivery: the sync is ending
    """The sync ended before the batch was delivered; none of its rows may be settled."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """An attempt failed, and the same bytes will be sent again after `seconds`."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class DeliveryContext:
    """What the deliveries of all lanes share.

    wait    waits for the given seconds; returns True as soon as the sync is aborted
    report  receives a `Retrying` for each failed attempt
    """

    throttle: Throttle
    pacer: Pacer
    breaker: CircuitBreaker
    concurrency: ConcurrencyLimit
    retry_timeout_seconds: float
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    wait: Callable[[float], bool]
    rng: random.Random
    report: Callable[[Retrying], None]


class Request(NamedTuple):
    """A request: its path and body, how many rows and entries it has, and the column whose value is in the path, if one is."""

    path: str
    body: bytes
    rows: int
    entries: int
    column: str

    @classmethod
    def probe(cls, endpoint: Endpoint) -> Request:
        """A request without rows."""
        return cls(endpoint.probe.path, endpoint.probe.body(), 0, 0, endpoint.column)


@dataclass(slots=True, eq=False)
class Attempts:
    """Sends requests over one transport, one at a time. Not thread-safe; owned by one lane.

    unreported  attempts since the last batch was reported
    """

    transport: Transport
    context: DeliveryContext
    unreported: int = field(default=0, init=False)

    def send(self, request: Request) -> Accepted | Refused | Blocked:
        """Attempt one request until its rows are judged, or until a proxy forbids it.

        Raises:
            ConfigError: the credentials are refused, a payment is due, or there is no Track API at the address.
            TransientError: the retry budget is exhausted.
            ProtocolError: answers that the Track API is not known to give.
            Aborted: the sync is ending.
        """
        context = self.context
        deadline = context.clock() + context.retry_timeout_seconds
        attempt = doubts = 0
        while True:
            deadline += self._wait_for_turn()
            try:
                deadline += self._wait_to_start(request.rows)
                attempt += 1
                self.unreported += 1
                verdict = self._attempt(request)
            finally:
                context.concurrency.end(self)
            match verdict:
                case Accepted() | Refused() | Blocked():
                    return verdict
                case Retry():
                    if not self.back_off(verdict, attempt, deadline, MAX_ATTEMPTS):
                        raise retries_exhausted(verdict, attempt, context.retry_timeout_seconds)
                case Doubtful(_, status):
                    doubts += 1
                    if not self.back_off(Retry(f"HTTP {status}"), doubts, deadline, FEW_ATTEMPTS):
                        raise answered_wrongly(verdict)
                case Unauthorized() | PaymentRequired():
                    raise answered_wrongly(verdict)
                case _:
                    assert_never(verdict)

    def _attempt(self, request: Request) -> Verdict:
        answer = self.transport.post_batch(request.body, request.path)
        release = answer.release
        try:
            verdict = judge(answer, request.entries, self.context.wall_clock, request.column)
            self.context.concurrency.observe(
                self,
                succeeded=not isinstance(verdict, Retry),
                timed_out=isinstance(answer, NoAnswer) and answer.timed_out,
                sending_seconds=answer.sending_seconds,
            )
            return verdict
        finally:
            del answer  # before its memory counts as free
            release()

    def _wait_for_turn(self) -> float:
        """Wait until the line has room for a request; returns the seconds that the retry budget does not count.

        While others succeed, waiting for them is no failure; while nobody does, the budget runs.
        """
        context = self.context
        began_at, successes = context.clock(), context.concurrency.successes
        while not context.concurrency.may_begin(self):
            if context.wait(_POLL_SECONDS):
                context.concurrency.end(self)
                raise Aborted
        return context.clock() - began_at if context.concurrency.successes > successes else 0.0

    def _wait_to_start(self, rows: int) -> float:
        """Wait until no throttle holds and the pace allows the rows; returns the seconds spent on the pace.

        The pace comes last, just before the rows leave: lanes that were held up at the same time, by an outage for example,
        would otherwise send at the same time what each had reserved before.
        """
        context = self.context
        seconds_paced = 0.0
        while True:
            self._wait_for_throttle()
            seconds = context.pacer.reserve(rows)
            if not seconds:
                return seconds_paced
            if context.wait(seconds):
                raise Aborted
            seconds_paced += seconds
            if not context.throttle.seconds_to_wait():
                return seconds_paced

    def _wait_for_throttle(self) -> None:
        context = self.context
        while seconds := context.throttle.seconds_to_wait():
            # With jitter: if all lanes resumed at the same moment, the server would answer 429 again.
            if context.wait(seconds + backoff_seconds(1, context.rng)):
                raise Aborted

    def back_off(self, verdict: Retry, attempt: int, deadline: float, max_attempts: int) -> bool:
        """Wait before the next attempt; returns False at once if there is none."""
        context = self.context
        seconds = max(verdict.at_least_seconds, backoff_seconds(attempt, context.rng))
        if attempt >= max_attempts or context.clock() + seconds > deadline:
            return False
        if verdict.everyone:
            context.throttle.hold(seconds)
        context.report(Retrying(verdict.reason, seconds))
        if context.wait(seconds):
            raise Aborted
        return True

    def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Wait for something that other lanes decide."""
        while not is_true():
            if self.context.wait(_POLL_SECONDS):
                raise Aborted
