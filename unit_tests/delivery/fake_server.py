"""A server, a clock and batches for tests of deliveries."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

import orjson

from destination_customerio.delivery.attempts import Attempts, DeliveryContext, Retrying
from destination_customerio.delivery.batch import Batch
from destination_customerio.delivery.breaker import BreakerLimits, CircuitBreaker
from destination_customerio.delivery.concurrency import ConcurrencyLimit
from destination_customerio.delivery.pacer import Pacer
from destination_customerio.delivery.splitting import Delivered, Delivery
from destination_customerio.delivery.throttle import Throttle
from destination_customerio.ledger import Epoch, StreamQueue
from destination_customerio.track_api.verdict import Answer, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EPOCH = Epoch(StreamQueue("rows"))
OK = Answer(200, b"{}")
REFUSED = Answer(400, b'{"message":"bad row"}')


def batch_of(rows: int) -> Batch:
    """A batch whose entries are numbered from 0."""
    batch = Batch(lane=0, opened_at=0.0)
    for number in range(rows):
        batch.add(b'{"n":%d}' % number, b"line %d" % number, EPOCH)
    return batch


@dataclass
class FakeServer:
    """A server that answers as the test says, and a clock that only advances by waiting."""

    respond: Callable[[list[int]], Answer | NoAnswer]
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    reports: list[Retrying] = field(default_factory=list)
    now: float = 1_000.0
    aborted_after_waits: int = 10**9
    max_rows_per_second: float = inf
    on_wait: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.throttle = Throttle(lambda: self.now)
        self.pacer = Pacer(self.max_rows_per_second, lambda: self.now)
        self.breaker = CircuitBreaker(BreakerLimits(batches=2, rows=1_000))
        self.concurrency = ConcurrencyLimit(2)

    def post_batch(self, body: bytes, path: str) -> Answer | NoAnswer:
        """Answer one request."""
        self.bodies.append(body)
        self.paths.append(path)
        (entries,) = orjson.loads(body).values()
        rows = [entry["n"] for entry in entries]
        answer = self.respond(rows)
        if answer == OK:
            self.accepted += rows
        return answer

    def close(self) -> None:
        """Do nothing; there is no connection."""

    def wait(self, seconds: float) -> bool:
        """Advance the clock, and record how long all lanes are held."""
        self.held.append(self.throttle.seconds_to_wait())
        self.waits.append(seconds)
        self.on_wait()
        self.now += seconds
        return len(self.waits) > self.aborted_after_waits

    def delivery(self, retry_timeout_seconds: float = 900.0) -> Delivery:
        """A delivery to this server."""
        context = DeliveryContext(
            throttle=self.throttle,
            pacer=self.pacer,
            breaker=self.breaker,
            concurrency=self.concurrency,
            retry_timeout_seconds=retry_timeout_seconds,
            clock=lambda: self.now,
            wall_clock=lambda: self.now,
            wait=self.wait,
            rng=random.Random(3),  # noqa: S311 - the same every time
            report=self.reports.append,
        )
        return Delivery(Attempts(self, context))

    def deliver(self, rows: int, **more: float) -> Delivered:
        """Deliver a batch with this number of rows."""
        return self.delivery(**more).deliver(batch_of(rows))


def answers(*given_answers: Answer | NoAnswer) -> Callable[[list[int]], Answer | NoAnswer]:
    """These answers in order, then success."""
    waiting = list(given_answers)
    return lambda _: waiting.pop(0) if waiting else OK


def refusing(bad_rows: Sequence[int]) -> Callable[[list[int]], Answer]:
    """A server that refuses every request that contains one of these rows."""
    return lambda rows: REFUSED if set(rows) & set(bad_rows) else OK
