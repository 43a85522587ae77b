"""SIGKILL at random moments; each attempt resumes from the last acknowledged state."""

from __future__ import annotations

import csv
import io
import json
import random
import signal
import threading
from typing import TYPE_CHECKING

from integration_tests.connector import (
    Connector,
    catalog_of,
    cursors,
    record,
    stream,
    stream_state,
)
from integration_tests.faults.storms import config_of, lost_and_doubled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

SEED = 11
CATALOG = catalog_of(stream("orders", "person_event", sync_id=7))
ROWS_PER_STATE = 100
# Every so many rows one has no event name, and goes to the bucket.
BAD_ROW_EVERY = 40


def lines(first: int, last: int) -> Iterator[bytes]:
    """Rows by their numbers, with a state after each hundred."""
    for number in range(first, last):
        name = None if number % BAD_ROW_EVERY == 0 else "paid"
        row = {
            "person_email": f"u{number % 97}@b.c",
            "event_name": name,
            "event_id": f"id-{number}",
            "n": number,
        }
        yield record("orders", {**row, "padding": "x" * 1_500})
        if (number + 1) % ROWS_PER_STATE == 0:
            yield stream_state("orders", number + 1)


def test_no_acknowledged_row_is_missing_after_kills_at_random_moments(
    api: LocalTrackApi, bucket: Bucket, sized: Callable[[int, int], int], figures: Callable[..., None]
) -> None:
    """Each acknowledged row is with the server or in the bucket, and no event counts twice."""
    kills = sized(2, 20)
    rng = random.Random(SEED)  # noqa: S311 - the same moments every time
    print(f"seed {SEED}")
    # Slow enough for requests to be in flight at any moment, and for the server to remember all rows.
    api.configure(latency_seconds=0.4)
    config = config_of(api, object_storage_config=bucket.config(), max_concurrent_requests=4)
    acknowledged = 0
    for kill in range(kills):
        with Connector("write", config, CATALOG) as connector:
            # More than can be written before the kill.
            feeder = threading.Thread(
                target=connector.send, args=(lines(acknowledged, acknowledged + 200_000),)
            )
            feeder.start()
            # Mostly behind a state, so that there is something to lose, and sometimes before the first.
            next(connector.messages("STATE" if kill == 0 or rng.random() < 0.7 else "LOG"))
            threading.Event().wait(rng.uniform(0.0, 1.5))
            connector.signal(signal.SIGKILL)
            done = connector.wait()
            feeder.join()
        assert done.exit_code == -signal.SIGKILL
        acknowledged = max([acknowledged, *cursors(done.states)])
        assert _found(api, bucket, acknowledged) == {"lost": 0, "doubled": 0}
        api.new_sync()
    assert acknowledged > 0
    last = acknowledged + 2 * ROWS_PER_STATE
    with Connector("write", config, CATALOG) as connector:
        connector.send(lines(acknowledged, last))
        done = connector.finish()
    assert (done.exit_code, cursors(done.states)[-1]) == (0, last)
    found = _found(api, bucket, last)
    assert found == {"lost": 0, "doubled": 0}
    sent_again = api.report()["ignored"]["repeated_events"]
    figures(faults=f"{kills} kills", rows=last, **found, sent_again_and_ignored=sent_again)


def _found(api: LocalTrackApi, bucket: Bucket, acknowledged: int) -> dict[str, int]:
    kept = {number for key in bucket.keys() for number in _numbers(bucket.read(key))}  # noqa: SIM118 - no mapping
    return lost_and_doubled(api, range(acknowledged), kept, name="n")


def _numbers(content: bytes) -> Iterator[int]:
    for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
        yield json.loads(row["_airbyte_data"])["n"]
