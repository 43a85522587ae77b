"""One request is attempted, throttled, paced and retried until its rows are judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.attempts import Aborted
from destination_customerio.delivery.backoff import MAX_ATTEMPTS
from destination_customerio.delivery.batch import Batch
from destination_customerio.errors import ConfigError, ProtocolError, TransientError
from destination_customerio.track_api.verdict import Answer, NoAnswer
from unit_tests.delivery.fake_server import EPOCH, OK, REFUSED, FakeServer, answers, batch_of, refusing


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
    (Answer(302, b""), ConfigError, r"redirect that can't be followed.*credentials are sent nowhere else"),
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


def test_an_aborted_delivery_settles_nothing() -> None:
    """It ends during its wait, without another request."""
    server = FakeServer(lambda _: Answer(503, b""), aborted_after_waits=1)
    with pytest.raises(Aborted):
        server.deliver(3)
    assert len(server.bodies) == 2
