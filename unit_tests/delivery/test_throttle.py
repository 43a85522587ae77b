"""The throttle that all lanes share."""

from __future__ import annotations

from destination_customerio.delivery.throttle import Throttle


def test_the_throttle_holds_for_the_longest_requested_time() -> None:
    """A shorter hold does not end a longer one, and no lane waits after the last one has expired."""
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
