"""Delivers one batch: retried, throttled and split until each of its rows is accepted or rejected.

Every attempt of a part sends the same bytes. A part that was refused as a whole is split in halves, the first of which
is sent first, so that rows stay in order and only the rows at fault are rejected: k of them among n rows cost about
k · log2(n) more requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, assert_never

from destination_customerio.delivery.backoff import MAX_ATTEMPTS, backoff_seconds
from destination_customerio.errors import ConfigError, ProtocolError, Rejection, TransientError
from destination_customerio.redaction import without_values
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
    from collections.abc import Callable

    from destination_customerio.delivery.batch import Batch
    from destination_customerio.delivery.throttle import CircuitBreaker, Throttle


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


@dataclass(slots=True)
class Delivery:
    """Delivers batches over one transport, one at a time. Not thread-safe; owned by one lane."""

    transport: Transport
    context: DeliveryContext
    _requests: int = field(default=0, init=False)

    def deliver(self, batch: Batch) -> Delivered:
        """Send a batch until the verdict on each of its rows is known.

        Raises:
            ConfigError: the credentials are refused, or all rows are.
            TransientError: the retry budget is exhausted.
            ProtocolError: an answer that the Track API is not known to give.
            Aborted: the sync is ending.
        """
        self._requests = 0
        rejected: dict[int, Rejection] = {}
        parts = [(0, len(batch))]
        while parts:
            start, stop = parts.pop()
            verdict = self._send(batch.body(start, stop), stop - start)
            if isinstance(verdict, Accepted):
                rejected |= {start + index: rejection for index, rejection in verdict.rejected.items()}
                if len(verdict.rejected) < stop - start:
                    self.context.breaker.row_accepted()
                continue
            if self.context.breaker.request_refused():
                raise _everything_is_refused(verdict.rejection, batch.lines[start:stop])
            if stop - start == 1:
                rejected[start] = verdict.rejection
            else:
                middle = (start + stop) // 2
                parts += [(middle, stop), (start, middle)]
        return Delivered(batch, rejected, self._requests)

    def _send(self, body: bytes, entries: int) -> Accepted | Refused:
        """Attempt one request until the answer is a verdict on its rows."""
        context = self.context
        deadline = context.clock() + context.retry_timeout_seconds
        attempt = 0
        while True:
            self._wait_for_throttle()
            attempt += 1
            self._requests += 1
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


def _everything_is_refused(rejection: Rejection, lines: list[bytes]) -> ConfigError:
    return ConfigError(
        "Customer.io refuses every request and accepts no row at all, so the problem is the account or the "
        "configuration, not the rows. No row of the refused requests was delivered or counted as rejected. "
        f"Customer.io's answer: {without_values(rejection.message, lines)}"
    )
