"""How long to wait before the next attempt: exponential backoff with full jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

BASE_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 30.0
MAX_ATTEMPTS = 200


def backoff_seconds(attempt: int, rng: random.Random) -> float:
    """The pause after the given failed attempt, counted from 1."""
    ceiling = min(MAX_DELAY_SECONDS, BASE_DELAY_SECONDS * 2.0 ** min(attempt - 1, 16))
    return rng.uniform(0, ceiling)
