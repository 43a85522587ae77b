"""`replay`: rejected rows are resent, and afterwards each is in one place of the bucket."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.dead_letters.reading.reader import layout_of, read_rows
from destination_customerio.mapping.event_ids import from_column, from_row
from integration_tests.command_line import on_terminal, run_command
from integration_tests.connector import (
    catalog_of,
    record,
    run_connector,
    stream,
)
from integration_tests.rejected_rows import (
    CATALOG,
    GOOD_ORDERS,
    LINES,
    ORDERS,
    REPLAYED,
    arrived,
    config,
    contents,
    fill,
    rows_in,
    seqs,
)
from integration_tests.s3_proxy import proxy_to

if TYPE_CHECKING:
    from pathlib import Path

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

FORMS = [
    ("CSV", "No flattening", "No Compression"),
    ("CSV", "Root level flattening", "GZIP"),
    ("JSONL", "No flattening", "GZIP"),
]


@pytest.mark.parametrize("compression", ["No Compression", "GZIP"])
def test_accepted_rows_are_moved_and_rejected_ones_stay_with_the_new_reason(
    api: LocalTrackApi, bucket: Bucket, compression: str
) -> None:
    """A file of which nothing stays is deleted; the other is rewritten in place."""
    storage = bucket.config(compression={"compression_type": compression})
    fill(api, storage)
    before = bucket.keys()
    done = run_command("replay", config(api, storage), CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(arrived(api)) == GOOD_ORDERS
    assert api.order_violations == []
    assert len(api.world.profiles()) == 5
    # One file is gone, as nothing of it stayed; the other is where it was.
    (staying,) = (key for key in contents(bucket) if not key.startswith(REPLAYED))
    assert [REPLAYED + key.removeprefix("customerio/rejected/") for key in before] == [
        key for key in contents(bucket) if key.startswith(REPLAYED)
    ]
    assert staying in before
    assert staying.endswith(".gz") == (bucket.read(staying)[:2] == b"\x1f\x8b") == (compression == "GZIP")
    assert seqs(rows_in(bucket, replayed=False)) == [0, 3, 6]
    assert seqs(rows_in(bucket, replayed=True)) == GOOD_ORDERS
    kept = list(read_rows(layout_of(io.BytesIO(bucket.read(staying)))))
    assert {row.rejection.field for row in kept} == {"person_id"}  # it was person_email
    assert "Stream orders: 3 rows rejected again: required (person_id)." in done.stdout
    assert "11 rows accepted, 3 rejected again. Done." in done.stdout


def test_a_second_replay_sends_only_what_stays(api: LocalTrackApi, bucket: Bucket) -> None:
    """And leaves the file alone when nothing about it changes."""
    storage = bucket.config()
    fill(api, storage)
    run_command("replay", config(api, storage), CATALOG)
    objects = contents(bucket)
    requests = api.report()["requests"]["batch"]
    done = run_command("replay", config(api, storage), CATALOG)
    assert "0 rows accepted, 3 rejected again. Done." in done.stdout
    assert api.report()["requests"]["batch"] == requests
    assert contents(bucket) == objects


def test_what_is_replayed_later_from_the_same_file_does_not_hide_what_was_before(
    api: LocalTrackApi, bucket: Bucket
) -> None:
    """Rows fixed in the file later are stored in a separate file under replayed/."""
    storage = bucket.config(format={"format_type": "JSONL"})
    fill(api, storage, LINES[:9])
    run_command("replay", config(api, storage), CATALOG)
    (key,) = (key for key in contents(bucket) if not key.startswith(REPLAYED))
    fixed = bucket.read(key).replace(b'"person_id": null', b'"person_id": "u9"')
    # As a person does: without the label, which is only metadata.
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=fixed)
    done = run_command("replay", config(api, storage), CATALOG)
    assert "3 rows accepted, 0 rejected again. Done." in done.stdout
    assert sorted(arrived(api)) == list(range(9))
    assert seqs(rows_in(bucket, replayed=True)) == list(range(9))
    assert rows_in(bucket, replayed=False) == []
    first, second = (key.removesuffix(".jsonl") for key in bucket.keys())  # noqa: SIM118 - no mapping
    assert second == first + "_" + hashlib.md5(fixed, usedforsecurity=False).hexdigest()


def test_files_are_replayed_in_the_order_in_which_they_were_written(
    api: LocalTrackApi, bucket: Bucket
) -> None:
    """By their labels: neither the keys nor the times of storing say so here."""
    storage = bucket.config(path_format="{stream_name}/{uuid}/", file_name_format="x{format_extension}")
    lines = [record("orders", {"person_id": "u1", "event_name": "paid", "_seq": n}) for n in range(3)]
    for number in range(3):
        fill(api, storage, lines[number : number + 1], catalog_of(ORDERS))
    for key in reversed(bucket.keys()):  # stored again in another order, with their labels
        bucket.client.copy_object(
            Bucket=bucket.name,
            Key=key,
            CopySource={"Bucket": bucket.name, "Key": key},
            MetadataDirective="REPLACE",
            Metadata=bucket.client.head_object(Bucket=bucket.name, Key=key)["Metadata"],
        )
    done = run_command("replay", config(api, storage), CATALOG)
    assert (done.exit_code, arrived(api)) == (0, list(range(3)))


def test_a_dry_run_sends_and_changes_nothing(api: LocalTrackApi, bucket: Bucket) -> None:
    """It says what the connector's own checks would accept."""
    storage = bucket.config()
    fill(api, storage)
    objects = contents(bucket)
    unreachable = config(api, storage) | {"track_api_url": "http://127.0.0.1:1"}
    done = run_command("replay", unreachable, CATALOG, "--dry-run")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Stream orders: 3 rows would be rejected again: required (person_id)." in done.stdout
    assert "11 rows would be sent, 3 would be rejected again. Dry run: nothing was sent" in done.stdout
    assert api.world.events == []
    assert contents(bucket) == objects


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--stream", "orders"), GOOD_ORDERS),
        (("--sync-id", "43"), []),
        (("--since", "2025-11-24T16:00:00.004Z"), [4, 5, 7, 8]),
    ],
)
def test_only_rows_that_are_meant_are_replayed(
    api: LocalTrackApi, bucket: Bucket, arguments: tuple[str, str], expected: list[int]
) -> None:
    """By stream, sync and time; other rows stay in their files, byte for byte."""
    storage = bucket.config()
    fill(api, storage)
    before = {
        row.text for key in contents(bucket) for row in read_rows(layout_of(io.BytesIO(bucket.read(key))))
    }
    done = run_command("replay", config(api, storage), CATALOG, *arguments)
    assert done.exit_code == 0
    assert sorted(arrived(api)) == expected
    assert seqs(rows_in(bucket, replayed=True)) == expected
    staying = [number for number in range(9) if number not in expected]
    assert seqs(rows_in(bucket, replayed=False)) == staying
    if arguments[0] == "--since":
        untouched = {
            row.text
            for key in contents(bucket)
            if not key.startswith(REPLAYED)
            for row in read_rows(layout_of(io.BytesIO(bucket.read(key))))
            if row.rejection.field == "person_email"
        }
        assert untouched
        assert untouched <= before


@pytest.mark.parametrize("strategy", ["retry_safe", "from_row", "none"])
def test_events_get_the_id_of_their_own_row(api: LocalTrackApi, bucket: Bucket, strategy: str) -> None:
    """Derived from its raw id or its content, also after rows that have an id, are rejected, or are nested too deeply."""
    storage = bucket.config()
    deep = "[" * 5_000 + "]" * 5_000
    lines = [
        *LINES[:3],
        record("orders", {"person_id": "u1", "deep": "DEEP"}).replace(b'"DEEP"', deep.encode()),
        record("orders", {"person_id": "u1", "event_name": "paid", "_seq": 3, "event_id": "own", "n": 2**70}),
        *LINES[4:6],
    ]
    fill(api, storage, lines, catalog_of(ORDERS))
    (key,) = bucket.keys()
    rows = list(read_rows(layout_of(io.BytesIO(bucket.read(key)))))
    done = run_command("replay", config(api, storage, event_id_strategy=strategy), CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    expected = {1: 1, 2: 2, 4: 5, 5: 6}  # the row of each order without an id
    assert sorted(arrived(api)) == [1, 2, 3, 4, 5]
    for event in api.world.events:
        seq = event.attributes["_seq"]
        if seq == 3:
            assert event.id == from_column("own", "paid")
        elif strategy == "from_row":
            assert event.id == from_row(Stream("orders"), json.loads(rows[expected[seq]].data or b""))
        else:
            assert event.id == from_column(rows[expected[seq]].raw_id, "")


def test_mapped_streams_are_replayed_through_their_mapping(api: LocalTrackApi, bucket: Bucket) -> None:
    """Rows are in the bucket under the source's column names."""
    mapping = {
        "stream_name": "orders",
        "destination_object_name": "person_event",
        "field_mappings": [
            {"source": "customer", "destination": "person_id"},
            {"value": "paid", "destination": "event_name"},
        ],
    }
    storage = bucket.config()
    catalog = catalog_of(stream("orders", properties={"customer": {}}))
    settings = config(api, storage, stream_mappings=[mapping])
    lines = [
        record("orders", {"customer": "c1" * 80, "_seq": 1}),
        record("orders", {"customer": "c2", "_seq": 2}),
    ]
    assert run_connector("write", settings, catalog, lines).exit_code == 0
    (key,) = bucket.keys()
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=bucket.read(key).replace(b"c1" * 80, b"c1"))
    done = run_command("replay", settings, catalog)
    assert "1 row accepted, 0 rejected again. Done." in done.stdout
    assert sorted(arrived(api)) == [1, 2]


def test_a_terminal_shows_the_progress_of_a_replay(
    api: LocalTrackApi, bucket: Bucket, tmp_path: Path
) -> None:
    """A progress bar over the files while it runs, and the same messages as elsewhere."""
    storage = bucket.config()
    fill(api, storage)
    paths = [tmp_path / "config.json", tmp_path / "catalog.json"]
    for path, content in zip(paths, (config(api, storage), CATALOG), strict=True):
        path.write_text(json.dumps(content))
    shown, exit_code = on_terminal("replay", "--config", str(paths[0]), "--catalog", str(paths[1]))
    assert exit_code == 0
    assert "━" in shown
    assert "11 rows accepted, 3 rejected again. Done." in shown


def test_the_servers_new_reasons_replace_the_old_ones(api: LocalTrackApi, bucket: Bucket) -> None:
    """Its reasons replace the old ones."""
    storage = bucket.config()
    fill(api, storage, LINES[:9])
    api.inject(
        {
            "request": 1,
            "errors207": [{"batch_index": 0, "reason": "conflict", "field": "event_name", "message": "no"}],
        }
    )
    done = run_command("replay", config(api, storage, max_concurrent_requests=1), CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(arrived(api)) == [2, 4, 5, 7, 8]
    assert seqs(rows_in(bucket, replayed=False)) == [0, 1, 3, 6]
    assert "Stream orders: 1 row rejected again: conflict (event_name)." in done.stdout


def test_files_of_all_layouts_are_replayed_from_one_bucket(api: LocalTrackApi, bucket: Bucket) -> None:
    """Each file keeps its format, whatever the configuration is now."""
    for number, (kind, flattening, compression) in enumerate(FORMS):
        storage = bucket.config(
            format={"format_type": kind, "flattening": flattening},
            compression={"compression_type": compression},
            file_name_format="{timestamp}_" + str(number),
        )
        rows = ({"person_id": "u1", "event_name": "paid", "_seq": number}, {"event_name": "paid", "_seq": -1})
        fill(api, storage, [record("orders", row) for row in rows], catalog_of(ORDERS))
    before = contents(bucket)
    done = run_command("replay", config(api, bucket.config()), CATALOG)
    assert f"{len(FORMS)} rows accepted, {len(FORMS)} rejected again. Done." in done.stdout
    assert arrived(api) == list(range(len(FORMS)))
    after = contents(bucket)
    assert all(after[key][:2] == body[:2] for key, body in before.items())
    assert len(rows_in(bucket, replayed=False)) == len(rows_in(bucket, replayed=True)) == len(FORMS)


def test_many_files_share_their_connections(api: LocalTrackApi, bucket: Bucket) -> None:
    """A connection for each file would cost more than the file."""
    for number in range(40):
        lines = b"".join(
            b'{"_airbyte_raw_id":"r%d","_airbyte_data":{"person_id":"u%d","event_name":"paid","_seq":%d}}\n'
            % (row, row, row)
            for row in range(3 * number, 3 * number + 3)
        )
        key = f"customerio/rejected/42/orders/2026_11_24_1_{number}.jsonl"
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=lines)
    with proxy_to(bucket.endpoint) as proxy:
        proxy.is_kept_alive = True
        settings = config(api, bucket.config(s3_endpoint=proxy.url), max_concurrent_requests=2)
        done = run_command("replay", settings, CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "120 rows accepted, 0 rejected again. Done." in done.stdout
    # One for each lane, and one to ask for the region.
    assert len(api.requests.connections) <= 2 + 1
    # Eight that look up files, one of which fetches and stores them later, and one of the lease.
    assert len(proxy.connections) <= 8 + 1 + 1
