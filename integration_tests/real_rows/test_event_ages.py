"""How many events may trigger campaigns: the API accepts all of them in silence, so the log says it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from integration_tests.connector import catalog_of, config_for, record, run_at_once, run_connector, stream

if TYPE_CHECKING:
    from tools.local_track_api import LocalTrackApi

HOUR = 3_600
CATALOG = catalog_of(
    stream("orders", "person_event"),
    stream("visits", "person_page", namespace="web"),
    stream("screens", "person_screen"),
    stream("users", "person_identify"),
    stream("mapped", namespace="shop"),
)
MAPPING = {
    "stream_name": "mapped",
    "destination_object_name": "person_event",
    "field_mappings": [
        {"source": "at", "destination": "timestamp"},
        {"value": "paid", "destination": "event_name"},
    ],
}


def test_the_summary_and_the_dry_run_count_events_by_age(api: LocalTrackApi) -> None:
    """For each stream of events, mapped ones too; rejected rows are no events."""
    now = int(time.time())
    person = {"person_email": "ada@example.com"}

    def event(name: str, timestamp: Any, column: str = "timestamp", **more: Any) -> bytes:
        row = {**person, "event_name": "paid", "name": "/home", column: timestamp}
        return record(name, row, **more)

    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 100 * HOUR))
    lines = [
        event("orders", None),
        event("orders", now - HOUR),
        event("orders", (now - 71 * HOUR) * 1_000),
        event("orders", now - 73 * HOUR),
        event("orders", iso),
        event("orders", now + 24 * HOUR),
        event("orders", "tomorrow at 8"),
        event("visits", now - 365 * 24 * HOUR, namespace="web"),
        event("mapped", now - HOUR, "at", namespace="shop"),
        record("users", {**person, "timestamp": now - HOUR}),
    ]
    config = config_for(api.url, stream_mappings=[MAPPING])
    done = run_at_once(
        {
            "write": partial(run_connector, "write", config, CATALOG, lines),
            "dry run": partial(run_connector, "write", config, CATALOG, lines, arguments=["--dry-run"]),
        }
    )
    for run in done.values():
        assert (run.exit_code, run.errors) == (0, [])
        assert [line for line in run.logs if "campaigns" in line] == [
            ages("orders", "6 events", 3, 2, 1),
            ages("web.visits", "1 event", 0, 1, 0),
            ages("shop.mapped", "1 event", 1, 0, 0),
        ]
    assert len(api.world.events) == 8


def ages(name: str, events: str, recent: int, older: int, future: int) -> str:
    """The line of a stream."""
    return (
        f"Stream {name}: of {events}, {recent} at most 72 hours old, which may trigger campaigns; {older} older, which "
        f"won't; {future} in the future (when the sync started)."
    )
