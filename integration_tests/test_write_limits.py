"""Limits to the byte: rows on a limit are delivered, rows one over it are rejected before they are sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from integration_tests.connector import (
    Finished,
    catalog_of,
    config_for,
    record,
    run_connector,
    stream,
    stream_state,
)

if TYPE_CHECKING:
    from tools.local_track_api import LocalTrackApi

ADA = {"person_email": "ada@example.com"}
EVENT = {**ADA, "event_name": "paid"}
CATALOG = catalog_of(stream("users", "person_identify"), stream("orders", "person_event"))
MAX_ENTRY_BYTES = 32_768
MAX_BODY_BYTES = 500_000


def event_of(entry_bytes: int) -> dict[str, Any]:
    """A row of `orders` whose entry has this size when it is sent without an id."""
    entry = {
        "type": "person",
        "action": "event",
        "identifiers": {"email": "ada@example.com"},
        "name": "paid",
        "attributes": {"note": ""},
    }
    return {**EVENT, "note": "x" * (entry_bytes - len(json.dumps(entry, separators=(",", ":"))))}


def many(number: int) -> dict[str, int]:
    """So many attributes."""
    return {f"a{index}": 1 for index in range(number)}


# For each limit: the stream, a row that is on it, a row that is one over it, and the reason as it is counted.
# Sizes are bytes, not characters: `ü` has two.
LIMITS: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "text": ("users", {**ADA, "v": "ü" * 500}, {**ADA, "v": "ü" * 500 + "x"}, "too_large (v)"),
    # 8 bytes around the text: {"x":""}
    "object": ("users", {**ADA, "w": {"x": "y" * 992}}, {**ADA, "w": {"x": "y" * 993}}, "too_large (w)"),
    # One byte a digit.
    "number": ("users", {**ADA, "n": 10**999}, {**ADA, "n": 10**1000}, "too_large (n)"),
    "name": ("users", {**ADA, "ü" * 75: 1}, {**ADA, "ü" * 75 + "x": 1}, f"too_large ({'ü' * 75}x)"),
    "attributes": ("users", {**ADA, **many(300)}, {**ADA, **many(301)}, "too_large"),
    "event name": (
        "orders",
        {**EVENT, "event_name": " " + "ü" * 50 + " "},
        {**EVENT, "event_name": "ü" * 50 + "x"},
        "too_large (event_name)",
    ),
    "entry": ("orders", event_of(MAX_ENTRY_BYTES), event_of(MAX_ENTRY_BYTES + 1), "too_large"),
}


def write(api: LocalTrackApi, lines: list[bytes], **config: Any) -> Finished:
    """One sync that succeeds; events go without ids, so that their size is known."""
    config = config_for(api.url, event_id_strategy="none", **config)
    done = run_connector("write", config, CATALOG, lines)
    assert (done.exit_code, done.errors, done.stderr) == (0, [], "")
    return done


def counts(done: Finished) -> dict[str, tuple[float, float]]:
    """Delivered and rejected rows by stream."""
    return {
        state["stream"]["stream_descriptor"]["name"]: tuple(state["destinationStats"].values())
        for state in done.states
    }


STATES = [stream_state("users", 1), stream_state("orders", 1)]


def test_rows_on_a_limit_are_delivered_and_rows_over_it_rejected(api: LocalTrackApi) -> None:
    """The server counts for itself and refuses nothing; each rejection names what the row broke, and the column."""
    lines = [record(name, row) for name, on, over, _ in LIMITS.values() for row in (on, over)]
    # Events have limits for name and size only: any number of attributes, names and values of any size.
    lines.append(record("orders", {**EVENT, **many(500), "n" * 200: 1, "v": "x" * 5_000}))
    done = write(api, [*lines, *STATES])
    assert counts(done) == {"users": (5.0, 5.0), "orders": (3.0, 2.0)}
    report = api.report()
    assert (report["accepted"], report["rejected_by_reason"]) == (8, {})
    summary = {line.partition(":")[0]: line for line in done.logs if " rows read" in line}
    for name, _, _, reason in LIMITS.values():
        assert f"{reason}: 1" in summary[f"Stream {name}"]


def test_requests_are_filled_to_the_last_row_that_fits(api: LocalTrackApi) -> None:
    """No body is over the limit, and each but the last has no room for one more row; the rows stay in order."""
    sizes = [300, 5_000, 32_768, 777, 16_384]
    lines = [
        record("orders", {**event_of(sizes[number % 5] - 20), "_seq": 10**9 + number})
        for number in range(400)
    ]
    done = write(api, [*lines, *STATES], max_concurrent_requests=1)
    assert counts(done)["orders"] == (400.0, 0.0)
    bodies = api.requests.body_bytes
    assert max(bodies) <= MAX_BODY_BYTES
    assert min(bodies[:-1]) > MAX_BODY_BYTES - MAX_ENTRY_BYTES - 1
    assert api.requests.statuses == {"200": len(bodies)}
    assert [event.attributes["_seq"] for event in api.world.events] == [
        10**9 + number for number in range(400)
    ]
