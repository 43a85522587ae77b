"""`replay` while others write below the same bucket path: a person who corrects a file, a sync, a second replay."""

from __future__ import annotations

import io
import os
import signal
import tempfile
import threading
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from destination_customerio.dead_letters.reading.bucket import RejectedFiles
from destination_customerio.dead_letters.reading.row_texts import UnusableFile
from destination_customerio.errors import ConfigError
from integration_tests.command_line import ended, run_command, started
from integration_tests.connector import catalog_of, record, run_connector, wait_until
from integration_tests.rejected_rows import (
    CATALOG,
    GOOD_ORDERS,
    LEASE_KEY,
    LINES,
    ORDERS,
    arrived,
    config,
    contents,
    fill,
    let_lease_lapse,
    rows_in,
    seqs,
)
from integration_tests.s3_proxy import CONDITIONS, Proxy, Request, proxy_to

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi


def with_conditions(_: Proxy) -> None:
    """A store with conditional writes."""


def ignoring_conditions(proxy: Proxy) -> None:
    """A store, or a gateway before it, that ignores conditions."""
    proxy.ignored = CONDITIONS


def refusing_conditions(proxy: Proxy) -> None:
    """A store that answers conditional writes with 501."""
    refuse = proxy.refuse

    def refuse_conditions(request: Request) -> str | None:
        is_write = request.method in ("PUT", "POST", "DELETE")
        return "NotImplemented" if is_write and CONDITIONS & set(request.headers) else refuse(request)

    proxy.refuse = refuse_conditions


STORES = [with_conditions, ignoring_conditions, refusing_conditions]


def fixed(content: bytes) -> bytes:
    """The file with the missing person of its first row."""
    return content.replace(b'""person_id"": null', b'""person_id"": ""u9""', 1)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("rows", [LINES[:9], LINES[1:3]], ids=["rest is written back", "file is deleted"])
def test_a_file_that_is_corrected_while_it_is_replaced_is_kept(
    api: LocalTrackApi, bucket: Bucket, store: Callable[[Proxy], None], rows: list[bytes]
) -> None:
    """Whatever the store can do; the report says that the file was modified."""
    fill(api, bucket.config(), rows)
    (key,) = bucket.keys()
    corrected = fixed(bucket.read(key)) + b"\r\n"

    def correct(request: Request) -> None:
        is_large_step = request.method == "PUT" and "x-amz-copy-source" not in request.headers
        at_rest = is_large_step and ("/_replay_" in request.path or key in request.path) and request.body
        at_deletion = request.method == "DELETE" and key in request.path and store is with_conditions
        moving = is_large_step and "/replayed/" in request.path and len(rows) == 2
        if LEASE_KEY not in request.path and (at_rest or at_deletion or moving):
            bucket.client.put_object(Bucket=bucket.name, Key=key, Body=corrected)

    with proxy_to(bucket.endpoint) as proxy:
        proxy.refuse = correct
        store(proxy)
        done = run_command("replay", config(api, bucket.config(s3_endpoint=proxy.url)), CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"{key}: left unchanged: it was modified while its rows were being sent." in done.stdout
    assert bucket.read(key) == corrected
    assert len(bucket.keys()) == 2
    assert run_command("replay", config(api, bucket.config()), CATALOG).exit_code == 0
    assert len(arrived(api)) == len(GOOD_ORDERS) + 1 if len(rows) == 9 else 2


@pytest.mark.parametrize("store", STORES)
def test_a_replay_ends_the_same_on_every_store(
    api: LocalTrackApi, bucket: Bucket, store: Callable[[Proxy], None]
) -> None:
    """Files are replaced with their labels, and nothing is left beside them."""
    fill(api, bucket.config(path_format="{uuid}/"))
    with proxy_to(bucket.endpoint) as proxy:
        store(proxy)
        storage = bucket.config(s3_endpoint=proxy.url, path_format="{uuid}/")
        for _ in range(2):
            done = run_command("replay", config(api, storage), CATALOG)
            assert (done.exit_code, done.stderr) == (0, "")
    assert seqs(rows_in(bucket, replayed=False)) == [0, 3, 6]
    assert seqs(rows_in(bucket, replayed=True)) == GOOD_ORDERS
    assert len(bucket.keys()) == 3


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("change", ["corrected", "deleted", "none"])
def test_a_large_file_is_replaced_only_if_it_is_unchanged(
    bucket: Bucket, store: Callable[[Proxy], None], change: str
) -> None:
    """It is uploaded in parts, during which there is much time to correct it."""
    key = "customerio/rejected/1.jsonl"
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"first", Metadata={"a": "b"})
    rest = os.urandom(17 << 20)
    with proxy_to(bucket.endpoint) as proxy:

        def meddle(request: Request) -> None:
            if request.method == "PUT" and "partNumber=2" in request.path:
                if change == "corrected":
                    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"corrected")
                elif change == "deleted":
                    bucket.client.delete_object(Bucket=bucket.name, Key=key)

        proxy.refuse = meddle
        store(proxy)
        with RejectedFiles(bucket.storage(s3_endpoint=proxy.url)) as files:
            (file,) = files.each()
            with tempfile.TemporaryFile() as content:
                content.write(rest)
                content.seek(0)
                with suppress(UnusableFile) if change != "none" else nullcontext():
                    files.replace(file, content)
    found = contents(bucket)
    assert (
        found
        == {
            "corrected": {key: b"corrected"},
            "deleted": {},
            "none": {key: rest},
        }[change]
    )
    if change == "none":
        assert bucket.client.head_object(Bucket=bucket.name, Key=key)["Metadata"]["a"] == "b"
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)


def test_a_lost_answer_does_not_make_the_own_write_a_change_by_others(bucket: Bucket) -> None:
    """boto3 sends the write again, and its condition no longer holds."""
    key = "customerio/rejected/1.jsonl"
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"first")
    with proxy_to(bucket.endpoint) as proxy:
        lost: list[Request] = []

        def lose(request: Request) -> str | None:
            if (
                request.method in ("PUT", "DELETE")
                and key in request.path
                and request.method not in [earlier.method for earlier in lost]
            ):
                lost.append(request)
                if request.method == "PUT":
                    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"second")
                else:
                    bucket.client.delete_object(Bucket=bucket.name, Key=key)
                return "InternalError"
            return None

        proxy.refuse = lose
        with RejectedFiles(bucket.storage(s3_endpoint=proxy.url)) as files:
            (file,) = files.each()
            files.replace(file, io.BytesIO(b"second"))
            assert contents(bucket) == {key: b"second"}
            (file,) = files.each()
            files.delete(file)
    assert contents(bucket) == {}
    assert [request.method for request in lost] == ["PUT", "DELETE"]


def test_a_replay_whose_lease_was_taken_over_sends_nothing_more(api: LocalTrackApi, bucket: Bucket) -> None:
    """Suspended for longer than its lease: its rows would arrive after newer ones of the same people."""
    lines = [
        record("orders", {"person_id": "u1", "event_name": "paid", "_seq": n, "x": "x" * 12_000})
        for n in range(400)
    ]
    fill(api, bucket.config(), lines, catalog_of(ORDERS))
    before = contents(bucket)
    # Ten requests, and the lease is looked at every fifteen seconds.
    api.configure(latency_seconds=3)
    with started("replay", config(api, bucket.config(), max_concurrent_requests=1), CATALOG) as process:
        wait_until(lambda: bool(arrived(api)))
        bucket.client.put_object(Bucket=bucket.name, Key=LEASE_KEY, Body=b'{"token":"of another"}')
        done = ended(process)
    assert done.exit_code == 1
    assert "Another replay of these rejected rows has started" in done.stderr
    assert "its own rows are sent again when you run the replay again." in done.stderr
    assert len(arrived(api)) < 400
    assert {key: body for key, body in contents(bucket).items() if key in before} == before
    assert bucket.read(LEASE_KEY) == b'{"token":"of another"}'


def weak(headers: dict[str, str]) -> dict[str, str]:
    """With the ETag as proxies leave it that may have touched the answer."""
    return {name: f"W/{value}" if name.lower() == "etag" else value for name, value in headers.items()}


@pytest.mark.parametrize("store", STORES)
def test_weak_etags_are_versions_too(
    api: LocalTrackApi, bucket: Bucket, store: Callable[[Proxy], None]
) -> None:
    """Otherwise every file would seem to be changed just now, for ever."""
    fill(api, bucket.config(), LINES[:9])
    with proxy_to(bucket.endpoint) as proxy:
        store(proxy)
        proxy.headers = lambda _, headers: weak(headers)
        settings = config(api, bucket.config(s3_endpoint=proxy.url))
        assert "9 rejected rows in 1 file." in run_command("rejected", settings).stdout
        assert "6 rows accepted, 3 rejected again." in run_command("replay", settings, CATALOG).stdout
    assert seqs(rows_in(bucket, replayed=False)) == [0, 3, 6]


@pytest.mark.parametrize("command", ["rejected", "replay"])
@pytest.mark.parametrize("header", ["etag", "last-modified"])
def test_a_store_that_hides_versions_is_named(
    api: LocalTrackApi, bucket: Bucket, header: str, command: str
) -> None:
    """Proxies remove headers of answers; without a version, a correction would be overwritten."""
    fill(api, bucket.config(), LINES[:9])
    with proxy_to(bucket.endpoint) as proxy:
        proxy.headers = lambda request, headers: {
            name: value
            for name, value in headers.items()
            if name.lower() != header or request.method != "HEAD"
        }
        settings = config(api, bucket.config(s3_endpoint=proxy.url))
        done = run_command(command, settings, CATALOG if command == "replay" else None)
    missing = "version (ETag)" if header == "etag" else "time (Last-Modified)"
    assert f"without its {missing}, so a change by somebody else could not be noticed." in done.failure()


@pytest.mark.parametrize("command", ["rejected", "replay"])
def test_a_file_that_arrives_cut_off_is_left_unchanged(
    api: LocalTrackApi, bucket: Bucket, command: str
) -> None:
    """At the end of a row nothing else shows it, and the rows that are missing would be gone from the file."""
    key = "customerio/rejected/42/orders/1.jsonl"
    row = b'{"_airbyte_raw_id":"r%d","_airbyte_data":{"person_id":"u1","event_name":"paid","_seq":%d}}\n'
    body = b"".join(row % (n, n) for n in range(9))
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=body)
    with proxy_to(bucket.endpoint) as proxy:
        proxy.change = lambda request, answer: (
            answer[: len(row % (0, 0)) * 4]
            if request.method == "GET" and request.path.endswith(key)
            else answer
        )
        settings = config(api, bucket.config(s3_endpoint=proxy.url))
        done = run_command(command, settings, CATALOG if command == "replay" else None)
    assert f"the store returned {len(row % (0, 0)) * 4:,} of its {len(body):,} bytes" in done.stdout
    assert bucket.read(key) == body
    assert arrived(api) == []


@pytest.mark.parametrize("left", ["nothing", "a part", "the old file"])
def test_a_copy_that_the_store_loses_loses_no_row(api: LocalTrackApi, bucket: Bucket, left: str) -> None:
    """It answers with success; what remains of the file is uploaded again, or the replay says so."""
    fill(api, bucket.config(), LINES[:9])
    (key,) = bucket.keys()
    before = bucket.read(key)

    def lose(request: Request) -> None:
        if request.method == "PUT" and "x-amz-copy-source" in request.headers:
            lost = bucket.read(unquote(request.headers["x-amz-copy-source"]).partition("/")[2])
            content = {"nothing": b"", "a part": lost[: len(lost) // 2], "the old file": before}[left]
            bucket.client.put_object(Bucket=bucket.name, Key=key, Body=content)

    with proxy_to(bucket.endpoint) as proxy:
        ignoring_conditions(proxy)

        def lose_after(request: Request, body: bytes) -> bytes:
            lose(request)
            return body

        proxy.change = lose_after
        settings = config(api, bucket.config(s3_endpoint=proxy.url))
        done = run_command("replay", settings, CATALOG)
    if left == "the old file":
        assert done.exit_code == 1
        assert "the store has other content than was uploaded" in done.stderr
        assert bucket.read(key) == before
    else:
        assert (done.exit_code, done.stderr) == (0, "")
        assert seqs(rows_in(bucket, replayed=False)) == [0, 3, 6]
    assert seqs(rows_in(bucket, replayed=True)) == GOOD_ORDERS


@pytest.mark.parametrize("left", ["nothing", "no object", "a part"])
@pytest.mark.parametrize("end", ["the upload is refused", "the replay is killed"])
def test_a_lost_copy_that_is_not_uploaded_again_loses_no_row(
    api: LocalTrackApi, bucket: Bucket, left: str, end: str
) -> None:
    """The rows that remain are kept beside the file, and the next replay restores it with its label."""
    fill(api, bucket.config(path_format="{uuid}/"), LINES[:9])
    (key,) = bucket.keys()
    label = bucket.client.head_object(Bucket=bucket.name, Key=key)["Metadata"]
    process: list[subprocess.Popen[str]] = []

    def lose(request: Request, body: bytes) -> bytes:
        if request.method == "PUT" and "x-amz-copy-source" in request.headers:
            if left == "no object":
                bucket.client.delete_object(Bucket=bucket.name, Key=key)
            else:
                whole = bucket.read(key)
                rest = whole[: len(whole) // 2] if left == "a part" else b""
                bucket.client.put_object(Bucket=bucket.name, Key=key, Body=rest)
        return body

    def refuse(request: Request) -> str | None:
        if request.method != "PUT" or key not in request.path or "x-amz-copy-source" in request.headers:
            return None
        if end == "the replay is killed":
            process[0].kill()
            process[0].wait()
        return "AccessDenied"

    with proxy_to(bucket.endpoint) as proxy:
        ignoring_conditions(proxy)
        proxy.change, proxy.refuse = lose, refuse
        settings = config(api, bucket.config(s3_endpoint=proxy.url, path_format="{uuid}/"))
        with started("replay", settings, CATALOG) as running:
            process.append(running)
            assert ended(running).exit_code == (1 if end == "the upload is refused" else -signal.SIGKILL)
    let_lease_lapse(bucket)
    done = run_command("replay", config(api, bucket.config(path_format="{uuid}/")), CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    assert seqs(rows_in(bucket, replayed=False)) == [0, 3, 6]
    assert seqs(rows_in(bucket, replayed=True)) == GOOD_ORDERS
    assert bucket.client.head_object(Bucket=bucket.name, Key=key)["Metadata"] == label
    assert len(bucket.keys()) == 2


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (b"first", b"first"),
        (b"corrected", b"corrected"),
        (b"the rest", b"the rest"),
        (b"the", b"the rest"),
        (b"", b"the rest"),
        (None, b"the rest"),
    ],
)
def test_an_interrupted_replacement_is_completed_if_rows_are_missing(
    bucket: Bucket, found: bytes | None, expected: bytes
) -> None:
    """A file that still is the old version, is complete or was corrected meanwhile stays as it is."""
    key = "customerio/rejected/größe 1.jsonl"
    metadata = {"stream": "a"}
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"first", Metadata=metadata)
    with proxy_to(bucket.endpoint) as proxy:
        ignoring_conditions(proxy)
        proxy.refuse = lambda request: "AccessDenied" if "x-amz-copy-source" in request.headers else None
        with RejectedFiles(bucket.storage(s3_endpoint=proxy.url)) as files:
            (file,) = files.each()
            with pytest.raises(ConfigError, match="was denied"):
                files.replace(file, io.BytesIO(b"the rest"))
    assert len(bucket.keys()) == 2
    if found is None:
        bucket.client.delete_object(Bucket=bucket.name, Key=key)
    else:
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=found, Metadata=metadata)
    with RejectedFiles(bucket.storage(), lag_seconds=(0.0,)) as files:
        files.settle_leftovers()
    assert contents(bucket) == {key: expected}


def test_a_copy_that_becomes_visible_a_moment_later_is_no_change(bucket: Bucket) -> None:
    """Stores that are eventually consistent show the old version for a while."""
    key = "customerio/rejected/1.jsonl"
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"first")
    late: list[Request] = []
    with proxy_to(bucket.endpoint) as proxy:
        ignoring_conditions(proxy)
        with RejectedFiles(bucket.storage(s3_endpoint=proxy.url), lag_seconds=(0.0, 0.0)) as files:
            (file,) = files.each()

            def lag(request: Request, headers: dict[str, str]) -> dict[str, str]:
                if request.method != "GET" or len(late) == 2:
                    return headers
                late.append(request)
                return {
                    name: f'"{file.etag}"' if name.lower() == "etag" else value
                    for name, value in headers.items()
                }

            proxy.headers = lag
            files.replace(file, io.BytesIO(b"the rest"))
    assert contents(bucket) == {key: b"the rest"}
    assert len(late) == 2


def test_what_an_interrupted_replay_left_is_not_read(api: LocalTrackApi, bucket: Bucket) -> None:
    """What names no file may be the only copy of rows, so it stays."""
    fill(api, bucket.config(), LINES[:9])
    (key,) = bucket.keys()
    below = "customerio/rejected/"
    left = {
        f"{below}_replay_0b1f5f0e-9a53-4c6e-8f25-0d2f6c3d2a11": bucket.read(key),
        f"{below}_replay_notes.txt": b"notes",
    }
    asked = f"{below}_replay_0b1f5f0e-9a53-4c6e-8f25-0d2f6c3d2a12"
    for name, body in {**left, asked: b""}.items():
        bucket.client.put_object(Bucket=bucket.name, Key=name, Body=body)
    assert "9 rejected rows in 1 file." in run_command("rejected", config(api, bucket.config())).stdout
    for arguments in (("--dry-run",), ()):
        assert asked in bucket.keys()  # noqa: SIM118 - no mapping
        run_command("replay", config(api, bucket.config()), CATALOG, *arguments)
    assert asked not in bucket.keys()  # noqa: SIM118 - no mapping
    assert {name: bucket.read(name) for name in left} == left
    assert sorted(arrived(api)) == GOOD_ORDERS


def test_a_sync_that_rejects_rows_meanwhile_loses_none(api: LocalTrackApi, bucket: Bucket) -> None:
    """Its files are not those of the replay, and the next replay has them."""
    fill(api, bucket.config(), LINES[:9])
    sync_has_ended = threading.Event()

    def hold(request: Request) -> None:
        if request.method == "PUT" and "/replayed/" in request.path:
            sync_has_ended.wait()

    with proxy_to(bucket.endpoint) as proxy:
        proxy.refuse = hold
        try:
            with started("replay", config(api, bucket.config(s3_endpoint=proxy.url)), CATALOG) as process:
                wait_until(lambda: any("/replayed/" in request.path for request in proxy.requests))
                later = [
                    record("orders", {"person_id": f"u{n}", "event_name": "paid", "_seq": n})
                    for n in range(100, 103)
                ]
                assert (
                    run_connector("write", config(api, bucket.config(), "email"), CATALOG, later).exit_code
                    == 0
                )
                sync_has_ended.set()
                assert "6 rows accepted, 3 rejected again. Done." in ended(process).stdout
        finally:
            sync_has_ended.set()
    assert seqs(rows_in(bucket, replayed=False)) == [0, 3, 6, 100, 101, 102]
    done = run_command("replay", config(api, bucket.config()), CATALOG)
    assert "3 rows accepted, 3 rejected again. Done." in done.stdout
    assert sorted(arrived(api)) == [*GOOD_ORDERS, 100, 101, 102]


def test_two_replays_at_once_send_each_row_once(api: LocalTrackApi, bucket: Bucket) -> None:
    """Both look for a lease before either has written one; the store lets only one write it."""
    fill(api, bucket.config())
    both_looked = threading.Barrier(2)
    looks: list[Request] = []

    def wait(request: Request) -> None:
        if request.method == "GET" and LEASE_KEY in request.path:
            looks.append(request)
            if len(looks) <= 2:
                both_looked.wait()

    with proxy_to(bucket.endpoint) as proxy:
        proxy.refuse = wait
        settings = config(api, bucket.config(s3_endpoint=proxy.url))
        with started("replay", settings, CATALOG) as one, started("replay", settings, CATALOG) as other:
            found = sorted((ended(one), ended(other)), key=lambda done: done.exit_code)
    assert [done.exit_code for done in found] == [0, 1]
    assert "11 rows accepted, 3 rejected again. Done." in found[0].stdout
    assert "Another replay of these rejected rows " in found[1].failure()
    assert sorted(arrived(api)) == GOOD_ORDERS


def test_the_lease_of_a_killed_replay_lapses_by_its_age_alone(api: LocalTrackApi, bucket: Bucket) -> None:
    """Containers may share a host name and not the numbers of their processes: that it is gone can't be known."""
    fill(api, bucket.config())
    with proxy_to(bucket.endpoint) as proxy:
        held, test_has_ended = threading.Event(), threading.Event()

        def hold(request: Request) -> None:
            if request.method == "PUT" and "/replayed/" in request.path:
                held.set()
                test_has_ended.wait()

        proxy.refuse = hold
        try:
            with started("replay", config(api, bucket.config(s3_endpoint=proxy.url)), CATALOG) as process:
                wait_until(held.is_set)
                process.send_signal(signal.SIGKILL)
                assert ended(process).exit_code == -signal.SIGKILL
            sent = len(arrived(api))
            second = run_command("replay", config(api, bucket.config()), CATALOG).failure()
            assert f", process {process.pid}, lease renewed " in second
            assert "if it was killed, its lease expires in " in second
            assert len(arrived(api)) == sent
        finally:
            test_has_ended.set()
    let_lease_lapse(bucket)
    done = run_command("replay", config(api, bucket.config()), CATALOG)
    assert "11 rows accepted, 3 rejected again. Done." in done.stdout
    assert sorted(arrived(api)) == GOOD_ORDERS
