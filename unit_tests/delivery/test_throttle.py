"""The throttle and the circuit breaker that all lanes share."""

from __future__ import annotations

from destination_customerio.delivery.throttle import MAX_CONSECUTIVE_REFUSALS, CircuitBreaker, Throttle


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


def test_the_circuit_breaker_counts_refusals_until_a_row_is_accepted() -> None:
    """It trips at one refusal more than the limit."""
    breaker = CircuitBreaker()
    assert not any(breaker.request_refused() for _ in range(MAX_CONSECUTIVE_REFUSALS))
    assert breaker.request_refused()
    breaker.row_accepted()
    assert not any(breaker.request_refused() for _ in range(MAX_CONSECUTIVE_REFUSALS))
