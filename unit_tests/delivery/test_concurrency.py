"""On a slow line fewer lanes send at once, so that some request always gets through."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.concurrency import ConcurrencyLimit

BODY_BYTES = 500_000


@dataclass
class Line:
    """A line that its requests share equally; one that takes longer than `cut_off_seconds` is cut off and sent again."""

    bytes_per_second: float
    lanes: int
    requests: int
    cut_off_seconds: float = 30.0
    answer_seconds: float = 0.1
    now: float = 0.0
    resends: int = 0
    most_at_once: int = 0
    largest_limit: int = 0
    began_at: dict[int, float] = field(default_factory=dict)
    left_bytes: dict[int, float] = field(default_factory=dict)
    answered_at: dict[int, float] = field(default_factory=dict)

    def run(self) -> None:
        """Let each lane send one request after the other, until all are answered."""
        limit = ConcurrencyLimit(self.lanes)
        waiting = list(range(self.lanes))
        unanswered = self.requests
        while unanswered > 0:
            for lane in [lane for lane in waiting if limit.may_begin(lane)]:
                waiting.remove(lane)
                self.began_at[lane] = self.now
                self.left_bytes[lane] = BODY_BYTES
            self.most_at_once = max(self.most_at_once, len(self.began_at))
            self.largest_limit = max(self.largest_limit, limit.limit)
            for lane in self._next_ended():
                timed_out = lane in self.left_bytes
                seconds = self.now - self.began_at[lane] - (0 if timed_out else self.answer_seconds)
                limit.observe(lane, succeeded=not timed_out, timed_out=timed_out, sending_seconds=seconds)
                limit.end(lane)
                self.resends += timed_out
                unanswered -= not timed_out
                for of in (self.began_at, self.left_bytes, self.answered_at):
                    of.pop(lane, None)
                waiting.append(lane)

    def _next_ended(self) -> list[int]:
        """Let time pass until something happens; returns the lanes whose request is answered or cut off."""
        cut_off_at = {lane: self.began_at[lane] + self.cut_off_seconds for lane in self.left_bytes}
        share = self.bytes_per_second / max(len(self.left_bytes), 1)
        sent_at = {lane: self.now + left / share for lane, left in self.left_bytes.items()}
        then = min([*cut_off_at.values(), *sent_at.values(), *self.answered_at.values()])
        for lane in self.left_bytes:
            self.left_bytes[lane] -= (then - self.now) * share
        self.now = then
        for lane, at in sent_at.items():
            if at <= then:
                del self.left_bytes[lane]
                self.answered_at[lane] = then + self.answer_seconds
        return [
            lane
            for lane, at in (cut_off_at | self.answered_at).items()
            if at <= then and lane in self.began_at
        ]


@pytest.mark.parametrize("kbit_per_second", [160, 256, 512, 1_000, 2_000])
@pytest.mark.parametrize("lanes", [8, 64])
def test_a_slow_line_carries_every_request(kbit_per_second: int, lanes: int) -> None:
    """With few resends, and at nearly the speed of the line."""
    line = Line(kbit_per_second * 125, lanes, requests=200)
    line.run()
    assert line.resends <= 20
    assert line.now <= 1.3 * 200 * BODY_BYTES / (kbit_per_second * 125)


def test_a_fast_line_carries_all_lanes() -> None:
    """From the first request with few lanes, and after three rounds with many."""
    few, many = Line(100e6, 8, requests=8), Line(1_000e6, 64, requests=400)
    few.run()
    many.run()
    assert few.most_at_once == 8
    assert few.resends == many.resends == 0
    assert many.most_at_once == 64
    assert many.now < 1.2


@given(st.integers(1, 64), st.floats(20_000, 1e9), st.integers(1, 100))
def test_every_line_that_bears_one_request_bears_all(
    lanes: int, bytes_per_second: float, requests: int
) -> None:
    """Whatever its speed, all requests get through."""
    line = Line(bytes_per_second, lanes, requests)
    line.run()
    assert line.largest_limit <= lanes


@pytest.fixture
def limit() -> ConcurrencyLimit:
    """With four lanes, all of which have a request in flight."""
    made = ConcurrencyLimit(4)
    assert all(made.may_begin(lane) for lane in range(4))
    return made


def observe(limit: ConcurrencyLimit, lane: int, *, timed_out: bool = False, seconds: float = 0.0) -> None:
    """A request ends."""
    limit.observe(lane, succeeded=not timed_out, timed_out=timed_out, sending_seconds=seconds)
    limit.end(lane)


def test_requests_that_fail_together_halve_the_limit_once(limit: ConcurrencyLimit) -> None:
    """They all met the same congestion."""
    for lane in range(4):
        observe(limit, lane, timed_out=True)
    assert limit.limit == 2
    assert limit.may_begin(0)
    observe(limit, 0, timed_out=True)
    assert limit.limit == 1


def test_a_request_that_takes_long_to_leave_is_congestion_too(limit: ConcurrencyLimit) -> None:
    """Although it was answered: the server may not wait for the next one."""
    observe(limit, 0, seconds=11.0)
    assert limit.limit == 2
    observe(limit, 1, seconds=9.0)
    assert limit.limit == 2


@pytest.mark.parametrize(("seconds", "expected"), [(0.5, 4), (1.5, 2)])
def test_a_request_that_fails_midway_is_congestion_too(
    limit: ConcurrencyLimit, seconds: float, expected: int
) -> None:
    """A gateway may cut slow requests off before they time out here; one that fails at once says nothing."""
    limit.observe(0, succeeded=False, timed_out=False, sending_seconds=seconds)
    assert limit.limit == expected


def test_the_limit_grows_by_one_a_round(limit: ConcurrencyLimit) -> None:
    """Up to all lanes."""
    for lane in range(4):
        observe(limit, lane, timed_out=True)
    limits = []
    for _ in range(12):
        assert limit.may_begin(0)
        observe(limit, 0)
        limits.append(limit.limit)
    assert limits == [2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]


def test_lanes_take_turns(limit: ConcurrencyLimit) -> None:
    """The one that has waited longest is next."""
    for lane in range(4):
        observe(limit, lane, timed_out=True)
    assert [limit.may_begin(lane) for lane in (3, 2, 1, 0)] == [True, True, False, False]
    observe(limit, 3, timed_out=True)
    limit.end(2)
    assert [limit.may_begin(lane) for lane in (0, 3, 1)] == [False, False, True]
    limit.end(1)
    assert [limit.may_begin(lane) for lane in (3, 0)] == [False, True]


def test_a_lane_that_gives_up_waiting_holds_nobody_back(limit: ConcurrencyLimit) -> None:
    """The next one takes its turn."""
    assert not limit.may_begin("first")
    assert not limit.may_begin("second")
    limit.end("first")
    limit.end(0)
    assert limit.may_begin("second")
