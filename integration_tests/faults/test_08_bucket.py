"""The bucket disappears, denies access, throttles, or is slow while rows are rejected."""

from __future__ import annotations

import csv
import io
import json
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import (
    Connector,
    catalog_of,
    cursors,
    record,
    run_connector,
    stream,
    stream_state,
)
from integration_tests.faults.storms import config_of
from integration_tests.s3_proxy import RESET, proxy_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.buckets import Bucket
    from integration_tests.s3_proxy import Proxy, Request
    from tools.local_track_api import LocalTrackApi

PATIENCE_SECONDS = 60
# Longer than any process may take to end.
FOR_EVER_SECONDS = 1_000
CATALOG = catalog_of(stream("users", "person_identify", sync_id=7))


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[Proxy]:
    """A proxy before the local S3."""
    with proxy_to(bucket.endpoint) as found:
        yield found


def bad_rows(number: int) -> list[bytes]:
    """Rows without an identifier, and a state behind them."""
    return [
        *(record("users", {"person_email": None, "n": n}) for n in range(number)),
        stream_state("users", number),
    ]


@pytest.mark.parametrize(
    ("error", "failure_type"),
    [
        ("NoSuchBucket", "config_error"),
        ("AccessDenied", "config_error"),
        ("ExpiredToken", "transient_error"),
        ("SlowDown", "transient_error"),
        ("InternalError", "transient_error"),
        (RESET, "transient_error"),
    ],
)
def test_a_bucket_that_fails_in_mid_sync_ends_it_with_the_states_that_are_true(
    api: LocalTrackApi,
    bucket: Bucket,
    proxy: Proxy,
    error: str,
    failure_type: str,
    figures: Callable[..., None],
) -> None:
    """The file before is acknowledged, the one after is not; there is one trace, which says what to do."""
    config = config_of(api, object_storage_config=bucket.config(s3_endpoint=proxy.url))
    with Connector("write", config, CATALOG) as connector:
        connector.send(bad_rows(5))
        assert connector.next_message("STATE")["destinationStats"]["rejectedRecordCount"] == 5.0
        proxy.refuse = lambda _: error
        connector.send([record("users", {"person_email": None}), stream_state("users", 6)])
        done = connector.finish()
    assert (done.exit_code, cursors(done.states)) == (1, [5])
    assert done.error["failure_type"] == failure_type
    assert "could not be stored in the bucket" in done.error["message"]
    figures(faults=f"S3 answers {error}", rows=6)


PAGE = b"<!DOCTYPE html><html><body>Sign in to continue</body></html>"


def without_etag(proxy: Proxy) -> None:
    """A portal that answers an upload with its page."""
    proxy.change = lambda request, body: PAGE if request.method == "PUT" else body
    proxy.headers = lambda request, headers: (
        {name: value for name, value in headers.items() if name.lower() != "etag"}
        if request.method == "PUT"
        else headers
    )


def with_another_etag(proxy: Proxy) -> None:
    """A store that has something else."""
    proxy.headers = lambda request, headers: (
        {**headers, "etag": f'"{"0" * 32}"'} if request.method == "PUT" else headers
    )


def half(proxy: Proxy) -> None:
    """A proxy that passes on half of an upload."""
    proxy.upload = lambda request: request.body[: len(request.body) // 2]


@pytest.mark.parametrize("broken", [without_etag, with_another_etag, half])
def test_an_upload_that_is_answered_but_not_proven_acknowledges_nothing(
    api: LocalTrackApi,
    bucket: Bucket,
    proxy: Proxy,
    broken: Callable[[Proxy], None],
    figures: Callable[..., None],
) -> None:
    """The answer's status is 200; the state behind the file is not emitted, and the sync fails."""
    config = config_of(api, object_storage_config=bucket.config(s3_endpoint=proxy.url))
    with Connector("write", config, CATALOG) as connector:
        connector.send(bad_rows(5))
        assert connector.next_message("STATE")["destinationStats"]["rejectedRecordCount"] == 5.0
        broken(proxy)
        connector.send([record("users", {"person_email": None}), stream_state("users", 6)])
        done = connector.finish()
    assert (done.exit_code, cursors(done.states)) == (1, [5])
    assert done.error["failure_type"] == "transient_error"
    assert "could not be stored in the bucket" in done.error["message"]
    assert "Sign in" not in done.error["message"]
    figures(faults=f"200, {broken.__name__.replace('_', ' ')}", rows=6)


def test_many_streams_do_not_wait_for_one_another_in_a_slow_bucket(
    api: LocalTrackApi, bucket: Bucket, proxy: Proxy, figures: Callable[..., None]
) -> None:
    """Files are uploaded eight at a time, so that all states come after an eighth of the sum of their times."""
    streams, at_once = 40, 8
    running: set[int] = set()
    most = 0
    guard = threading.Lock()
    # Each upload waits until as many as allowed are running; with fewer, the wait ends in an error.
    together = threading.Barrier(at_once)

    def hold(request: Request) -> str | None:
        nonlocal most
        if request.method == "PUT":
            with guard:
                running.add(threading.get_ident())
                most = max(most, len(running))
            together.wait(PATIENCE_SECONDS)
            with guard:
                running.discard(threading.get_ident())
        return None

    proxy.refuse = hold
    names = [f"stream_{number}" for number in range(streams)]
    config = config_of(api, object_storage_config=bucket.config(s3_endpoint=proxy.url))
    lines = [record(name, {"person_email": None}) for name in names]
    states = [stream_state(name, 1) for name in names]
    done = run_connector(
        "write", config, catalog_of(*(stream(name, "person_identify") for name in names)), lines + states
    )
    assert (done.exit_code, len(done.states), len(bucket.keys())) == (0, streams, streams)
    assert most == at_once
    figures(faults="a slow bucket, and a file of each of 40 streams", rows=streams)


def test_a_store_that_is_busy_for_a_moment_costs_nothing(
    api: LocalTrackApi, bucket: Bucket, proxy: Proxy, figures: Callable[..., None]
) -> None:
    """boto3 retries."""
    answers = iter(["SlowDown"])
    proxy.refuse = lambda _: next(answers, None)
    config = config_of(api, object_storage_config=bucket.config(s3_endpoint=proxy.url))
    done = run_connector("write", config, CATALOG, bad_rows(5))
    assert (done.exit_code, cursors(done.states)) == (0, [5])
    assert len(bucket.keys()) == 1
    figures(faults="1 x SlowDown", rows=5)


def test_a_slow_bucket_holds_back_its_own_states_and_no_rows(
    api: LocalTrackApi, bucket: Bucket, proxy: Proxy, figures: Callable[..., None]
) -> None:
    """Other rows are delivered while a file is being uploaded."""
    released = threading.Event()

    def hold(_: Request) -> str | None:
        released.wait(60)
        return None

    proxy.refuse = hold
    config = config_of(api, object_storage_config=bucket.config(s3_endpoint=proxy.url))
    catalog = catalog_of(stream("users", "person_identify"), stream("orders", "person_event"))
    with Connector("write", config, catalog) as connector:
        connector.send([record("users", {"person_email": None}), stream_state("users", 1)])
        connector.send(
            [record("orders", {"person_email": "a@b.c", "event_name": "paid"}), stream_state("orders", 1)]
        )
        first = connector.next_message("STATE")
        assert first["stream"]["stream_descriptor"]["name"] == "orders"
        released.set()
        done = connector.finish()
    assert (done.exit_code, len(done.states)) == (0, 2)
    figures(faults="a slow bucket", rows=2)


def test_a_signal_ends_a_sync_whose_upload_hangs(
    api: LocalTrackApi, bucket: Bucket, proxy: Proxy, figures: Callable[..., None]
) -> None:
    """It does not wait for the store, which does not answer until it has ended; only the state behind that file is held back."""
    begun, released = threading.Event(), threading.Event()

    def hold(_: Request) -> str | None:
        begun.set()
        released.wait(FOR_EVER_SECONDS)
        return None

    proxy.refuse = hold
    config = config_of(api, object_storage_config=bucket.config(s3_endpoint=proxy.url))
    objects = {"users": "person_identify", "orders": "person_event", "visits": "person_page"}
    catalog = catalog_of(*(stream(name, target) for name, target in objects.items()))
    try:
        with Connector("write", config, catalog) as connector:
            connector.send([record("users", {"person_email": None}), stream_state("users", 1)])
            assert begun.wait(PATIENCE_SECONDS)
            connector.send(
                [record("orders", {"person_email": "a@b.c", "event_name": "paid"}), stream_state("orders", 2)]
            )
            # It waits for no row, so it comes back as soon as all before it is read.
            connector.send([stream_state("visits", 0)])
            assert cursors([connector.next_message("STATE")]) == [0]
            connector.signal(signal.SIGTERM)
            done = connector.wait()
    finally:
        released.set()
    assert (done.exit_code, done.errors, done.stderr) == (143, [], "")
    assert cursors(done.states) == [0, 2]
    figures(faults="SIGTERM, and an upload that hangs", rows=2)


def test_rejecting_every_row_keeps_memory_bounded_and_files_complete(
    api: LocalTrackApi, bucket: Bucket, sized: Callable[[int, int], int], figures: Callable[..., None]
) -> None:
    """All rows are in the bucket, in files that roll, and the process stays small."""
    rows = sized(20_000, 1_000_000)
    config = config_of(api, object_storage_config=bucket.config())
    line = record("users", {"person_email": None, "n": 0, "padding": "x" * 300})
    before, after = line.split(b'"n": 0')
    with Connector("write", config, CATALOG) as connector:
        for first in range(0, rows, 10_000):
            connector.send(before + b'"n": %d' % n + after for n in range(first, first + 10_000))
        connector.send([stream_state("users", rows)])
        state = connector.next_message("STATE")
        peak_kib = connector.peak_memory_kib
        done = connector.finish()
    assert done.exit_code == 0
    assert state["destinationStats"] == {"recordCount": 0.0, "rejectedRecordCount": float(rows)}
    numbers: set[int] = set()
    stored = 0
    for key in bucket.keys():  # noqa: SIM118 - no mapping
        text = io.StringIO(bucket.read(key).decode(), newline="")
        found = [json.loads(row["_airbyte_data"])["n"] for row in csv.DictReader(text)]
        assert found
        numbers.update(found)
        stored += len(found)
    assert (numbers, stored) == (set(range(rows)), rows)
    # About 450 bytes a row: a million of them do not fit two files of 200 MiB.
    assert len(bucket.keys()) >= 1 + rows // 500_000
    # An idle process, and the budget for rows in flight: nothing grows with the number of rows.
    assert peak_kib < 300 * 1_024
    figures(
        faults="every row rejected",
        rows=rows,
        lost=rows - len(numbers),
        doubled=stored - len(numbers),
        peak_mib=round(peak_kib / 1_024),
        files=len(bucket.keys()),
    )
