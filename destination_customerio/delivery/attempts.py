"""Delivers one batch: retried, throttled and split until each of its rows is accepted or rejected.

Every attempt of a part sends the same bytes. Rows that a refusal names are rejected, and the others are sent again,
together. A part that was refused without naming a row is split in halves, the first of which is sent first, so that rows
stay in order and only the rows at fault are rejected: k of them among n rows cost about k · log2(n) more requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, assert_never

from destination_customerio.delivery.backoff import MAX_ATTEMPTS, backoff_seconds
from destination_customerio.errors import ConfigError, ProtocolError, Rejection, TransientError
from destination_customerio.foreign_text import known_words
from destination_customerio.track_api.credentials import bad_credentials
from destination_customerio.track_api.verdict import (
    Accepted,
    Answer,
    NoAnswer,
    Refused,
    Retry,
    Unauthorized,
    Unexpected,
    judge,
)
from destination_customerio.wording import counted

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from destination_customerio.delivery.batch import Batch
    from destination_customerio.delivery.breaker import CircuitBreaker
    from destination_customerio.delivery.throttle import Throttle


# How soon a lane that waits for another notices what that one has found.
_BREAKER_POLL_SECONDS = 0.05


class Transport(Protocol):
    """Makes one attempt to send a body."""

    def post_batch(self, body: bytes) -> Answer | NoAnswer:
        """Send the body once."""
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
    breaker: CircuitBreaker
    retry_timeout_seconds: float
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    wait: Callable[[float], bool]
    rng: random.Random
    report: Callable[[Retrying], None]


@dataclass(slots=True, eq=False)
class Delivery:
    """Delivers batches over one transport, one at a time. Not thread-safe; owned by one lane."""

    transport: Transport
    context: DeliveryContext
    unreported_requests: int = field(default=0, init=False)

    def deliver(self, batch: Batch) -> Delivered:
        """Send a batch until the verdict on each of its rows is known.

        Raises:
            ConfigError: the credentials are refused, or all rows are.
            TransientError: the retry budget is exhausted.
            ProtocolError: an answer that the Track API is not known to give.
            Aborted: the sync is ending.
        """
        breaker = self.context.breaker
        breaker.start(self)
        try:
            rejected, is_judged = self._split(batch)
            if not is_judged and breaker.batch_refused(len(batch)):
                raise _account_refused(breaker, next(iter(rejected.values())))
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
        parts: list[Sequence[int]] = [range(len(batch))]
        while parts:
            part = parts.pop()
            verdict = self._send(batch.body_of(part), len(part))
            rejected |= {part[index]: rejection for index, rejection in verdict.rejected.items()}
            is_single_verdict = (
                isinstance(verdict, Refused) and len(part) == 1 and bool(verdict.rejection.field)
            )
            if isinstance(verdict, Accepted) or verdict.rejected or is_single_verdict:
                is_judged = True
                breaker.rows_are_judged()
            if isinstance(verdict, Accepted):
                continue
            if verdict.rejected:
                if rest := [row for index, row in enumerate(part) if index not in verdict.rejected]:
                    parts.append(rest)
            elif len(part) == 1:
                rejected[part[0]] = verdict.rejection
            else:
                self._wait_to_split()
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
        return rejected, is_judged

    def _wait_to_split(self) -> None:
        breaker = self.context.breaker
        breaker.request_refused()
        while not breaker.may_split(self):
            if self.context.wait(_BREAKER_POLL_SECONDS):
                raise Aborted

    def _hold_back(self, batch: Batch) -> None:
        """Every row of the batch was refused in words that name neither a row nor a field: wait for what others find."""
        while not self.context.breaker.may_settle(len(batch)):
            if self.context.wait(_BREAKER_POLL_SECONDS):
                raise Aborted

    def _send(self, body: bytes, entries: int) -> Accepted | Refused:
        """Attempt one request until the answer is a verdict on its rows."""
        context = self.context
        deadline = context.clock() + context.retry_timeout_seconds
        attempt = 0
        while True:
            self._wait_for_throttle()
            attempt += 1
            self.unreported_requests += 1
            verdict = judge(self.transport.post_batch(body), entries, context.wall_clock)
            match verdict:
                case Accepted() | Refused():
                    return verdict
                case Retry():
                    self._back_off(verdict, attempt, deadline)
                case Unauthorized():
                    raise bad_credentials()
                case Unexpected(status):
                    raise _unexpected_status(status)
                case _:
                    assert_never(verdict)

    def _wait_for_throttle(self) -> None:
        context = self.context
        while seconds := context.throttle.seconds_to_wait():
            # With jitter: if all lanes resumed at the same moment, the server would answer 429 again.
            if context.wait(seconds + backoff_seconds(1, context.rng)):
                raise Aborted

    def _back_off(self, verdict: Retry, attempt: int, deadline: float) -> None:
        context = self.context
        seconds = max(verdict.at_least_seconds, backoff_seconds(attempt, context.rng))
        if attempt >= MAX_ATTEMPTS or context.clock() + seconds > deadline:
            raise _retries_exhausted(verdict, attempt, context.retry_timeout_seconds)
        if verdict.everyone:
            context.throttle.hold(seconds)
        context.report(Retrying(verdict.reason, seconds))
        if context.wait(seconds):
            raise Aborted


def _retries_exhausted(verdict: Retry, attempts: int, budget_seconds: float) -> TransientError:
    return TransientError(
        f"Customer.io did not accept a request after {counted(attempts, 'attempt')} (retry budget: {budget_seconds:.0f} "
        f"s; last failure: {verdict.reason}). Delivered rows are kept; the next attempt resumes from the last checkpoint. "
        "Check Customer.io's status page, and that nothing between Airbyte and Customer.io breaks connections."
    )


def _unexpected_status(status: int) -> ProtocolError:
    return ProtocolError(
        f"Unexpected answer from the Track API (HTTP {status}). The rows of this request count as not delivered and will "
        "be sent again. Check the proxy between Airbyte and Customer.io, and the Track API URL (track_api_url) if one is "
        "set."
    )


def _account_refused(breaker: CircuitBreaker, rejection: Rejection) -> ConfigError:
    if breaker.rejected_rows:
        outcome = (
            f"{counted(breaker.rejected_rows, 'row')} of the first of these batches had been rejected before this was clear; "
            "the other rows were neither delivered nor rejected, and will be sent again by the next attempt."
        )
    else:
        outcome = "The rows of these batches were neither delivered nor rejected, and will be sent again by the next attempt."
    return ConfigError(
        f"Customer.io refuses every request and accepts no row at all: {counted(breaker.refused_batches, 'whole batch', 'whole batches')} "
        f"with {counted(breaker.refused_rows, 'row')} were split down to single rows, and each was refused without naming a "
        f"row or a field. So the problem is the account or the configuration, not the rows. {outcome} Check the workspace in "
        f"Customer.io, and the configuration. Customer.io's answer: {known_words(rejection.message)}"
    )
