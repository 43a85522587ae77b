"""Delivers one batch: tried again, slowed down and halved until each of its rows is accepted or rejected.

Every attempt of a part sends the same bytes. A part that was refused as a whole is split in halves, the first of which
goes first, so that rows stay in order and only the rows at fault are rejected: for k of them among n rows it costs
about k · log2(n) requests more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from destination_customerio.errors import ConfigError, ProtocolError, Rejection, TransientError
from destination_customerio.redaction import without_values
from destination_customerio.track_api.region import bad_credentials
from destination_customerio.track_api.verdict import (
    MAX_ATTEMPTS,
    Accepted,
    Answer,
    NoAnswer,
    Refused,
    Retry,
    Unauthorized,
    backoff_seconds,
    judge,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from destination_customerio.delivery.batch import Batch
    from destination_customerio.delivery.throttle import Pace, RefusalCount


class Transport(Protocol):
    """Makes one attempt to send a body."""

    def post_batch(self, body: bytes) -> Answer | NoAnswer:
        """Send it once."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Abandoned(Exception):  # noqa: N818 - not an error of the delivery's: the sync ends
    """The sync ends before the batch was delivered; none of its rows may be settled."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Every row of the batch is accepted, except the rejected ones, by their place in it."""

    batch: Batch
    rejected: dict[int, Rejection]
    requests: int


@dataclass(frozen=True, slots=True)
class Retrying:
    """An attempt failed, and the same bytes will be sent again after `seconds`."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a delivery needs from the outside.

    wait    waits so many seconds; returns True at once when the sync is given up meanwhile
    report  takes a `Retrying` for each attempt that failed
    """

    pace: Pace
    refusals: RefusalCount
    retry_timeout_seconds: float
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    wait: Callable[[float], bool]
    rng: random.Random
    report: Callable[[Retrying], None]


@dataclass(slots=True)
class Delivery:
    """Delivers batches over one transport, one after the other. Made for one thread."""

    transport: Transport
    outside: Circumstances
    _requests: int = field(default=0, init=False)

    def deliver(self, batch: Batch) -> Delivered:
        """Send a batch until nothing of it is open.

        Raises:
            ConfigError: the credentials are refused, or all rows are.
            TransientError: the time for retries is spent.
            ProtocolError: an answer the Track API is not known to give.
            Abandoned: the sync ends.
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
                    self.outside.refusals.accepted()
                continue
            if self.outside.refusals.refused():
                raise _everything_is_refused(verdict.rejection, batch.lines[start:stop])
            if stop - start == 1:
                rejected[start] = verdict.rejection
            else:
                middle = (start + stop) // 2
                parts += [(middle, stop), (start, middle)]
        return Delivered(batch, rejected, self._requests)

    def _send(self, body: bytes, entries: int) -> Accepted | Refused:
        """Attempt one request until the answer is a verdict on its rows."""
        outside = self.outside
        deadline = outside.clock() + outside.retry_timeout_seconds
        attempt = 0
        while True:
            self._wait_for_pace()
            attempt += 1
            self._requests += 1
            verdict = judge(self.transport.post_batch(body), entries, outside.wall_clock)
            match verdict:
                case Accepted() | Refused():
                    return verdict
                case Unauthorized():
                    raise bad_credentials()
                case Retry():
                    self._back_off(verdict, attempt, deadline)
                case _:
                    raise ProtocolError(
                        f"The Track API answered HTTP {verdict.status}, which it is not known to do. The rows of this "
                        "request count as not written. Check the proxy between Airbyte and Customer.io, and the Track "
                        "API URL (track_api_url), if one is set."
                    )

    def _wait_for_pace(self) -> None:
        outside = self.outside
        while seconds := outside.pace.seconds_to_wait():
            # Not all lanes at the same moment, or the server would answer 429 once more.
            if outside.wait(seconds + backoff_seconds(1, outside.rng)):
                raise Abandoned

    def _back_off(self, verdict: Retry, attempt: int, deadline: float) -> None:
        outside = self.outside
        seconds = max(verdict.at_least_seconds, backoff_seconds(attempt, outside.rng))
        if attempt >= MAX_ATTEMPTS or outside.clock() + seconds > deadline:
            raise _retries_are_spent(verdict, attempt, outside.retry_timeout_seconds)
        if verdict.everyone:
            outside.pace.hold(seconds)
        outside.report(Retrying(verdict.reason, seconds))
        if outside.wait(seconds):
            raise Abandoned


def _retries_are_spent(verdict: Retry, attempts: int, budget_seconds: float) -> TransientError:
    return TransientError(
        f"Customer.io did not accept a request after {attempts} {'attempt' if attempts == 1 else 'attempts'} (retry budget: "
        f"{budget_seconds:.0f} s). Last failure: {verdict.reason}. Delivered rows are kept; the next attempt resumes from "
        "the last checkpoint. Check Customer.io's status page and the network between Airbyte and Customer.io."
    )


def _everything_is_refused(rejection: Rejection, lines: list[bytes]) -> ConfigError:
    return ConfigError(
        "Customer.io refuses every request, and accepts no row at all, so the fault is in the account or the "
        "configuration and not in the rows. Nothing of the refused requests was written or counted as rejected. "
        f"Customer.io says: {without_values(rejection.message, lines)}"
    )
