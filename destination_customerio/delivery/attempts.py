"""Delivers one batch: retried, throttled and split until each of its rows is accepted or rejected.

Every attempt of a part sends the same bytes. Rows that a refusal names are rejected, and the others are sent again,
together. A part that was refused without naming a row is split in halves, the first of which is sent first, so that rows
stay in order and only the rows at fault are rejected: k of them among n rows cost about k · log2(n) more requests.

A firewall or proxy may forbid a request because of one row in it, or every request. The endpoint's probe, a request without
rows, separates the two: while that one is forbidden too, no row is at fault. So it is sent before the first split, and before
a row is rejected, which is then tried once more.

The path of a segment's endpoint has a value of the rows in it. If such a request is refused, and the probe too, then that
value is at fault, so all rows are rejected at once, whatever their number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, assert_never

from destination_customerio.delivery.backoff import MAX_ATTEMPTS, backoff_seconds
from destination_customerio.delivery.failures import (
    account_refused,
    answered_wrongly,
    blocked_by_proxy,
    endpoint_refused,
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
    from collections.abc import Callable, Sequence

    from destination_customerio.delivery.batch import Batch
    from destination_customerio.delivery.breaker import CircuitBreaker
    from destination_customerio.delivery.concurrency import ConcurrencyLimit
    from destination_customerio.delivery.pacer import Pacer
    from destination_customerio.delivery.throttle import Throttle
    from destination_customerio.errors import Rejection
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
class Delivered:
    """Every row of the batch was accepted, except the rejected ones, by their index in it."""

    batch: Batch
    rejected: dict[int, Rejection]
    requests: int


@dataclass(frozen=True, slots=True)
class Retrying:
    """An attempt failed, and the same bytes will be sent again after `seconds`."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class DeliveryContext:
    """The dependencies of a delivery, shared by all lanes.

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


class _Request(NamedTuple):
    """A body, where it is sent, how many rows and entries it has, and the column that the path has a value of, if it does."""

    path: str
    body: bytes
    rows: int
    entries: int
    column: str

    @classmethod
    def probe(cls, endpoint: Endpoint) -> _Request:
        """A request without rows."""
        return cls(endpoint.probe.path, endpoint.probe.body(), 0, 0, endpoint.column)


@dataclass(slots=True, eq=False)
class Delivery:
    """Delivers batches over one transport, one at a time. Not thread-safe; owned by one lane."""

    transport: Transport
    context: DeliveryContext
    unreported_requests: int = field(default=0, init=False)

    def deliver(self, batch: Batch) -> Delivered:
        """Send a batch until the verdict on each of its rows is known.

        Raises:
            ConfigError: the credentials are refused, all rows are, or something in between blocks every request.
            TransientError: the retry budget is exhausted.
            ProtocolError: answers that the Track API is not known to give.
            Aborted: the sync is ending.
        """
        breaker = self.context.breaker
        breaker.start(self)
        try:
            rejected, is_judged = self._split(batch)
            if not is_judged and breaker.batch_refused(len(batch)):
                raise account_refused(breaker, next(iter(rejected.values())))
        finally:
            breaker.end(self)
        if not is_judged:
            self._hold_back(batch)
        requests, self.unreported_requests = self.unreported_requests, 0
        return Delivered(batch, rejected, requests)

    def _split(self, batch: Batch) -> tuple[dict[int, Rejection], bool]:
        """The rejected rows by their index in the batch, and whether any answer was about rows."""
        breaker = self.context.breaker
        rejected: dict[int, Rejection] = {}
        is_judged = False
        requests = batch.requests()
        parts: list[Sequence[int]] = [*reversed(requests)]
        while parts:
            part = parts.pop()
            is_whole = part in requests
            verdict = self._send_part(batch, part, is_whole=is_whole)
            # A row of several entries is rejected if one of them is.
            for index, rejection in verdict.rejected.items():
                rejected.setdefault(batch.row_of(part[index]), rejection)
            is_single_verdict = (
                isinstance(verdict, Refused) and len(part) == 1 and bool(verdict.rejection.field)
            )
            if isinstance(verdict, Accepted) or verdict.rejected or is_single_verdict:
                is_judged = True
                breaker.rows_are_judged()
            if isinstance(verdict, Accepted):
                continue
            if verdict.rejected:
                if rest := [entry for entry in part if batch.row_of(entry) not in rejected]:
                    parts.append(rest)
            elif is_whole and self._is_refused(batch.endpoint):
                refused = endpoint_refused(verdict.rejection, batch.endpoint.column)
                return dict.fromkeys(range(len(batch)), refused), True
            elif len(part) == 1:
                rejected.setdefault(batch.row_of(part[0]), verdict.rejection)
            else:
                self._wait_to_split()
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
        return rejected, is_judged

    def _is_refused(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint with a value of the rows in its path refuses requests whatever the rows are."""
        return bool(endpoint.column) and isinstance(self._send(_Request.probe(endpoint)), Refused)

    def _send_part(self, batch: Batch, part: Sequence[int], *, is_whole: bool) -> Accepted | Refused:
        """Send some entries until the answer is a verdict on them; a request that a proxy forbids counts as refused."""
        endpoint = batch.endpoint
        rows = batch.count_rows(part)
        request = _Request(endpoint.path, batch.body_of(part), rows, len(part), endpoint.column)
        verdict = self._send(request)
        if isinstance(verdict, Blocked) and (is_whole or len(part) == 1):
            was_closed = self._wait_for_way(endpoint)
            if was_closed or len(part) == 1:
                verdict = self._send(request)
        return blocked_by_proxy() if isinstance(verdict, Blocked) else verdict

    def _wait_for_way(self, endpoint: Endpoint) -> bool:
        """Send requests without rows until Customer.io answers one, in whatever way; returns whether any was forbidden."""
        request = _Request.probe(endpoint)
        deadline = self.context.clock() + self.context.retry_timeout_seconds
        attempt = 0
        while isinstance(verdict := self._send(request), Blocked):
            attempt += 1
            if not self._back_off(Retry("blocked by a proxy or firewall"), attempt, deadline, FEW_ATTEMPTS):
                raise answered_wrongly(verdict)
        return attempt > 0

    def _wait_to_split(self) -> None:
        breaker = self.context.breaker
        breaker.request_refused()
        while not breaker.may_split(self):
            if self.context.wait(_POLL_SECONDS):
                raise Aborted

    def _hold_back(self, batch: Batch) -> None:
        """Every row of the batch was refused in words that name neither a row nor a field: wait for what others find."""
        while not self.context.breaker.may_settle(len(batch)):
            if self.context.wait(_POLL_SECONDS):
                raise Aborted

    def _send(self, request: _Request) -> Accepted | Refused | Blocked:
        """Attempt one request until its rows are judged, or until a proxy forbids it."""
        context = self.context
        deadline = context.clock() + context.retry_timeout_seconds
        attempt = doubts = 0
        while True:
            deadline += self._wait_for_turn()
            try:
                deadline += self._wait_to_start(request.rows)
                attempt += 1
                self.unreported_requests += 1
                verdict = self._attempt(request)
            finally:
                context.concurrency.end(self)
            match verdict:
                case Accepted() | Refused() | Blocked():
                    return verdict
                case Retry():
                    if not self._back_off(verdict, attempt, deadline, MAX_ATTEMPTS):
                        raise retries_exhausted(verdict, attempt, context.retry_timeout_seconds)
                case Doubtful(_, status):
                    doubts += 1
                    if not self._back_off(Retry(f"HTTP {status}"), doubts, deadline, FEW_ATTEMPTS):
                        raise answered_wrongly(verdict)
                case Unauthorized() | PaymentRequired():
                    raise answered_wrongly(verdict)
                case _:
                    assert_never(verdict)

    def _attempt(self, request: _Request) -> Verdict:
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

    def _back_off(self, verdict: Retry, attempt: int, deadline: float, max_attempts: int) -> bool:
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
