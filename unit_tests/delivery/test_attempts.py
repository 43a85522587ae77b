"""One batch is retried, throttled and split until each of its rows is accepted or rejected."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import ceil, inf, log2
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.attempts import Aborted, Attempts, DeliveryContext, Retrying
from destination_customerio.delivery.backoff import MAX_ATTEMPTS
from destination_customerio.delivery.batch import Batch
from destination_customerio.delivery.breaker import BreakerLimits, CircuitBreaker
from destination_customerio.delivery.concurrency import ConcurrencyLimit
from destination_customerio.delivery.pacer import Pacer
from destination_customerio.delivery.splitting import Delivered, Delivery
from destination_customerio.delivery.throttle import Throttle
from destination_customerio.errors import ConfigError, ProtocolError, TransientError
from destination_customerio.ledger import Epoch, StreamQueue
from destination_customerio.mapping.endpoints import Endpoint, Probe, Several
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


@given(rows=st.integers(1, 200), data=st.data())
def test_halving_rejects_only_the_bad_rows_in_order_and_cheaply(rows: int, data: st.DataObject) -> None:
    """Every other row is accepted once, in the order of the batch, for about k · log n requests."""
    bad_rows = data.draw(st.sets(st.integers(0, rows - 1), max_size=4))
    server = FakeServer(refusing(sorted(bad_rows)))
    done = server.deliver(rows)
    assert set(done.rejected) == bad_rows
    assert {rejection.message for rejection in done.rejected.values()} <= {"bad row"}
    assert server.accepted == [number for number in range(rows) if number not in bad_rows]
    assert done.requests == len(server.bodies)
    assert done.requests <= 1 + len(bad_rows) * 2 * ceil(log2(rows) + 1)


def test_rejections_of_a_half_have_the_indexes_of_the_batch() -> None:
    """A 207 counts rows from the start of its request, which after halving is not the start of the batch."""

    def respond(rows: list[int]) -> Answer:
        if len(rows) > 2:
            return REFUSED
        return Answer(207, b'{"errors":[{"batch_index":1,"message":"no"}]}')

    done = FakeServer(respond).deliver(4)
    assert sorted(done.rejected) == [1, 3]


def test_a_row_of_several_entries_is_rejected_once_if_one_of_them_is() -> None:
    """Errors count entries; the rows that follow keep their own, and rows that are not named are sent again together."""
    batch = Batch(lane=0, opened_at=0.0)
    for entry in (b'{"n":0}', Several((b'{"n":1}', b'{"n":2}')), b'{"n":3}', b'{"n":4}'):
        batch.add(entry, b"", EPOCH)
    named = b'{"errors":[{"batch_index":2,"message":"no"},{"batch_index":3,"message":"no"}]}'
    server = FakeServer(answers(Answer(400, named)))
    done = server.delivery().deliver(batch)
    assert sorted(done.rejected) == [1, 2]
    assert server.bodies[1] == b'{"batch":[{"n":0},{"n":4}]}'


def test_a_row_larger_than_a_request_is_delivered_or_rejected_as_one() -> None:
    """Its requests are sent in order, each retried and halved by itself; one refused entry rejects the row, once."""
    entries = tuple(b'{"n":%d}' % number for number in range(10))
    for bad_entries in ([], [4], [0, 9]):
        batch = Batch(lane=0, opened_at=0.0, max_body_bytes=40)
        batch.add(Several(entries), b"", EPOCH)
        server = FakeServer(refusing(bad_entries))
        done = server.delivery().deliver(batch)
        assert list(done.rejected) == ([0] if bad_entries else [])
        assert server.accepted == [number for number in range(10) if number not in bad_entries]
        assert max(map(len, server.bodies)) <= 40


def test_every_attempt_sends_the_same_bytes() -> None:
    """Ids stay the same, so that the server can ignore what it has already accepted."""
    server = FakeServer(answers(Answer(503, b""), NoAnswer("no answer in time"), Answer(200, b"<html>")))
    done = server.deliver(3)
    assert (done.rejected, done.requests) == ({}, 4)
    assert len(set(server.bodies)) == 1
    delivery = server.delivery()
    assert [delivery.deliver(batch_of(1)).requests for _ in range(2)] == [1, 1]
    assert [report.reason for report in server.reports] == [
        "HTTP 503",
        "no answer in time",
        "a web page",
    ]


def test_retry_after_is_the_minimum_wait() -> None:
    """The backoff may only extend it."""
    server = FakeServer(answers(Answer(503, b"", "7")))
    server.deliver(1)
    assert server.waits == [7.0]


@given(st.integers(0, 2**32))
def test_backoff_has_full_jitter_below_an_exponential_ceiling(seed: int) -> None:
    """Lanes that failed together do not retry together."""
    server = FakeServer(answers(*[Answer(500, b"")] * 8))
    delivery = server.delivery()
    delivery.attempts.context.rng.seed(seed)
    delivery.deliver(batch_of(1))
    assert len(server.waits) == 8
    for attempt, waited in enumerate(server.waits):
        assert 0 <= waited <= min(30.0, 0.5 * 2**attempt)


RATE = 100


@given(rows=st.integers(1, 100), data=st.data())
def test_retries_and_parts_of_a_refused_request_keep_the_pace(rows: int, data: st.DataObject) -> None:
    """Whatever the answers, no ten seconds hold more rows than the limit allows, apart from one request."""
    bad_rows = data.draw(st.sets(st.integers(0, rows - 1), max_size=4))
    failures = data.draw(st.lists(st.booleans(), max_size=10))
    started: list[tuple[float, int]] = []

    def respond(sent: list[int]) -> Answer:
        started.append((server.now, len(sent)))
        return Answer(503, b"") if failures and failures.pop() else refusing(sorted(bad_rows))(sent)

    server = FakeServer(respond, max_rows_per_second=RATE)
    assert set(server.deliver(rows).rejected) == bad_rows
    for number, (at, _) in enumerate(started):
        earlier = sum(sent for before, sent in started[:number] if before > at - 10 + 1e-6)
        assert earlier <= 10 * RATE
    # What comes next starts when the last attempt has had its time.
    at, sent = started[-1]
    assert server.pacer.reserve(1) == pytest.approx(max(0.0, at + sent / RATE - server.now))


def test_lanes_that_a_throttle_held_resume_at_the_pace() -> None:
    """The time that they had reserved before has passed; they don't send all at once."""
    server = FakeServer(lambda _: OK, max_rows_per_second=RATE)
    server.throttle.hold(20.0)
    server.deliver(50)
    assert server.pacer.reserve(1) == pytest.approx(0.5)


def test_waiting_for_the_pace_uses_up_no_retry_budget() -> None:
    """A row may wait for minutes on purpose, and is retried all the same."""
    server = FakeServer(answers(Answer(503, b"")), max_rows_per_second=0.01)
    done = server.deliver(1, retry_timeout_seconds=5)
    assert (done.requests, done.rejected, server.accepted) == (2, {}, [0])
    assert server.now >= 1_100


def test_a_throttle_that_begins_while_a_lane_waits_for_the_pace_holds_it_too() -> None:
    """The lane starts when the throttle has ended, and takes its time then."""
    server = FakeServer(lambda _: OK, max_rows_per_second=1)
    server.pacer.reserve(5)
    server.on_wait = lambda: server.throttle.hold(20.0) if len(server.waits) == 1 else None
    server.deliver(3)
    assert server.now >= 1_020
    assert server.pacer.reserve(1) == pytest.approx(3.0)


@pytest.mark.parametrize(("status", "held"), [(429, 20.0), (503, 0.0)])
def test_a_429_holds_every_lane_and_any_other_failure_only_its_own(status: int, held: float) -> None:
    """The rate limit belongs to the account, not to the lane."""
    server = FakeServer(answers(Answer(status, b"", "20")))
    server.deliver(1)
    assert server.held == [held]


def test_a_lane_waits_while_the_throttle_holds() -> None:
    """Its request is sent only afterwards, with jitter."""
    server = FakeServer(answers())
    server.throttle.hold(20.0)
    server.deliver(1)
    assert len(server.waits) == 1
    assert 20.0 < server.waits[0] <= 20.5


def test_a_request_fails_when_its_retry_budget_is_exhausted() -> None:
    """It fails before a wait that would exceed the budget, not after it."""
    server = FakeServer(lambda _: Answer(503, b""))
    with pytest.raises(TransientError) as caught:
        server.deliver(1, retry_timeout_seconds=60.0)
    assert server.now - 1_000.0 <= 60.0
    assert "60 s" in str(caught.value)
    assert "HTTP 503" in str(caught.value)


def test_a_wait_beyond_the_budget_is_not_started() -> None:
    """A Retry-After of an hour fails the request immediately."""
    server = FakeServer(lambda _: Answer(429, b"", "3600"))
    with pytest.raises(TransientError, match=r"HTTP 429, with a Retry-After of 3600 s"):
        server.deliver(1)
    assert server.waits == []


def test_the_number_of_attempts_is_bounded() -> None:
    """A retry budget of days does not become an endless loop."""
    server = FakeServer(lambda _: Answer(500, b""))
    with pytest.raises(TransientError):
        server.deliver(1, retry_timeout_seconds=1e9)
    assert len(server.bodies) == MAX_ATTEMPTS


def test_each_request_has_its_own_retry_budget() -> None:
    """A batch of many parts may take longer than the budget of one request."""
    server = FakeServer(answers(REFUSED, Answer(503, b"", "50"), OK, Answer(503, b"", "50")))
    done = server.deliver(2, retry_timeout_seconds=60.0)
    assert done.rejected == {}
    assert server.now - 1_000.0 >= 100


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_fail_the_delivery(status: int) -> None:
    """It fails without a retry, and the message says where to find the right credentials."""
    server = FakeServer(lambda _: Answer(status, b'{"meta":{"error":"Unauthorized request"}}'))
    with pytest.raises(ConfigError, match="Tracking API Keys"):
        server.deliver(4)
    assert len(server.bodies) == 1


DOUBTFUL = [
    (Answer(202, b"{}"), ProtocolError, r"HTTP 202.*proxy"),
    (Answer(204, b""), ProtocolError, r"HTTP 204.*proxy"),
    (Answer(200, b'{"error":"no"}'), ProtocolError, "does not count as success"),
    (Answer(404, b""), ConfigError, "track_api_url"),
    (Answer(407, b""), ConfigError, "A proxy between Airbyte and Customer.io"),
    (Answer(511, b"<html>"), ConfigError, "A proxy between Airbyte and Customer.io"),
    (Answer(302, b""), ConfigError, r"redirect to a host that is not Customer\.io's.*were not sent there"),
    (Answer(401, b"<html>"), ConfigError, "A proxy between Airbyte and Customer.io"),
    (Answer(403, b"<html>"), ConfigError, r"firewall or proxy .* blocks every request"),
    (Answer(418, b""), ProtocolError, "HTTP 418"),
]


@pytest.mark.parametrize(("answer", "kind", "words"), DOUBTFUL, ids=lambda value: str(value)[:30])
def test_an_answer_that_may_be_somebody_elses_is_tried_again(
    answer: Answer, kind: type[Exception], words: str
) -> None:
    """A few times; then the delivery fails, and no row is accepted or rejected."""
    server = FakeServer(lambda _: answer)
    with pytest.raises(kind, match=words):
        server.deliver(4)
    assert len(set(server.bodies)) <= 2
    assert 4 <= len(server.bodies) <= 5
    server = FakeServer(answers(answer, answer))
    assert server.deliver(4).rejected == {}


def test_a_doubtful_answer_does_not_outlast_the_retry_budget() -> None:
    """The failure is still that of the answer."""
    with pytest.raises(ProtocolError, match="HTTP 418"):
        FakeServer(lambda _: Answer(418, b"")).deliver(4, retry_timeout_seconds=0.0)


def test_a_required_payment_fails_the_delivery_without_quoting_a_value() -> None:
    """At once, with the server's words."""
    server = FakeServer(lambda _: Answer(402, b'{"message":"plan of c4nary@example.com has expired"}'))
    batch = Batch(lane=0, opened_at=0.0)
    batch.add(
        b'{"n":1}', b'{"type":"RECORD","record":{"stream":"s","data":{"a":"c4nary@example.com"}}}', EPOCH
    )
    with pytest.raises(ConfigError, match="expired") as caught:
        server.delivery().deliver(batch)
    assert "c4nary" not in str(caught.value)
    assert len(server.bodies) == 1


def test_a_lane_waits_for_its_turn_on_a_slow_line() -> None:
    """Not at the cost of its retry budget, as long as others succeed meanwhile."""

    def wait(seconds: float) -> bool:
        server.now += seconds
        if server.now > 1_300.0 and others:
            server.concurrency.observe(others[0], succeeded=True, timed_out=False, sending_seconds=0.0)
            server.concurrency.end(others.pop(0))
        return False

    server = FakeServer(answers(Answer(503, b"", "40")))
    others = ["first", "second"]
    assert all(server.concurrency.may_begin(lane) for lane in others)
    server.wait = wait  # type: ignore[method-assign]
    assert server.deliver(1, retry_timeout_seconds=60.0).requests == 2
    assert server.now > 1_300.0


def test_waiting_for_a_turn_counts_while_nobody_succeeds() -> None:
    """In an outage, the budget of each request runs."""

    def wait(seconds: float) -> bool:
        server.now += seconds
        if server.now > 1_100.0:
            server.concurrency.end("first")
        return False

    server = FakeServer(lambda _: Answer(503, b""))
    assert all(server.concurrency.may_begin(lane) for lane in ("first", "second"))
    server.wait = wait  # type: ignore[method-assign]
    with pytest.raises(TransientError):
        server.deliver(1, retry_timeout_seconds=60.0)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "answer",
    [
        NoAnswer("x", timed_out=True),
        Answer(503, b"", sending_seconds=11.0),
        NoAnswer("x", sending_seconds=11.0),
    ],
)
def test_congestion_leaves_room_for_fewer_lanes(answer: Answer | NoAnswer) -> None:
    """Whether a request timed out or took long to leave; the lane gives its place back."""
    limits = []

    def respond(_: list[int]) -> Answer | NoAnswer:
        limits.append(server.concurrency.limit)
        server.concurrency.end("other")
        return answer if len(limits) == 1 else OK

    server = FakeServer(respond)
    assert server.concurrency.may_begin("other")
    server.deliver(1)
    assert limits == [2, 1]
    assert server.concurrency.may_begin("next")


def blocking(bad_rows: Sequence[int]) -> Callable[[list[int]], Answer]:
    """A firewall in front of a server, which forbids every request that contains one of these rows."""
    return lambda rows: Answer(403, b"<html>") if set(rows) & set(bad_rows) else OK


@given(rows=st.integers(1, 200), data=st.data())
def test_a_row_that_a_firewall_blocks_costs_only_itself(rows: int, data: st.DataObject) -> None:
    """Every other row is accepted once, in order; the rejection names the firewall."""
    bad_rows = data.draw(st.sets(st.integers(0, rows - 1), max_size=4))
    server = FakeServer(blocking(sorted(bad_rows)))
    done = server.deliver(rows)
    assert set(done.rejected) == bad_rows
    assert {rejection.reason for rejection in done.rejected.values()} <= {"blocked"}
    assert all("firewall or proxy" in rejection.message for rejection in done.rejected.values())
    assert server.accepted == [number for number in range(rows) if number not in bad_rows]
    # Above halving itself: a request without rows before the first split, and two more requests a culprit.
    assert done.requests <= 2 + len(bad_rows) * (2 * ceil(log2(rows) + 1) + 2)


def test_a_firewall_that_closes_in_the_middle_rejects_no_row() -> None:
    """Rows are blocked one by one only because everything is."""
    server = FakeServer(lambda rows: Answer(403, b"") if len(server.bodies) > 3 or 5 in rows else OK)
    with pytest.raises(ConfigError, match="blocks every request"):
        server.deliver(64)
    assert server.accepted == []


def batch_of_segment(rows: int) -> Batch:
    """A batch for an endpoint whose path has a value of the rows in it, and whose probe is number -1."""
    probe = Probe("/segments/9/remove", lambda: b'{"ids":[{"n":-1}]}')
    endpoint = Endpoint("/segments/9/add", b'{"ids":[', b"]}", probe, column="segment_id")
    batch = Batch(lane=0, opened_at=0.0, endpoint=endpoint)
    for number in range(rows):
        batch.add(b'{"n":%d}' % number, b"", EPOCH)
    return batch


def test_each_part_of_a_batch_goes_to_its_endpoint() -> None:
    """So does the request without rows, as a firewall may close one endpoint and let others through."""
    batch = batch_of_segment(4)
    server = FakeServer(blocking([2]))
    done = server.delivery().deliver(batch)
    assert list(done.rejected) == [2]
    assert [number for number in server.accepted if number >= 0] == [0, 1, 3]
    for path, body in zip(server.paths, server.bodies, strict=True):
        assert (path, body) == (batch.endpoint.probe.path, batch.endpoint.probe.body()) or (
            path == batch.endpoint.path and body.startswith(batch.endpoint.opening + b'{"n":')
        )
    assert batch.endpoint.probe.path in server.paths


@pytest.mark.parametrize("rows", [1, 2, 1_000])
@pytest.mark.parametrize(
    "answer",
    [
        REFUSED,
        Answer(404, b""),
        Answer(404, b"404 page not found"),
        Answer(404, b'{"meta":{"errors":["no such segment"]}}'),
        Answer(410, b""),
        Answer(422, b"{}"),
        Answer(200, b'{"errors":[{"message":"no such segment"}]}'),
    ],
)
def test_a_segment_that_takes_nobody_rejects_its_rows_at_once(rows: int, answer: Answer) -> None:
    """Two requests, however many rows there are; the column is named, and the account is not suspected."""
    server = FakeServer(lambda _: answer)
    delivery = server.delivery()
    for _ in range(8):
        done = delivery.deliver(batch_of_segment(rows))
        assert (sorted(done.rejected), done.requests) == (list(range(rows)), 2)
        assert {rejection.field for rejection in done.rejected.values()} == {"segment_id"}
        assert "whatever the person" in done.rejected[0].message
    assert server.breaker.refused_batches == 0


def test_rows_that_spoil_a_request_to_a_segment_are_isolated() -> None:
    """As the segment takes others, only they are rejected."""
    server = FakeServer(refusing([5, 6]))
    done = server.delivery().deliver(batch_of_segment(64))
    assert sorted(done.rejected) == [5, 6]
    assert {rejection.message for rejection in done.rejected.values()} == {"bad row"}
    assert [number for number in server.accepted if number >= 0] == [n for n in range(64) if n not in (5, 6)]


@pytest.mark.parametrize("body", [b"<html>Not Found", b"\n<!DOCTYPE html>"])
def test_the_page_of_a_stranger_is_no_verdict_on_a_segment(body: bytes) -> None:
    """A proxy that does not know the path answers so; no row is rejected for it."""
    server = FakeServer(lambda _: Answer(404, body))
    with pytest.raises(ConfigError, match="no Track API at this address"):
        server.delivery().deliver(batch_of_segment(3))


def test_a_firewall_that_blocks_for_a_moment_costs_no_row() -> None:
    """The request is sent again once a request without rows gets through."""
    server = FakeServer(answers(*[Answer(403, b"")] * 3))
    assert server.deliver(64).rejected == {}


def test_a_firewall_that_blocks_all_rows_trips_the_breaker() -> None:
    """The message names it, not the account."""
    server = FakeServer(lambda rows: Answer(403, b"<html>") if rows else OK)
    delivery = server.delivery()
    delivery.deliver(batch_of(600))
    with pytest.raises(ConfigError, match=r"firewall or proxy .* blocks every request that contains rows"):
        delivery.deliver(batch_of(600))


def test_the_breaker_trips_after_whole_batches_without_an_accepted_row() -> None:
    """It is the account or the configuration: the message says what was seen, and the server's answer."""
    server = FakeServer(lambda _: REFUSED)
    delivery = server.delivery()
    assert len(delivery.deliver(batch_of(600)).rejected) == 600
    with pytest.raises(
        ConfigError, match=r"2 whole batches with 1,200 rows.* 600 rows of the first of these.* bad row"
    ):
        delivery.deliver(batch_of(600))
    assert len(server.bodies) == 2 * (2 * 600 - 1)
    assert delivery.attempts.unreported == 2 * 600 - 1


def test_a_tripped_breaker_quotes_no_value() -> None:
    """The server's answer gets into a trace, where no row value may appear."""
    server = FakeServer(lambda _: Answer(400, b'{"message":"bad address c4nary@example.com"}'))
    batch = Batch(lane=0, opened_at=0.0)
    line = b'{"type":"RECORD","record":{"stream":"s","data":{"person_email":" c4nary@example.com "}}}'
    for number in range(600):
        batch.add(b'{"n":%d}' % number, line, EPOCH)
    delivery = server.delivery()
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

    server = FakeServer(respond)
    done = server.deliver(100)
    assert sorted(done.rejected) == list(range(0, 100, 3))
    assert server.accepted == [row for row in range(100) if row % 3]
    assert len(server.bodies) == 2


def test_a_refusal_of_some_named_and_some_unnamed_rows_isolates_the_rest() -> None:
    """The named ones at once, the others by splitting."""

    def respond(rows: list[int]) -> Answer:
        errors: list[dict[str, object]] = [
            {"batch_index": place, "message": "named"} for place, row in enumerate(rows) if row == 5
        ]
        errors += [{"message": "unnamed"} for row in rows if row == 40]
        return Answer(400, orjson.dumps({"errors": errors})) if errors else OK

    done = FakeServer(respond).deliver(64)
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

    delivery = FakeServer(respond).delivery()
    for _ in range(4):
        assert len(delivery.deliver(batch_of(700)).rejected) == 700


def test_an_accepted_row_starts_the_count_again() -> None:
    """Batches that are refused whole count only while nothing is accepted anywhere."""
    server = FakeServer(lambda rows: OK if rows == [0, 1] else REFUSED)
    delivery = server.delivery()
    delivery.deliver(batch_of(900))
    delivery.deliver(batch_of(2))
    assert len(delivery.deliver(batch_of(900)).rejected) == 900


def test_an_accepted_row_resets_the_circuit_breaker() -> None:
    """Hundreds of bad rows are rejected one by one while others are accepted in between."""
    bad_rows = [number for number in range(800) if number % 4]
    done = FakeServer(refusing(bad_rows)).deliver(800)
    assert sorted(done.rejected) == bad_rows


def test_an_aborted_delivery_settles_nothing() -> None:
    """It ends during its wait, without another request."""
    server = FakeServer(lambda _: Answer(503, b""), aborted_after_waits=1)
    with pytest.raises(Aborted):
        server.deliver(3)
    assert len(server.bodies) == 2
