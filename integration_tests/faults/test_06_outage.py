"""Customer.io is unavailable for longer than the retry budget."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from integration_tests.connector import (
    catalog_of,
    cursors,
    record,
    run_connector,
    stream,
    stream_state,
)
from integration_tests.faults.storms import config_of, lost_and_doubled

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.local_track_api import LocalTrackApi

BUDGET_SECONDS = 4


def test_an_outage_ends_the_sync_with_what_is_true(api: LocalTrackApi, figures: Callable[..., None]) -> None:
    """One transient_error, exit code 1, states for the rows delivered before, and a next attempt that resumes."""
    event = {"event_name": "paid", "x": "x" * 30_000}
    lines = [
        *(record("orders", {**event, "person_email": "a@b.c", "n": n}) for n in range(16)),
        stream_state("orders", 16),
    ]
    lines += [
        *(record("orders", {**event, "person_email": "a@b.c", "n": n}) for n in range(16, 64)),
        stream_state("orders", 64),
    ]
    api.inject({"status": 503, "request": [3, 1_000_000]})
    config = config_of(api, retry_timeout_seconds=BUDGET_SECONDS)
    catalog = catalog_of(stream("orders", "person_event"))
    started_at = time.monotonic()
    done = run_connector("write", config, catalog, lines)
    seconds = time.monotonic() - started_at
    assert done.exit_code == 1
    assert done.error["failure_type"] == "transient_error"
    assert "the next attempt resumes from the last checkpoint" in done.error["message"]
    assert cursors(done.states) == [16]
    assert len(api.world.events) >= 16
    # The retry budget, and thirty seconds for requests in flight: the guarantee itself, not a speed.
    assert seconds < BUDGET_SECONDS + 30
    figures(
        faults="an outage",
        rows=64,
        **lost_and_doubled(api, range(16), name="n"),
        seconds_after_budget=round(seconds - BUDGET_SECONDS),
    )
