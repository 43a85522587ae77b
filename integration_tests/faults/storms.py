"""A sync of many people's events through a storm of faults, and what is to hold after it."""

from __future__ import annotations

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
    from collections.abc import Collection, Iterable

    from tools.local_track_api import LocalTrackApi

SITE_ID = "s1te-c4nary"
API_KEY = "k3y-c4nary"
CATALOG = catalog_of(stream("orders", "person_event"))


def config_of(api: LocalTrackApi, **more: Any) -> dict[str, Any]:
    """A configuration for the server of this suite."""
    return config_for(api.url, credentials={"siteId": SITE_ID, "apiKey": API_KEY}, **more)


def weather(api: LocalTrackApi, rows: int, *, given_ids: bool = False, **config: Any) -> Finished:
    """Sync so many rows, about forty to a request; all must arrive, once, in order per person."""
    lines = []
    for number in range(rows):
        row = {
            "person_email": f"u{number % 211}@b.c",
            "event_name": "paid",
            "_seq": number,
            "x": "x" * 12_000,
        }
        if given_ids:
            row["event_id"] = f"order {number}"
        lines.append(record("orders", row))
        if number % 500 == 499:
            lines.append(stream_state("orders", number))
    done = run_connector("write", config_of(api, **config), CATALOG, lines)
    assert (done.exit_code, done.errors) == (0, [])
    assert sorted(event.attributes["_seq"] for event in api.world.events) == list(range(rows))
    assert api.order_violations == []
    report = api.report()
    # A repeated request carries identical bytes, ids included.
    assert report["ignored"]["repeated_events_with_other_content"] == 0
    counts = [state["destinationStats"] for state in done.states]
    assert sum(count["recordCount"] for count in counts) == rows - rows % 500
    assert not any(count["rejectedRecordCount"] for count in counts)
    return done


def faults_in(api: LocalTrackApi) -> int:
    """How often a fault struck."""
    with api.service.lock:
        return sum(api.service.state.faults.fired)


def lost_and_doubled(
    api: LocalTrackApi, acknowledged: Iterable[int], kept: Collection[int] = (), name: str = "_seq"
) -> dict[str, int]:
    """What became of the events that were acknowledged, by the numbers that they have in this attribute.

    kept  the numbers of rejected rows that are in the bucket, or are known to be rejected
    """
    with api.service.lock:
        arrived = [event.attributes[name] for event in api.world.events]
    return {
        "lost": len(set(acknowledged) - set(arrived) - set(kept)),
        "doubled": len(arrived) - len(set(arrived)),
    }
