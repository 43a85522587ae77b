"""A slow source, and a slow server."""

from __future__ import annotations

import threading
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

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("users", "person_identify"))
# The contract's: how long a state may wait after its last record, with stdin open and idle.
LONGEST_WAIT_SECONDS = 15.0


def test_a_slow_source_waits_for_no_full_batch(
    api: LocalTrackApi, bucket: Bucket, sized: Callable[[int, int], int], figures: Callable[..., None]
) -> None:
    """Each row's state is emitted within fifteen seconds, whether the row was delivered or rejected."""
    rounds = sized(2, 6)
    config = config_of(api, object_storage_config=bucket.config())
    with Connector("write", config, CATALOG) as connector:
        next(connector.messages("LOG"))
        for number in range(rounds):
            email = "a@b.c" if number % 2 == 0 else None
            connector.send([record("users", {"person_email": email}), stream_state("users", number)])
            late = threading.Event()
            timer = threading.Timer(LONGEST_WAIT_SECONDS, late.set)
            timer.start()
            assert cursors([connector.next_message("STATE")]) == [number]
            assert not late.is_set()
            timer.cancel()
        assert connector.finish().exit_code == 0
    figures(faults="a slow source", rows=rounds)


def test_a_slow_server_makes_the_source_wait(
    api: LocalTrackApi, sized: Callable[[int, int], int], figures: Callable[..., None]
) -> None:
    """Back-pressure reaches stdin, so memory stays bounded whatever the source could send."""
    api.inject({"delay_seconds": 1_000})
    megabytes = sized(200, 1_000)
    chunk = [record("users", {"person_email": f"u{n}@b.c", "padding": "x" * 900}) for n in range(1_000)]
    with Connector("write", config_of(api), CATALOG) as connector:
        sent = [0]

        def feed() -> None:
            for _ in range(megabytes):
                connector.send(chunk)
                sent[0] += 1

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        wait_until(lambda: api.requests.requests["batch"] > 0)
        before = -1
        while sent[0] != before:  # until nothing more goes in
            before = sent[0]
            feeder.join(3)
        assert feeder.is_alive()
        peak_kib = connector.peak_memory_kib
        taken = sent[0]
        connector.process.kill()
        feeder.join()
    assert 0 < taken < megabytes
    assert peak_kib < 300 * 1_024
    figures(
        faults="a server that takes nothing",
        rows=taken * 1_000,
        peak_mib=round(peak_kib / 1_024),
    )
