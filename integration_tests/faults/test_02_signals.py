"""A second signal. `integration_tests/test_signals.py` shows the first, and a reader of stdout that goes away."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from integration_tests.connector import (
    Connector,
    catalog_of,
    cursors,
    record,
    stream,
    stream_state,
    wait_until,
)
from integration_tests.faults.storms import config_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.local_track_api import LocalTrackApi


def test_a_second_sigterm_changes_nothing(api: LocalTrackApi, figures: Callable[..., None]) -> None:
    """Requests in flight are finished, and their state is emitted."""
    api.inject({"delay_seconds": 2})
    with Connector("write", config_of(api), catalog_of(stream("users", "person_identify"))) as connector:
        connector.send([record("users", {"person_email": "a@b.c"}), stream_state("users", 1)])
        # The batch is sent once it has lingered.
        wait_until(lambda: api.requests.requests["batch"] == 1)
        connector.signal(signal.SIGTERM)
        connector.signal(signal.SIGTERM)
        done = connector.wait()
    assert (done.exit_code, done.errors, cursors(done.states)) == (143, [], [1])
    figures(faults="2 SIGTERMs", rows=1)
