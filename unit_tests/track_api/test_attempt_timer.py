"""An attempt may take as long as it makes progress with its request, and then a fixed time for the whole answer."""

from __future__ import annotations

import pytest

from destination_customerio.track_api.attempt_timer import AttemptTimer


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the timer."""
    return Clock()


@pytest.fixture
def timer(clock: Clock) -> AttemptTimer:
    """An attempt that has begun: 30 s of silence, 100 s for sending."""
    made = AttemptTimer(30.0, 100.0, clock)
    made.begin()
    return made


def test_each_piece_has_its_own_time(timer: AttemptTimer, clock: Clock) -> None:
    """Up to the time for the whole request."""
    seconds = []
    for _ in range(5):
        seconds.append(timer.seconds_to_send())
        clock.now += 24.0
    assert seconds == [30.0, 30.0, 30.0, 28.0, 4.0]
    with pytest.raises(TimeoutError):
        timer.seconds_to_send()
    assert timer.failure == "the request could not be sent in time"
    assert timer.sending_seconds == 120.0


def test_the_answer_has_one_time_for_all_of_it(timer: AttemptTimer, clock: Clock) -> None:
    """Bytes that come do not extend it."""
    timer.seconds_to_send()
    clock.now += 50.0
    timer.awaits_answer()
    for _ in range(30):
        assert timer.seconds_to_read() == 1.0
        clock.now += 1.0
    with pytest.raises(TimeoutError):
        timer.seconds_to_read()
    assert timer.failure == "no answer in time"
    assert timer.sending_seconds == 50.0


def test_a_request_on_its_way_extends_the_time_for_the_answer(timer: AttemptTimer, clock: Clock) -> None:
    """As long as fewer and fewer bytes are on their way; then the time of the answer starts."""
    timer.seconds_to_send()
    timer.awaits_answer()
    timer.nothing_came(51)
    for unreceived in range(50, 0, -1):
        clock.now += 20.0
        assert timer.seconds_to_read() == 1.0
        timer.nothing_came(unreceived)
    timer.nothing_came(0)
    assert timer.sending_seconds == 1_000.0
    clock.now += 29.0
    timer.nothing_came(0)
    assert timer.seconds_to_read() == 1.0
    clock.now += 1.0
    with pytest.raises(TimeoutError):
        timer.seconds_to_read()
    assert timer.failure == "no answer in time"


def test_a_request_that_is_stuck_on_its_way_times_out(timer: AttemptTimer, clock: Clock) -> None:
    """The failure is then that of sending."""
    timer.seconds_to_send()
    timer.awaits_answer()
    for _ in range(31):
        timer.nothing_came(5_000)
        clock.now += 1.0
    with pytest.raises(TimeoutError):
        timer.seconds_to_read()
    assert timer.failure == "the request could not be sent in time"


def test_waiting_for_something_else_does_not_count(timer: AttemptTimer, clock: Clock) -> None:
    """The answer keeps its time."""
    timer.seconds_to_send()
    timer.awaits_answer()
    clock.now += 500.0
    timer.waited(500.0)
    assert timer.seconds_to_read() == 1.0


def test_a_new_attempt_starts_from_zero(timer: AttemptTimer, clock: Clock) -> None:
    """Nothing of the last one counts."""
    timer.seconds_to_send()
    clock.now += 200.0
    with pytest.raises(TimeoutError):
        timer.seconds_to_send()
    timer.begin()
    assert timer.failure == ""
    assert timer.sending_seconds == 0.0
    assert timer.seconds_to_send() == 30.0


def test_a_proxy_has_the_time_of_connecting(timer: AttemptTimer, clock: Clock) -> None:
    """Nothing has been sent by then."""
    timer.connects(within_seconds=10.0)
    timer.nothing_came(7)
    clock.now += 10.0
    with pytest.raises(TimeoutError):
        timer.seconds_to_read()
    assert timer.sending_seconds == 0.0


def test_an_answer_to_a_part_of_the_request_is_known(timer: AttemptTimer) -> None:
    """By what the other side has not received, or no longer takes; a new connection starts again."""
    timer.awaits_answer()
    assert timer.answer_began(0)
    assert not timer.answer_began(1)
    assert not timer.is_received
    timer.request_cut_off()
    timer.awaits_answer()
    assert not timer.answer_began(0)
    timer.connects(1.0)
    assert timer.answer_began(0)
