"""Lanes find out together whether the rows are refused or the account, at the cost of one lane's requests."""

from __future__ import annotations

import pytest

from destination_customerio.delivery.breaker import BreakerLimits, CircuitBreaker

FIRST, SECOND = "first lane", "second lane"


@pytest.fixture
def breaker() -> CircuitBreaker:
    """With two lanes delivering."""
    made = CircuitBreaker(BreakerLimits(batches=2, rows=10))
    made.start(FIRST)
    made.start(SECOND)
    return made


def refuse(breaker: CircuitBreaker, requests: int = 200) -> None:
    """So many requests are refused in a row."""
    for _ in range(requests):
        breaker.request_refused()


def test_a_few_refusals_hold_no_lane_back(breaker: CircuitBreaker) -> None:
    """Bad rows are ordinary."""
    refuse(breaker, 10)
    assert breaker.may_split(FIRST)
    assert breaker.may_split(SECOND)


def test_after_many_refusals_one_lane_splits(breaker: CircuitBreaker) -> None:
    """Until it has finished; then the next one may."""
    refuse(breaker)
    assert breaker.may_split(FIRST)
    assert not breaker.may_split(SECOND)
    assert breaker.may_split(FIRST)
    breaker.end(FIRST)
    assert breaker.may_split(SECOND)


def test_a_judged_row_sets_all_lanes_free(breaker: CircuitBreaker) -> None:
    """Whichever lane sees it."""
    refuse(breaker)
    assert breaker.may_split(FIRST)
    breaker.rows_are_judged()
    assert breaker.may_split(SECOND)


def test_a_refused_batch_waits_for_what_other_lanes_find(breaker: CircuitBreaker) -> None:
    """Until a row is judged, or no other lane is left to ask."""
    breaker.end(FIRST)
    assert not breaker.batch_refused(4)
    assert not breaker.may_settle(4)
    breaker.rows_are_judged()
    assert breaker.may_settle(4)
    assert not breaker.batch_refused(4)
    assert not breaker.may_settle(4)
    breaker.end(SECOND)
    assert breaker.may_settle(4)
    assert breaker.rejected_rows == 4


def test_a_batch_that_is_held_back_is_not_settled_once_the_breaker_has_tripped(
    breaker: CircuitBreaker,
) -> None:
    """No lane is delivering any more, but the sync ends because these are no verdicts on rows."""
    assert not breaker.batch_refused(5)
    breaker.end(FIRST)
    assert breaker.batch_refused(5)
    breaker.end(SECOND)
    assert not breaker.may_settle(5)
    assert breaker.rejected_rows == 0


@pytest.mark.parametrize(
    ("batches", "trips"), [([9, 1], True), ([20], False), ([4, 5], False), ([4, 5, 1], True)]
)
def test_it_trips_when_enough_batches_and_rows_are_refused(
    breaker: CircuitBreaker, batches: list[int], *, trips: bool
) -> None:
    """One batch may be all bad rows, and so may a few small ones."""
    assert [breaker.batch_refused(rows) for rows in batches][-1] is trips
