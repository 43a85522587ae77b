"""Rows that make the server refuse a whole request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import catalog_of, record, run_connector, stream, stream_state
from integration_tests.faults.sizes import IS_LONG
from integration_tests.faults.storms import config_of, lost_and_doubled
from tools.local_track_api.answers import ENVELOPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("orders", "person_event"))
ROWS = 5_000


def lines(poisonous: set[int]) -> list[bytes]:
    """Five thousand events of many people, some of them poisonous."""
    made = []
    for number in range(ROWS):
        row = {"person_email": f"u{number % 50}@b.c", "event_name": "paid", "_seq": number}
        if number in poisonous:
            row["_poison_request"] = ENVELOPES[number % len(ENVELOPES)]
        made.append(record("orders", row))
    return [*made, stream_state("orders", ROWS)]


@pytest.mark.parametrize(
    "poisonous",
    [{0}, {ROWS - 1}, {17, 18}, {2_500 + n for n in range(10)}, {n * 500 for n in range(10)}],
    ids=["first", "last", "two neighbours", "ten neighbours", "ten apart"],
)
def test_exactly_the_poisonous_rows_are_rejected(
    api: LocalTrackApi, bucket: Bucket, poisonous: set[int], figures: Callable[..., None]
) -> None:
    """With the server's message, in a bounded number of requests, and all others in order."""
    storage = bucket.config(format={"format_type": "JSONL"})
    config = config_of(api, object_storage_config=storage)
    done = run_connector("write", config, CATALOG, lines(poisonous))
    assert done.exit_code == 0
    assert done.states[0]["destinationStats"] == {
        "recordCount": float(ROWS - len(poisonous)),
        "rejectedRecordCount": float(len(poisonous)),
    }
    assert {event.attributes["_seq"] for event in api.world.events} == set(range(ROWS)) - poisonous
    assert api.order_violations == []
    (key,) = bucket.keys()
    rejected = [json.loads(line)["_airbyte_data"] for line in bucket.read(key).splitlines()]
    kept = [row["_seq"] for row in rejected]
    assert sorted(kept) == sorted(poisonous)
    assert {row["rejected_message"] for row in rejected} == {"an entry spoils the whole request"}
    requests = api.report()["requests"]["batch"]
    assert requests <= 10 + 2 * 12 * len(poisonous)
    counts = lost_and_doubled(api, range(ROWS), kept)
    figures(faults=f"{len(poisonous)} poisonous rows", rows=ROWS, **counts)


def test_an_account_that_refuses_everything_ends_the_sync(
    api: LocalTrackApi, figures: Callable[..., None]
) -> None:
    """With what was seen and the server's answer; nothing is acknowledged, and the API is not hammered."""
    rows = 60_000 if IS_LONG else 20_000
    events = [
        record("orders", {"person_email": f"u{number}@b.c", "event_name": "paid"}) for number in range(rows)
    ]
    api.inject({"status": 400, "body": {"meta": {"error": "workspace is locked, not paid"}}})
    done = run_connector("write", config_of(api), CATALOG, [*events, stream_state("orders", rows)])
    assert (done.exit_code, done.states) == (1, [])
    assert done.error["failure_type"] == "config_error"
    assert " whole batches with " in done.error["message"]
    assert "workspace is locked" in done.error["message"]
    # The event's name is a value of the rows.
    assert "not paid" not in done.error["message"]
    requests = api.report()["requests"]["batch"]
    # Without the breaker it would be 40,000 and more.
    assert requests <= 30_000
    assert f"{requests:,} requests to Customer.io" in done.logs[-1]
    figures(faults="every request refused", rows=rows)
