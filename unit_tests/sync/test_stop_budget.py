"""What a signal to stop may cost in all, where everything is stuck."""

from __future__ import annotations

from destination_customerio.dead_letters.uploader import _CLOSE_SECONDS
from destination_customerio.sync.pipeline import Limits

# Airbyte's: after that it kills the process.
KILLED_AFTER_SECONDS = 10.0


def test_a_sync_that_is_told_to_stop_has_ended_before_it_is_killed() -> None:
    """The deadline for what is under way, and then an upload that hangs, with a second left for the rest."""
    assert Limits().stop_seconds + _CLOSE_SECONDS + 1.0 <= KILLED_AFTER_SECONDS
