"""The limit on rows per second, which all lanes share."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.pacer import Pacer

RATE = 100


class Clock:
    """A clock that advances only when the test says so."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@given(st.lists(st.tuples(st.integers(1, 25), st.floats(0, 0.5)), max_size=200))
def test_no_ten_seconds_hold_more_rows_than_the_rate_allows(batches: list[tuple[int, float]]) -> None:
    """Apart from one batch, and however long lanes take between their batches."""
    clock = Clock()
    pacer = Pacer(RATE, clock)
    starts = []
    for rows, pause in batches:
        clock.now += pause
        starts.append((clock.now + pacer.reserve(rows), rows))
    for begin, first in starts:
        in_window = sum(rows for at, rows in starts if begin <= at < begin + 10 - 1e-9)
        assert in_window <= RATE * 10 + max(first, 25)


def test_a_busy_sync_uses_the_whole_rate() -> None:
    """Lanes that always have a batch send exactly what is allowed."""
    clock = Clock()
    pacer = Pacer(RATE, clock)
    starts = [clock.now + pacer.reserve(25) for _ in range(401)]
    assert starts[-1] - starts[0] == 100.0


def test_time_without_rows_is_not_saved_up() -> None:
    """After a pause of the source there is no burst."""
    clock = Clock()
    pacer = Pacer(RATE, clock)
    pacer.reserve(25)
    clock.now += 3_600
    assert [pacer.reserve(25) for _ in range(3)] == [0.0, 0.25, 0.5]


def test_without_a_limit_nothing_waits() -> None:
    """The ordinary sync."""
    pacer = Pacer(math.inf, Clock())
    assert [pacer.reserve(5_000) for _ in range(3)] == [0.0, 0.0, 0.0]
