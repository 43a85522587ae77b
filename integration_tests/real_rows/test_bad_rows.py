"""However many rows are bad, and wherever they are, that costs those rows and never the sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import catalog_of, config_for, record, run_connector, stream, stream_state
from tools.local_track_api.answers import ENVELOPES

if TYPE_CHECKING:
    from collections.abc import Collection

    from integration_tests.connector import Finished
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("orders", "person_event"))


def sync(
    api: LocalTrackApi, rows: int, bad: Collection[int], envelope: str = "message", **config: Any
) -> Finished:
    """Sync events of many people; for each bad one, the server refuses the whole request."""
    lines = []
    for number in range(rows):
        row = {"person_email": f"u{number}@b.c", "event_name": "paid", "_seq": number}
        if number in bad:
            row["_poison_request"] = envelope
        lines.append(record("orders", row))
    return run_connector(
        "write", config_for(api.url, **config), CATALOG, [*lines, stream_state("orders", rows)]
    )


@pytest.mark.parametrize(
    ("rows", "bad", "config"),
    [
        (20_000, range(300), {}),
        (200, range(200), {}),
        (20_000, range(3_000), {}),
        (20_000, range(19_700, 20_000), {}),
        (10_000, range(0, 10_000, 50), {"max_concurrent_requests": 32}),
        (400, range(400), {"max_concurrent_requests": 1}),
    ],
    ids=[
        "300 at the head",
        "all of 200",
        "3,000 at the head",
        "300 at the end",
        "one in fifty in 32 lanes",
        "all in one lane",
    ],
)
def test_bad_rows_cost_only_themselves(
    api: LocalTrackApi, rows: int, bad: range, config: dict[str, Any]
) -> None:
    """The answers name neither a row nor a field, so each bad row has to be isolated."""
    done = sync(api, rows, bad, **config)
    assert (done.exit_code, done.errors) == (0, [])
    (state,) = done.states
    assert state["destinationStats"] == {
        "recordCount": float(rows - len(bad)),
        "rejectedRecordCount": float(len(bad)),
    }
    assert {event.attributes["_seq"] for event in api.world.events} == set(range(rows)) - set(bad)
    assert api.order_violations == []


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_any_envelope_of_a_refusal_is_about_its_row(api: LocalTrackApi, envelope: str) -> None:
    """Alone in its request, a bad row gets the server's answer as its reason."""
    done = sync(api, 500, [7, 8, 400], envelope)
    assert done.exit_code == 0
    assert done.states[0]["destinationStats"]["rejectedRecordCount"] == 3.0


def test_a_400_that_names_its_rows_is_believed(api: LocalTrackApi) -> None:
    """It costs one request, not one for each row."""
    lines = [
        record("orders", {"person_email": f"u{number}@b.c", "event_name": "paid", "recipient": number})
        for number in range(1_000)
    ]
    errors = [
        {"batch_index": index, "reason": "invalid", "field": "recipient", "message": "not an address"}
        for index in range(1_000)
    ]
    api.inject({"status": 400, "body": {"errors": errors}})
    done = run_connector(
        "write",
        config_for(api.url, max_concurrent_requests=1),
        CATALOG,
        [*lines, stream_state("orders", 1_000)],
    )
    assert done.exit_code == 0
    assert done.states[0]["destinationStats"] == {"recordCount": 0.0, "rejectedRecordCount": 1_000.0}
    assert api.report()["requests"]["batch"] == 1


def sync_without_identifiers(api: LocalTrackApi, rows: int, bad: Collection[int]) -> Finished:
    """Sync events, the bad ones without their person, at a limit of five percent."""
    lines = [
        record("orders", {"event_name": "paid", "person_email": None if number in bad else f"u{number}@b.c"})
        for number in range(rows)
    ]
    config = config_for(api.url, max_rejected_percent=5)
    return run_connector("write", config, CATALOG, [*lines, stream_state("orders", rows)])


def test_a_sync_stops_when_more_rows_are_rejected_than_the_configuration_allows(api: LocalTrackApi) -> None:
    """With the stream, the most common reasons and what to do; its state is not acknowledged."""
    done = sync_without_identifiers(api, 20_000, range(1_200, 20_000, 2))
    message = done.failure("config_error")
    assert message.startswith("Stream orders: ")
    assert "more than the 5 percent that max_rejected_percent allows" in message
    assert "Most common reasons: required (person_email): " in message
    assert "raise max_rejected_percent" in message
    assert done.states == []
    # It stopped long before the end.
    assert len(api.world.events) < 5_000


def test_a_share_below_the_limit_stops_nothing(api: LocalTrackApi) -> None:
    """Nor does a larger share of a few rows."""
    assert sync_without_identifiers(api, 2_000, range(0, 2_000, 25)).exit_code == 0
    assert sync_without_identifiers(api, 900, range(300)).exit_code == 0
