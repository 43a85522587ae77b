"""Delivers one batch: split until each of its rows is accepted or rejected.

Rows that a refusal names are rejected, and the others are sent again, together. A part that was refused without naming a
row is split in halves, the first of which is sent first, so that rows stay in order and only the rows at fault are rejected:
k of them among n rows cost about k · log2(n) more requests.

A firewall or proxy may forbid a request because of one row in it, or every request. The endpoint's probe, a request without
rows, separates the two: while that one is forbidden too, no row is at fault. So it is sent before the first split, and before
a row is rejected, which is then tried once more.

The path of a segment's endpoint has a value of the rows in it. If such a request is refused, and the probe too, then that
value is at fault, so all rows are rejected at once, whatever their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from destination_customerio.delivery.attempts import Attempts, Request
from destination_customerio.delivery.failures import (
    account_refused,
    answered_wrongly,
    blocked_by_proxy,
    endpoint_refused,
)
from destination_customerio.track_api.failures import FEW_ATTEMPTS
from destination_customerio.track_api.verdict import Accepted, Blocked, Refused, Retry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from destination_customerio.delivery.batch import Batch
    from destination_customerio.errors import Rejection
    from destination_customerio.mapping.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Delivered:
    """Every row of the batch was accepted, except the rejected ones, by their index in it."""

    batch: Batch
    rejected: dict[int, Rejection]
    requests: int


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """Delivers batches, one at a time. Not thread-safe; owned by one lane."""

    attempts: Attempts

    def deliver(self, batch: Batch) -> Delivered:
        """Send a batch until the verdict on each of its rows is known.

        Raises:
            ConfigError: the credentials are refused, all rows are, or something in between blocks every request.
            TransientError: the retry budget is exhausted.
            ProtocolError: answers that the Track API is not known to give.
            Aborted: the sync is ending.
        """
        breaker = self.attempts.context.breaker
        breaker.start(self)
        try:
            rejected, is_judged = self._split(batch)
            if not is_judged and breaker.batch_refused(len(batch)):
                raise account_refused(breaker, next(iter(rejected.values())))
        finally:
            breaker.end(self)
        if not is_judged:
            self._hold_back(batch)
        requests, self.attempts.unreported = self.attempts.unreported, 0
        return Delivered(batch, rejected, requests)

    def _split(self, batch: Batch) -> tuple[dict[int, Rejection], bool]:
        """The rejected rows by their index in the batch, and whether any answer was about rows."""
        breaker = self.attempts.context.breaker
        rejected: dict[int, Rejection] = {}
        is_judged = False
        requests = batch.requests()
        parts: list[Sequence[int]] = [*reversed(requests)]
        while parts:
            part = parts.pop()
            # A row of several entries is rejected with the first that is; the others are not sent.
            if rejected and not (part := batch.without(rejected, part)):
                continue
            is_whole = part in requests
            verdict = self._send_part(batch, part, is_whole=is_whole)
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
                parts.append(part)
            elif is_whole and (refusal := self._refusal(batch.endpoint)):
                refused = endpoint_refused(refusal, batch.endpoint.column)
                return dict.fromkeys(range(len(batch)), refused), True
            elif batch.count_rows(part) == 1:
                rejected.setdefault(batch.row_of(part[0]), verdict.rejection)
            else:
                self._wait_to_split()
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
        return rejected, is_judged

    def _refusal(self, endpoint: Endpoint) -> Rejection | None:
        """Why an endpoint with a value of the rows in its path refuses requests whatever the rows are; None if it doesn't."""
        verdict = self.attempts.send(Request.probe(endpoint)) if endpoint.column else None
        return verdict.rejection if isinstance(verdict, Refused) else None

    def _send_part(self, batch: Batch, part: Sequence[int], *, is_whole: bool) -> Accepted | Refused:
        """Send some entries until the answer is a verdict on them; a request that a proxy forbids counts as refused."""
        endpoint = batch.endpoint
        rows = batch.count_rows(part)
        request = Request(endpoint.path, batch.body_of(part), rows, len(part), endpoint.column)
        verdict = self.attempts.send(request)
        if isinstance(verdict, Blocked) and (is_whole or len(part) == 1):
            was_blocked = self._wait_until_unblocked(endpoint)
            if was_blocked or len(part) == 1:
                verdict = self.attempts.send(request)
        return blocked_by_proxy() if isinstance(verdict, Blocked) else verdict

    def _wait_until_unblocked(self, endpoint: Endpoint) -> bool:
        """Send requests without rows until Customer.io answers one, in whatever way; returns whether any was forbidden."""
        request = Request.probe(endpoint)
        deadline = self.attempts.context.clock() + self.attempts.context.retry_timeout_seconds
        attempt = 0
        while isinstance(verdict := self.attempts.send(request), Blocked):
            attempt += 1
            if not self.attempts.back_off(
                Retry("blocked by a proxy or firewall"), attempt, deadline, FEW_ATTEMPTS
            ):
                raise answered_wrongly(verdict)
        return attempt > 0

    def _wait_to_split(self) -> None:
        breaker = self.attempts.context.breaker
        breaker.request_refused()
        self.attempts.wait_until(lambda: breaker.may_split(self))

    def _hold_back(self, batch: Batch) -> None:
        """Every row of the batch was refused in words that name neither a row nor a field: wait for what others find."""
        breaker = self.attempts.context.breaker
        self.attempts.wait_until(lambda: breaker.may_settle(len(batch)))
