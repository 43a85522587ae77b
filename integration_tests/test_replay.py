"""`replay`: rejected rows go out again, and lie in one place of the bucket afterwards, whatever happens meanwhile."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
from itertools import count, product
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio.catalog import Stream
from destination_customerio.dead_letter_reader import layout_of, read_rows
from destination_customerio.event_ids import from_column, from_row
from integration_tests.connector import (
    catalog_of,
    config_for,
    record,
    run_connector,
    stream,
    wait_until,
)
from integration_tests.faults.conftest import IS_LONG
from integration_tests.people import Spoken, ended, on_terminal, speak, started
from integration_tests.s3_proxy import RESET, Request, proxy_to
from integration_tests.track_api import LocalTrackApi

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from integration_tests.conftest import Bucket

REPLAYED = "customerio/rejected/replayed/"
ORDERS = stream("orders", "person_event", sync_id=42)
USERS = stream("Größe", "person_identify", namespace="shop", sync_id=42)
CATALOG = catalog_of(ORDERS, USERS)
FORMS = list(
    product(("CSV", "JSONL"), ("No flattening", "Root level flattening"), ("No Compression", "GZIP"))
)
# Every third order has no person, and is rejected however it is sent.
LINES = [
    *(
        record(
            "orders",
            {"person_id": f"u{number % 3}" if number % 3 else None, "event_name": "paid", "_seq": number},
            emitted_at=1_764_000_000_000 + number,
        )
        for number in range(9)
    ),
    *(
        record("Größe", {"person_id": f"u{number}", "plan": "pro", "n": number}, namespace="shop")
        for number in range(5)
    ),
]
GOOD_ORDERS = [number for number in range(9) if number % 3]


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API."""
    with LocalTrackApi() as server:
        yield server


def config(
    api: LocalTrackApi, storage: dict[str, Any], identifier: str = "id", **more: Any
) -> dict[str, Any]:
    """With `email`, all rows of this module are rejected; with `id`, those that name a person are not."""
    return config_for(api.url, object_storage_config=storage, identifierType=identifier, **more)


def fill(
    api: LocalTrackApi, storage: dict[str, Any], lines: list[bytes] = LINES, catalog: Any = CATALOG
) -> None:
    """Let a sync reject all rows, each stream into one file."""
    done = run_connector("write", config(api, storage, "email"), catalog, lines)
    assert (done.exit_code, done.errors) == (0, [])
    assert api.world.events == []


def contents(bucket: Bucket) -> dict[str, bytes]:
    """All objects by their keys, in the order of these."""
    return {key: bucket.read(key) for key in sorted(bucket.keys())}


def rows_in(bucket: Bucket, *, replayed: bool) -> list[dict[str, Any]]:
    """The original rows in the files, in the order of their keys."""
    return [
        json.loads(row.data or b"null")
        for key in contents(bucket)
        if key.startswith(REPLAYED) is replayed and not key.endswith("/_replay_claim")
        for row in read_rows(layout_of(io.BytesIO(bucket.read(key))))
    ]


def seqs(rows: list[dict[str, Any]]) -> list[int]:
    """The numbers of the orders among rows."""
    return sorted(row["_seq"] for row in rows if "_seq" in row)


def arrived(api: LocalTrackApi) -> list[int]:
    """The numbers of the orders that count, in their order."""
    return [event.attributes["_seq"] for event in api.world.events]


@pytest.mark.parametrize("form", FORMS, ids=", ".join)
def test_accepted_rows_are_moved_and_rejected_ones_stay_with_the_new_reason(
    api: LocalTrackApi, bucket: Bucket, form: tuple[str, str, str]
) -> None:
    """In every layout of the files."""
    kind, flattening, compression = form
    storage = bucket.config(
        format={"format_type": kind, "flattening": flattening}, compression={"compression_type": compression}
    )
    fill(api, storage)
    before = bucket.keys()
    done = speak("replay", config(api, storage), CATALOG)
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
    speak("replay", config(api, storage), CATALOG)
    objects = contents(bucket)
    requests = api.report()["requests"]["batch"]
    done = speak("replay", config(api, storage), CATALOG)
    assert "0 rows accepted, 3 rejected again. Done." in done.stdout
    assert api.report()["requests"]["batch"] == requests
    assert contents(bucket) == objects


def test_what_is_replayed_later_from_the_same_file_does_not_hide_what_was_before(
    api: LocalTrackApi, bucket: Bucket
) -> None:
    """Rows that somebody mends in the file go to a file of their own among the replayed."""
    storage = bucket.config(format={"format_type": "JSONL"})
    fill(api, storage, LINES[:9])
    speak("replay", config(api, storage), CATALOG)
    (key,) = (key for key in contents(bucket) if not key.startswith(REPLAYED))
    mended = bucket.read(key).replace(b'"person_id": null', b'"person_id": "u9"')
    # As a person does: without the label, which is only metadata.
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=mended)
    done = speak("replay", config(api, storage), CATALOG)
    assert "3 rows accepted, 0 rejected again. Done." in done.stdout
    assert sorted(arrived(api)) == list(range(9))
    assert seqs(rows_in(bucket, replayed=True)) == list(range(9))
    assert rows_in(bucket, replayed=False) == []
    assert len(bucket.keys()) == 2


def test_files_are_replayed_in_the_order_in_which_they_were_written(
    api: LocalTrackApi, bucket: Bucket
) -> None:
    """By their labels: neither the keys nor the times of storing say so here."""
    storage = bucket.config(path_format="{stream_name}/{uuid}/", file_name_format="x{format_extension}")
    lines = [record("orders", {"person_id": "u1", "event_name": "paid", "_seq": n}) for n in range(6)]
    for number in range(6):
        fill(api, storage, lines[number : number + 1], catalog_of(ORDERS))
    for key in reversed(bucket.keys()):  # stored again in another order, with their labels
        bucket.client.copy_object(
            Bucket=bucket.name,
            Key=key,
            CopySource={"Bucket": bucket.name, "Key": key},
            MetadataDirective="REPLACE",
            Metadata=bucket.client.head_object(Bucket=bucket.name, Key=key)["Metadata"],
        )
    done = speak("replay", config(api, storage), CATALOG)
    assert (done.exit_code, arrived(api)) == (0, list(range(6)))


def test_a_dry_run_sends_and_changes_nothing(api: LocalTrackApi, bucket: Bucket) -> None:
    """It says what the connector's own checks would accept."""
    storage = bucket.config()
    fill(api, storage)
    objects = contents(bucket)
    unreachable = config(api, storage) | {"track_api_url": "http://127.0.0.1:1"}
    done = speak("replay", unreachable, CATALOG, "--dry-run")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Stream orders: 3 rows would be rejected again: required (person_id)." in done.stdout
    assert "11 rows would be sent, 3 would be rejected again. Dry run: nothing was sent" in done.stdout
    assert api.world.events == []
    assert contents(bucket) == objects


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--stream", "orders"), GOOD_ORDERS),
        (("--stream", "shop.Größe"), []),
        (("--sync-id", "42"), GOOD_ORDERS),
        (("--sync-id", "43"), []),
        (("--since", "2025-11-24T16:00:00.004Z"), [4, 5, 7, 8]),
        (("--since", "2030-01-01"), []),
    ],
)
def test_only_rows_that_are_meant_are_replayed(
    api: LocalTrackApi, bucket: Bucket, arguments: tuple[str, str], expected: list[int]
) -> None:
    """By stream, sync and time; the others stay where they are, byte for byte."""
    storage = bucket.config()
    fill(api, storage)
    before = {
        row.text for key in contents(bucket) for row in read_rows(layout_of(io.BytesIO(bucket.read(key))))
    }
    done = speak("replay", config(api, storage), CATALOG, *arguments)
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


def snapshot(bucket: Bucket) -> list[dict[str, Any]]:
    """All objects, to be put again."""
    found = []
    for key in contents(bucket):
        answer = bucket.client.get_object(Bucket=bucket.name, Key=key)
        found.append({"Key": key, "Body": answer["Body"].read(), "Metadata": answer["Metadata"]})
    return found


def restore(bucket: Bucket, objects: list[dict[str, Any]]) -> None:
    """Make the bucket hold these objects and no others."""
    for key in contents(bucket):
        bucket.client.delete_object(Bucket=bucket.name, Key=key)
    for values in objects:
        bucket.client.put_object(Bucket=bucket.name, **values)


@pytest.mark.parametrize(
    ("moment", "strategy"),
    [("before the store hears of it", "retry_safe"), ("after the store has done it", "none")],
)
def test_a_replay_killed_at_any_request_to_the_store_loses_and_doubles_nothing(
    api: LocalTrackApi, bucket: Bucket, moment: str, strategy: str
) -> None:
    """SIGKILL at each of its writes, or in the long suite at each of its requests; then once more to the end."""
    fill(api, bucket.config())
    filled = snapshot(bucket)
    kills = 0
    for number in count():
        api.reset()
        restore(bucket, filled)
        if not _killed_at(number, moment, strategy, api, bucket):
            break
        kills += 1
        # Every row lies somewhere, at any time.
        assert set(seqs(rows_in(bucket, replayed=False)) + seqs(rows_in(bucket, replayed=True))) == set(
            range(9)
        )
        api.new_sync()
        done = speak("replay", config(api, bucket.config(), event_id_strategy=strategy), CATALOG)
        assert (done.exit_code, done.stderr) == (0, "")
        assert sorted(arrived(api)) == GOOD_ORDERS
        assert len(api.world.profiles()) == 5
        assert seqs(rows_in(bucket, replayed=False)) == [0, 3, 6]
        assert seqs(rows_in(bucket, replayed=True)) == GOOD_ORDERS
        assert len(bucket.keys()) == 3
    # The claim, the replayed rows of two files, the file that stays, the file that goes, the claim again.
    assert kills == (20 if IS_LONG else 6)


def _killed_at(number: int, moment: str, strategy: str, api: LocalTrackApi, bucket: Bucket) -> bool:
    """Kill a replay at its n-th write, or request; False when it ends before that."""
    requests = count()
    process: list[subprocess.Popen[str]] = []

    def kill(request: Request) -> bool:
        if not (IS_LONG or request.method in ("PUT", "DELETE")) or next(requests) != number:
            return False
        wait_until(lambda: bool(process))
        os.kill(process[0].pid, signal.SIGKILL)
        process[0].wait()
        return True

    def before(request: Request) -> str | None:
        return RESET if moment.startswith("before") and kill(request) else None

    def after(request: Request, body: bytes) -> bytes:
        if moment.startswith("after"):
            kill(request)
        return body

    with proxy_to(bucket.endpoint) as proxy:
        proxy.refuse, proxy.change = before, after
        settings = config(api, bucket.config(s3_endpoint=proxy.url), event_id_strategy=strategy)
        with started("replay", settings, CATALOG) as running:
            process.append(running)
            return ended(running).exit_code == -signal.SIGKILL


def test_a_replay_that_is_told_to_stop_leaves_the_file_as_it_is(api: LocalTrackApi, bucket: Bucket) -> None:
    """It ends soon, and the next one goes on without doubling what was sent."""
    storage = bucket.config()
    lines = [
        record("orders", {"person_id": f"u{n}", "event_name": "paid", "_seq": n, "x": "x" * 12_000})
        for n in range(400)
    ]
    fill(api, storage, lines, catalog_of(ORDERS))
    objects = contents(bucket)
    api.configure(latency_seconds=0.5)
    with started("replay", config(api, storage, max_concurrent_requests=1), CATALOG) as process:
        wait_until(lambda: len(arrived(api)) > 0)
        process.send_signal(signal.SIGTERM)
        done = ended(process)
    assert done.exit_code == 128 + signal.SIGTERM
    assert "stopped midway; the file is as it was" in done.stdout
    assert 0 < len(arrived(api)) < 400
    assert contents(bucket) == objects
    api.configure(latency_seconds=0)
    api.new_sync()
    assert speak("replay", config(api, storage), CATALOG).exit_code == 0
    assert sorted(arrived(api)) == list(range(400))
    assert rows_in(bucket, replayed=False) == []


def test_a_second_replay_notices_the_first_before_it_sends(api: LocalTrackApi, bucket: Bucket) -> None:
    """It says so in a sentence, and the first goes on."""
    storage = bucket.config()
    fill(api, storage)
    api.configure(latency_seconds=2)
    with started("replay", config(api, storage), CATALOG) as process:
        wait_until(lambda: any(key.endswith("_replay_claim") for key in bucket.keys()))  # noqa: SIM118
        second = speak("replay", config(api, storage), CATALOG).failure()
        assert f"Another replay of these rejected rows is at work (process {process.pid}," in second
        assert speak("replay", config(api, storage), CATALOG, "--dry-run").exit_code == 0
        assert "11 rows accepted, 3 rejected again. Done." in ended(process).stdout
    assert not any(key.endswith("_replay_claim") for key in bucket.keys())  # noqa: SIM118


@pytest.mark.parametrize("change", ["mended", "deleted"])
def test_a_file_that_somebody_changes_meanwhile_is_left_to_them(
    api: LocalTrackApi, bucket: Bucket, change: str
) -> None:
    """Nothing of their work is overwritten, and the report says so."""
    fill(api, bucket.config(), LINES[:9])
    (key,) = bucket.keys()

    def meddle(request: Request) -> None:
        if request.method == "GET" and key in request.path:
            if change == "mended":
                mended = bucket.read(key).replace(b'""person_id"": null', b'""person_id"": ""u9""')
                bucket.client.put_object(Bucket=bucket.name, Key=key, Body=mended)
            else:
                bucket.client.delete_object(Bucket=bucket.name, Key=key)

    with proxy_to(bucket.endpoint) as proxy:

        def change_after(request: Request, body: bytes) -> bytes:
            meddle(request)
            return body

        proxy.change = change_after
        done = speak("replay", config(api, bucket.config(s3_endpoint=proxy.url)), CATALOG)
    assert done.exit_code == 0
    assert "it was changed by somebody else while its rows were sent" in done.stdout
    assert rows_in(bucket, replayed=True) == []
    left = rows_in(bucket, replayed=False)
    assert [row["person_id"] for row in left if row["_seq"] == 0] == (["u9"] if change == "mended" else [])
    speak("replay", config(api, bucket.config()), CATALOG)
    assert sorted(arrived(api)) == (list(range(9)) if change == "mended" else GOOD_ORDERS)


def test_what_can_not_be_replayed_is_said_and_left_alone(api: LocalTrackApi, bucket: Bucket) -> None:
    """Files of other kinds, broken ones, those of streams that the catalog lacks or that nobody can tell."""
    storage = bucket.config(path_format="{sync_id}/")
    fill(api, storage)
    below = "customerio/rejected/"
    header = b'"_airbyte_raw_id","_airbyte_data"\r\n'
    put: dict[str, bytes] = {
        "notes.txt": b"call them tomorrow",
        "42/unlabelled.csv": header + b'"r","{""person_id"":""u1""}"\r\n',
        "_check_test": b"left over",
    }
    for name, body in put.items():
        bucket.client.put_object(Bucket=bucket.name, Key=below + name, Body=body)
    (orders,) = (key for key in contents(bucket) if b"paid" in bucket.read(key))
    label = bucket.client.head_object(Bucket=bucket.name, Key=orders)["Metadata"]
    cut = gzip.compress(bucket.read(orders))[:-30]
    bucket.client.put_object(Bucket=bucket.name, Key=below + "cut.csv.gz", Body=cut, Metadata=label)
    done = speak("replay", config(api, storage), catalog_of(ORDERS))
    assert done.exit_code == 0
    assert sorted(arrived(api)) == GOOD_ORDERS
    assert f"{below}cut.csv.gz: left as it is, as its compression is broken, or it breaks off." in done.stdout
    unknown = "left as it is, as neither its label nor its key (path_format) says which stream it belongs to."
    for name in ("notes.txt", "42/unlabelled.csv"):
        assert f"{below}{name}: {unknown}" in done.stdout
    assert "left as it is, as the catalog has no stream shop.Größe" in done.stdout
    assert "4 files were left as they are, see above." in done.stdout
    assert all(bucket.read(below + name) == body for name, body in put.items())


@pytest.mark.parametrize("strategy", ["retry_safe", "from_row", "none"])
def test_events_get_the_id_of_their_own_row(api: LocalTrackApi, bucket: Bucket, strategy: str) -> None:
    """Made of its raw id, or its content; also behind rows that have an id, are rejected, or that no parser follows."""
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
    done = speak("replay", config(api, storage, event_id_strategy=strategy), CATALOG)
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
    """Rows lie in the bucket as the source spells them."""
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
    done = speak("replay", settings, catalog)
    assert "1 rows accepted, 0 rejected again. Done." in done.stdout
    assert sorted(arrived(api)) == [1, 2]


def test_a_terminal_shows_how_a_replay_gets_on(api: LocalTrackApi, bucket: Bucket, tmp_path: Path) -> None:
    """A bar over the files while it runs, and the same words as elsewhere."""
    storage = bucket.config()
    fill(api, storage)
    paths = [tmp_path / "config.json", tmp_path / "catalog.json"]
    for path, content in zip(paths, (config(api, storage), CATALOG), strict=True):
        path.write_text(json.dumps(content))
    shown, exit_code = on_terminal("replay", "--config", str(paths[0]), "--catalog", str(paths[1]))
    assert exit_code == 0
    assert "━" in shown
    assert "11 rows accepted, 3 rejected again. Done." in shown


def test_rows_that_somebody_broke_stay(api: LocalTrackApi, bucket: Bucket) -> None:
    """Their neighbours are replayed."""
    storage = bucket.config(format={"format_type": "JSONL"})
    fill(api, storage, LINES[:9])
    (key,) = bucket.keys()
    broken = bucket.read(key).replace(b'"_seq": 4', b'"_seq": four')
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=broken)
    done = speak("replay", config(api, storage), CATALOG)
    assert sorted(arrived(api)) == [1, 2, 5, 7, 8]
    assert "3 rejected again, 1 can't be read." in done.stdout
    assert b'"_seq": four' in bucket.read(key)


def test_a_server_that_rejects_rows_has_the_last_word(api: LocalTrackApi, bucket: Bucket) -> None:
    """Its reasons replace the old ones."""
    storage = bucket.config()
    fill(api, storage, LINES[:9])
    api.inject(
        {
            "request": 1,
            "errors207": [{"batch_index": 0, "reason": "odd", "field": "_seq", "message": "no"}],
        }
    )
    done = speak("replay", config(api, storage, max_concurrent_requests=1), CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(arrived(api)) == [2, 4, 5, 7, 8]
    assert seqs(rows_in(bucket, replayed=False)) == [0, 1, 3, 6]
    assert "Stream orders: 1 rows rejected again: odd (_seq)." in done.stdout


def test_failures_are_one_sentence_on_stderr(api: LocalTrackApi, bucket: Bucket) -> None:
    """Of the configuration, the catalog, the bucket and the server."""
    storage = bucket.config()
    good = config(api, storage)
    assert "names no bucket" in speak("replay", config_for(api.url), CATALOG).failure()
    assert "not a configured Airbyte catalog" in speak("replay", good, {"streams": 1}).failure()
    gone = bucket.config(s3_bucket_name="never-made")
    assert "there is no bucket never-made" in speak("replay", config(api, gone), CATALOG).failure()
    fill(api, storage, LINES[:9])
    objects = contents(bucket)
    refused: Spoken = speak("replay", good | {"credentials": {"siteId": "site", "apiKey": "wrong"}}, CATALOG)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Customer.io does not accept the Site ID" in refused.stderr
    assert contents(bucket) == objects
