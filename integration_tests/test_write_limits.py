"""Limits to the byte: what is over one costs no request, what is on it is delivered, what has none is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import (
    Finished,
    catalog_of,
    config_for,
    record,
    run_connector,
    stream,
    stream_state,
)
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator

ADA = {"person_email": "ada@example.com"}
EVENT = {**ADA, "event_name": "paid"}
CATALOG = catalog_of(stream("users", "person_identify"), stream("orders", "person_event"))
MAX_ENTRY_BYTES = 32_768
MAX_BODY_BYTES = 500_000


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API, which has the same limits."""
    with LocalTrackApi() as server:
        yield server


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


def test_rows_one_over_a_limit_cost_no_request(api: LocalTrackApi) -> None:
    """Each is counted by what it broke and in which column."""
    done = write(api, [*(record(name, over) for name, _, over, _ in LIMITS.values()), *STATES])
    assert counts(done) == {"users": (0.0, 5.0), "orders": (0.0, 2.0)}
    assert api.report()["requests"].get("batch", 0) == 0
    summary = {line.partition(":")[0]: line for line in done.logs if " rows read" in line}
    for name, _, _, reason in LIMITS.values():
        assert f"{reason}: 1" in summary[f"Stream {name}"]


def test_rows_on_a_limit_are_delivered(api: LocalTrackApi) -> None:
    """The server counts for itself, and finds nothing to refuse."""
    done = write(api, [*(record(name, on) for name, on, _, _ in LIMITS.values()), *STATES])
    assert counts(done) == {"users": (5.0, 0.0), "orders": (2.0, 0.0)}
    report = api.report()
    assert (report["accepted"], report["rejected_by_reason"]) == (7, {})


def test_what_has_no_limit_is_sent(api: LocalTrackApi) -> None:
    """Events have limits for the name and the entry alone: no count of attributes, no size of a value or a name."""
    row = {**EVENT, **many(500), "n" * 200: 1, "v": "x" * 5_000}
    done = write(api, [record("orders", row), *STATES])
    assert counts(done)["orders"] == (1.0, 0.0)
    (event,) = api.world.events
    assert len(event.attributes) == 502


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("id", ["ü" * 75], ["ü" * 75 + "x"]),
        ("cio_id", ["x" * 200], []),
        ("phone", ["+123456789012345"], ["+1234567890123456", "123", "+", "+12 34", "+٣٤"]),
    ],
)
def test_identifiers_have_limits_too(api: LocalTrackApi, kind: str, good: list[str], bad: list[str]) -> None:
    """150 bytes of an id, 15 digits of a phone number, and no limit where Customer.io has none."""
    lines = [record("users", {f"person_{kind}": value}) for value in (*good, *bad)]
    done = write(api, [*lines, *STATES], identifierType=kind)
    assert counts(done)["users"] == (len(good), len(bad))
    assert [person.identifiers[kind] for person in api.world.profiles()] == good


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


def test_a_request_may_have_exactly_the_most_bytes_there_may_be(api: LocalTrackApi) -> None:
    """One row more of one byte more begins another."""
    # {"batch":[ ]} and the commas between 16 entries take 12 + 15 bytes.
    entries = [MAX_ENTRY_BYTES] * 15
    last = MAX_BODY_BYTES - 27 - sum(entries)
    for size, expected in ((last, [MAX_BODY_BYTES]), (last + 1, [MAX_BODY_BYTES - last - 1, last + 13])):
        api.reset()
        lines = [record("orders", event_of(number)) for number in (*entries, size)]
        write(api, [*lines, *STATES], max_concurrent_requests=1)
        assert api.requests.body_bytes == expected
