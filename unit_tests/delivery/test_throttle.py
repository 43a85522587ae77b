"""What the lanes share is right whoever asks, and whenever."""

from __future__ import annotations

from destination_customerio.delivery.throttle import Throttle


def test_a_pace_holds_for_the_longest_time_that_anybody_was_told() -> None:
    """A shorter one does not end a longer one; when it is over nobody waits."""
    now = 10.0
    throttle = Throttle(lambda: now)
    assert throttle.seconds_to_wait() == 0
    throttle.hold(5.0)
    throttle.hold(2.0)
    assert throttle.seconds_to_wait() == 5.0
    now = 14.0
    throttle.hold(3.0)
    assert throttle.seconds_to_wait() == 3.0
    now = 20.0
    assert throttle.seconds_to_wait() == 0
