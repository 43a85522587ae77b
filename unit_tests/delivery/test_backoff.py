"""The pause before the next attempt grows exponentially, with full jitter."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.backoff import BASE_DELAY_SECONDS, MAX_DELAY_SECONDS, backoff_seconds


def rng(seed: int) -> random.Random:
    """A seeded random generator."""
    return random.Random(seed)  # noqa: S311 - for delays


@given(st.integers(1, 10_000), st.integers())
def test_backoff_is_within_its_ceiling(attempt: int, seed: int) -> None:
    """The ceiling grows exponentially up to the maximum, for any number of attempts."""
    delay = backoff_seconds(attempt, rng(seed))
    assert 0 <= delay <= min(MAX_DELAY_SECONDS, BASE_DELAY_SECONDS * 2 ** min(attempt - 1, 20))


def test_backoff_has_full_jitter() -> None:
    """Delays fill the whole range from zero to the ceiling, so that lanes don't retry all at once."""
    delays = [backoff_seconds(3, rng(seed)) for seed in range(500)]
    ceiling = BASE_DELAY_SECONDS * 4
    assert min(delays) < ceiling * 0.1
    assert max(delays) > ceiling * 0.9
    assert max(backoff_seconds(40, rng(seed)) for seed in range(500)) > MAX_DELAY_SECONDS * 0.9
