"""One batch is tried again, slowed down and halved until each of its rows is accepted or rejected."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import ceil, log2
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.attempts import Aborted, Delivered, Delivery, DeliveryContext, Retrying
from destination_customerio.delivery.backoff import MAX_ATTEMPTS
from destination_customerio.delivery.batch import Batch
from destination_customerio.delivery.breaker import BreakerLimits, CircuitBreaker
from destination_customerio.delivery.throttle import Throttle
from destination_customerio.errors import ConfigError, ProtocolError, TransientError
from destination_customerio.ledger import Epoch, StreamQueue
from destination_customerio.track_api.verdict import Answer, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EPOCH = Epoch(StreamQueue("rows"))
OK = Answer(200, b"{}")
REFUSED = Answer(400, b'{"message":"bad row"}')


def batch_of(rows: int) -> Batch:
    """A batch whose entries are the numbers from 0."""
    batch = Batch(lane=0, opened_at=0.0)
    for number in range(rows):
        batch.add(b'{"n":%d}' % number, b"line %d" % number, EPOCH)
    return batch


@dataclass
class World:
    """A server that answers as told, and a clock that only waiting moves."""

    respond: Callable[[list[int]], Answer | NoAnswer]
    bodies: list[bytes] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    reports: list[Retrying] = field(default_factory=list)
    now: float = 1_000.0
    gives_up_after_waits: int = 10**9

    def __post_init__(self) -> None:
        self.throttle = Throttle(lambda: self.now)
        self.breaker = CircuitBreaker(BreakerLimits(batches=2, rows=1_000))

    def post_batch(self, body: bytes) -> Answer | NoAnswer:
        """One request."""
        self.bodies.append(body)
        rows = [entry["n"] for entry in orjson.loads(body)["batch"]]
        answer = self.respond(rows)
        if answer == OK:
            self.accepted += rows
        return answer

    def close(self) -> None:
        """Nothing to close."""

    def wait(self, seconds: float) -> bool:
        """Let time pass, and note for how long all lanes are held."""
        self.held.append(self.throttle.seconds_to_wait())
        self.waits.append(seconds)
        self.now += seconds
        return len(self.waits) > self.gives_up_after_waits

    def delivery(self, retry_timeout_seconds: float = 900.0) -> Delivery:
        """A delivery in this world."""
        outside = DeliveryContext(
            throttle=self.throttle,
            breaker=self.breaker,
            retry_timeout_seconds=retry_timeout_seconds,
            clock=lambda: self.now,
            wall_clock=lambda: self.now,
            wait=self.wait,
            rng=random.Random(3),  # noqa: S311 - the same every time
            report=self.reports.append,
        )
        return Delivery(self, outside)

    def deliver(self, rows: int, **more: float) -> Delivered:
        """Deliver a batch of so many rows."""
        return self.delivery(**more).deliver(batch_of(rows))


def answers(*given_answers: Answer | NoAnswer) -> Callable[[list[int]], Answer | NoAnswer]:
    """These answers, one after the other, then success."""
    waiting = list(given_answers)
    return lambda _: waiting.pop(0) if waiting else OK


def refusing(culprits: Sequence[int]) -> Callable[[list[int]], Answer]:
    """A server that refuses every request with one of these rows."""
    return lambda rows: REFUSED if set(rows) & set(culprits) else OK


@given(rows=st.integers(1, 200), data=st.data())
def test_halving_rejects_the_culprits_alone_in_order_and_cheaply(rows: int, data: st.DataObject) -> None:
    """Each other row is accepted once, in the order of the batch, for about k · log n requests."""
    culprits = data.draw(st.sets(st.integers(0, rows - 1), max_size=4))
    world = World(refusing(sorted(culprits)))
    done = world.deliver(rows)
    assert set(done.rejected) == culprits
    assert {rejection.message for rejection in done.rejected.values()} <= {"bad row"}
    assert world.accepted == [number for number in range(rows) if number not in culprits]
    assert done.requests == len(world.bodies)
    assert done.requests <= 1 + len(culprits) * 2 * ceil(log2(rows) + 1)


def test_rejections_of_a_half_are_of_the_batchs_own_places() -> None:
    """A 207 counts from the beginning of its request, which after halving is not the batch's."""

    def respond(rows: list[int]) -> Answer:
        if len(rows) > 2:
            return REFUSED
        return Answer(207, b'{"errors":[{"batch_index":1,"message":"no"}]}')

    done = World(respond).deliver(4)
    assert sorted(done.rejected) == [1, 3]


def test_every_attempt_sends_the_same_bytes() -> None:
    """Ids and all, so that the server can ignore what it already took."""
    world = World(answers(Answer(503, b""), NoAnswer("no answer in time"), Answer(200, b"<html>")))
    done = world.deliver(3)
    assert (done.rejected, done.requests) == ({}, 4)
    assert len(set(world.bodies)) == 1
    delivery = world.delivery()
    assert [delivery.deliver(batch_of(1)).requests for _ in range(2)] == [1, 1]
    assert [report.reason for report in world.reports] == [
        "HTTP 503",
        "no answer in time",
        "an unreadable body",
    ]


def test_retry_after_is_the_least_to_wait() -> None:
    """The backoff may only add to it."""
    world = World(answers(Answer(503, b"", "7")))
    world.deliver(1)
    assert world.waits == [7.0]


@given(st.integers(0, 2**32))
def test_backoff_has_full_jitter_below_an_exponential_ceiling(seed: int) -> None:
    """So lanes that failed together do not come back together."""
    world = World(answers(*[Answer(500, b"")] * 8))
    delivery = world.delivery()
    delivery.context.rng.seed(seed)
    delivery.deliver(batch_of(1))
    assert len(world.waits) == 8
    for attempt, waited in enumerate(world.waits):
        assert 0 <= waited <= min(30.0, 0.5 * 2**attempt)


@pytest.mark.parametrize(("status", "held"), [(429, 20.0), (503, 0.0)])
def test_a_429_holds_every_lane_and_any_other_failure_only_its_own(status: int, held: float) -> None:
    """The rate is the account's, not the lane's."""
    world = World(answers(Answer(status, b"", "20")))
    world.deliver(1)
    assert world.held == [held]


def test_a_lane_waits_when_another_was_told_to() -> None:
    """Its request goes out only after that, and not at the same moment as everybody's."""
    world = World(answers())
    world.throttle.hold(20.0)
    world.deliver(1)
    assert len(world.waits) == 1
    assert 20.0 < world.waits[0] <= 20.5


def test_a_request_is_given_up_when_its_time_is_spent() -> None:
    """Before a wait that would end too late, not after it."""
    world = World(lambda _: Answer(503, b""))
    with pytest.raises(TransientError) as caught:
        world.deliver(1, retry_timeout_seconds=60.0)
    assert world.now - 1_000.0 <= 60.0
    assert "60 s" in str(caught.value)
    assert "HTTP 503" in str(caught.value)


def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    """A server that asks for an hour is told so at once."""
    world = World(lambda _: Answer(429, b"", "3600"))
    with pytest.raises(TransientError):
        world.deliver(1)
    assert world.waits == []


def test_attempts_are_bounded_too() -> None:
    """A budget of days does not make a loop of days."""
    world = World(lambda _: Answer(500, b""))
    with pytest.raises(TransientError):
        world.deliver(1, retry_timeout_seconds=1e9)
    assert len(world.bodies) == MAX_ATTEMPTS


def test_each_request_has_a_budget_of_its_own() -> None:
    """A batch of many parts may take longer than one request may."""
    world = World(answers(REFUSED, Answer(503, b"", "50"), OK, Answer(503, b"", "50")))
    done = world.deliver(2, retry_timeout_seconds=60.0)
    assert done.rejected == {}
    assert world.now - 1_000.0 >= 100


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_end_it(status: int) -> None:
    """At once, with where to find the right ones."""
    world = World(lambda _: Answer(status, b""))
    with pytest.raises(ConfigError, match="Tracking API Keys"):
        world.deliver(4)
    assert len(world.bodies) == 1


def test_an_unknown_answer_ends_it() -> None:
    """No row of it counts as written."""
    with pytest.raises(ProtocolError, match="HTTP 418"):
        World(lambda _: Answer(418, b"")).deliver(4)


def test_the_breaker_trips_after_whole_batches_without_an_accepted_row() -> None:
    """It is the account or the configuration: the message says what was seen, and the server's answer."""
    world = World(lambda _: REFUSED)
    delivery = world.delivery()
    assert len(delivery.deliver(batch_of(600)).rejected) == 600
    with pytest.raises(ConfigError, match=r"2 whole batches with 1,200 rows.*bad row"):
        delivery.deliver(batch_of(600))
    assert len(world.bodies) == 2 * (2 * 600 - 1)
    assert delivery.unreported_requests == 2 * 600 - 1


def test_a_tripped_breaker_quotes_no_value() -> None:
    """The server's answer gets into a trace, where no row value may appear."""
    world = World(lambda _: Answer(400, b'{"message":"bad address c4nary@example.com"}'))
    batch = Batch(lane=0, opened_at=0.0)
    line = b'{"type":"RECORD","record":{"stream":"s","data":{"person_email":" c4nary@example.com "}}}'
    for number in range(600):
        batch.add(b'{"n":%d}' % number, line, EPOCH)
    delivery = world.delivery()
    delivery.deliver(batch)
    with pytest.raises(ConfigError) as caught:
        delivery.deliver(batch)
    assert "Customer.io's answer: bad address …" in str(caught.value)
    assert "c4nary" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 413])
def test_a_refusal_that_names_rows_is_believed(status: int) -> None:
    """The rows it names are rejected; the others are sent again, together."""

    def respond(rows: list[int]) -> Answer:
        errors = [
            {"batch_index": place, "reason": "invalid", "field": "token", "message": "no"}
            for place, row in enumerate(rows)
            if row % 3 == 0
        ]
        return Answer(status, orjson.dumps({"errors": errors})) if errors else OK

    world = World(respond)
    done = world.deliver(100)
    assert sorted(done.rejected) == list(range(0, 100, 3))
    assert world.accepted == [row for row in range(100) if row % 3]
    assert len(world.bodies) == 2


def test_a_refusal_of_some_named_and_some_unnamed_rows_isolates_the_rest() -> None:
    """The named ones at once, the others by splitting."""

    def respond(rows: list[int]) -> Answer:
        errors: list[dict[str, object]] = [
            {"batch_index": place, "message": "named"} for place, row in enumerate(rows) if row == 5
        ]
        errors += [{"message": "unnamed"} for row in rows if row == 40]
        return Answer(400, orjson.dumps({"errors": errors})) if errors else OK

    done = World(respond).deliver(64)
    assert {row: rejection.message for row, rejection in done.rejected.items()} == {5: "named", 40: "unnamed"}


@pytest.mark.parametrize(
    "error",
    [
        {"errors": [{"batch_index": 0, "reason": "invalid"}]},
        {"errors": [{"reason": "invalid", "field": "email", "message": "no"}]},
    ],
    ids=["names the row", "names a field"],
)
def test_no_number_of_rows_refused_by_name_trips_the_breaker(error: dict[str, object]) -> None:
    """The API judges rows, however many of them are bad."""

    def respond(rows: list[int]) -> Answer:
        return Answer(400, orjson.dumps(error)) if len(rows) == 1 else REFUSED

    delivery = World(respond).delivery()
    for _ in range(4):
        assert len(delivery.deliver(batch_of(700)).rejected) == 700


def test_an_accepted_row_starts_the_count_again() -> None:
    """Batches that are refused whole count only while nothing is accepted anywhere."""
    world = World(lambda rows: OK if rows == [0, 1] else REFUSED)
    delivery = world.delivery()
    delivery.deliver(batch_of(900))
    delivery.deliver(batch_of(2))
    assert len(delivery.deliver(batch_of(900)).rejected) == 900


def test_one_accepted_row_shows_that_it_is_the_rows() -> None:
    """Hundreds of bad rows are rejected one by one while others are accepted in between."""
    culprits = [number for number in range(800) if number % 4]
    done = World(refusing(culprits)).deliver(800)
    assert sorted(done.rejected) == culprits


def test_a_delivery_that_is_given_up_settles_nothing() -> None:
    """It ends in its wait, without another request."""
    world = World(lambda _: Answer(503, b""), gives_up_after_waits=1)
    with pytest.raises(Aborted):
        world.deliver(3)
    assert len(world.bodies) == 2
