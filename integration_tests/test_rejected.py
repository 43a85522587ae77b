"""`rejected`: a summary of the rejected rows in the bucket, for people and for programs."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio.dead_letters.reading.bucket import RejectedFiles
from integration_tests.command_line import ended, on_terminal, run_command, started
from integration_tests.connector import catalog_of, config_for, record, stream
from integration_tests.process_memory import peak_kib
from integration_tests.rejected_rows import reject
from integration_tests.s3_proxy import proxy_to

if TYPE_CHECKING:
    from pathlib import Path

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(
    stream("orders", "person_event", sync_id=42, properties={"person_email": {}, "timestamp": {}}),
    stream("Größe", "person_identify", namespace="shop", sync_id=42),
)
START = 1_764_000_000_000
SECRETS = ("tomorrow", "hunter2", "ada@example", "Lovelace")
LINES = [
    *(
        record(
            "orders",
            {"person_email": "ada@example.com", "event_name": "paid", "timestamp": "tomorrow at 8"},
            emitted_at=START + number * 1_000,
        )
        for number in range(3)
    ),
    record("orders", {"person_email": None, "event_name": "paid"}, emitted_at=START),
    record("Größe", {"person_email": "ada@example.com", "bio": "Lovelace 1815 " * 90}, namespace="shop"),
]
FORMS = [("CSV", "No flattening", "GZIP"), ("JSONL", "Root level flattening", "No Compression")]
EXPECTED = [
    {
        "stream": "orders",
        "reason": "invalid",
        "field": "timestamp",
        "rows": 3,
        "first": "2025-11-24T16:00:00Z",
        "last": "2025-11-24T16:00:02Z",
        "example": "xxxxxxxx xx 9",
    },
    {
        "stream": "orders",
        "reason": "required",
        "field": "person_email",
        "rows": 1,
        "first": "2025-11-24T16:00:00Z",
        "last": "2025-11-24T16:00:00Z",
    },
    {
        "stream": "shop.Größe",
        "reason": "too_large",
        "field": "bio",
        "rows": 1,
        "first": "2025-11-24T16:00:00Z",
        "last": "2025-11-24T16:00:00Z",
        "example": "xxxxxxxx 9999 xxxxxxxx 9999 xxxxxxxx 99…",
    },
]


def fill(api: LocalTrackApi, storage: dict[str, Any], lines: list[bytes] = LINES) -> dict[str, Any]:
    """Let a sync reject these rows; returns the configuration."""
    config = config_for(api.url, object_storage_config=storage)
    reject(config, CATALOG, lines)
    return config


def read_json(config: dict[str, Any], *arguments: str) -> dict[str, Any]:
    """The JSON document of the command."""
    done = run_command("rejected", config, None, "--json", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("form", FORMS, ids=", ".join)
def test_rows_are_counted_by_stream_reason_and_field(
    api: LocalTrackApi, bucket: Bucket, form: tuple[str, str, str]
) -> None:
    """With the first and last time and a masked example, in every layout of the files."""
    kind, flattening, compression = form
    config = fill(
        api,
        bucket.config(
            format={"format_type": kind, "flattening": flattening},
            compression={"compression_type": compression},
        ),
    )
    found = read_json(config)
    assert (found["files"], found["rows"], found["skipped"]) == (2, 5, [])
    for kind_found, expected in zip(found["rejected"], EXPECTED, strict=True):
        assert kind_found.items() >= expected.items()
    assert not any(secret in json.dumps(found) for secret in SECRETS)


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        (("--stream", "shop.Größe"), 1),
        (("--sync-id", "42"), 5),
        (("--sync-id", "4"), 0),
        (("--since", "2025-11-24T16:00:01Z"), 2),
        (("--since", "2025-11-24T16:00:01+00:00", "--stream", "Größe"), 0),
    ],
)
def test_filters_select_rows(
    api: LocalTrackApi, bucket: Bucket, arguments: tuple[str, ...], rows: int
) -> None:
    """By stream, sync and time, or by several of them."""
    assert read_json(fill(api, bucket.config()), *arguments)["rows"] == rows


def test_a_stream_that_is_not_there_is_answered_with_those_that_are(
    api: LocalTrackApi, bucket: Bucket
) -> None:
    """In each form of the output; it is no failure."""
    config = fill(api, bucket.config())
    words = "No rejected row matches --stream order. The files in the bucket are of streams: orders, shop.Größe; syncs: 42."
    assert read_json(config, "--stream", "order")["note"] == words
    done = run_command("rejected", config, None, "--stream", "order")
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"0 rejected rows in 0 files.\n{words}\n", "")
    for arguments in (("--dry-run",), ()):
        done = run_command("replay", config, CATALOG, "--stream", "order", *arguments)
        assert (done.exit_code, done.stderr) == (0, "")
        assert words in done.stdout.splitlines()


def test_a_pipe_gets_plain_lines(api: LocalTrackApi, bucket: Bucket) -> None:
    """One line for each kind, its cells separated by tabs, then the total."""
    done = run_command("rejected", fill(api, bucket.config()))
    assert (done.exit_code, done.stderr) == (0, "")
    heading, *kinds, total = done.stdout.splitlines()
    assert heading.split("\t") == ["stream", "reason", "field", "rows", "first", "last", "example"]
    assert [kind.split("\t")[:4] for kind in kinds] == [
        [expected["stream"], expected["reason"], expected["field"], str(expected["rows"])]
        for expected in EXPECTED
    ]
    assert total == "5 rejected rows in 2 files."


def test_a_terminal_shows_a_table(api: LocalTrackApi, bucket: Bucket, tmp_path: Path) -> None:
    """No wider than the terminal, with whole names, and without a value."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(fill(api, bucket.config())))
    shown, exit_code = on_terminal("rejected", "--config", str(path), columns=80)
    assert exit_code == 0
    assert "┃" in shown
    assert all(f"{name} " in shown for name in ("shop.Größe", "too_large", "person_email"))
    assert "5 rejected rows in 2 files." in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert not any(secret in shown for secret in SECRETS)


@pytest.mark.parametrize(("command", "arguments"), [("rejected", ()), ("replay", ("--dry-run",))])
def test_no_file_is_held_in_memory(bucket: Bucket, command: str, arguments: tuple[str, ...]) -> None:
    """The process needs less memory than the size of the file it reads."""
    row = b'{"_airbyte_raw_id":"r%d","_airbyte_data":{"person_email":"a@b.c","event_name":"e","x":"%b"}}\n'
    content = b"".join(row % (number, b"x" * 64_000) for number in range(2_000))
    bucket.client.put_object(
        Bucket=bucket.name,
        Key="customerio/rejected/42/orders/2026_11_24_1_0.jsonl.gz",
        Body=gzip.compress(content, 1),
    )
    settings = config_for("http://127.0.0.1:1", object_storage_config=bucket.config())
    peak = 0
    with started(command, settings, CATALOG if command == "replay" else None, *arguments) as process:
        while process.poll() is None:
            peak = max(peak, peak_kib(process.pid))
            time.sleep(0.02)
        assert "2,000" in ended(process).stdout
    assert 0 < peak * 1_024 < len(content)


def test_the_stream_of_a_file_without_a_label_is_read_from_its_key(
    api: LocalTrackApi, bucket: Bucket
) -> None:
    """Other connectors and older versions write no labels; files that can't be read are named."""
    config = fill(api, bucket.config())
    for key in bucket.keys():  # noqa: SIM118 - no mapping
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=bucket.read(key))
    bucket.client.put_object(Bucket=bucket.name, Key="customerio/rejected/notes.txt", Body=b"notes")
    found = read_json(config)
    assert {kind["stream"] for kind in found["rejected"]} == {"orders", "shop.Gro_e"}
    cause = "it is not a file of rejected rows"
    assert found["skipped"] == [{"key": "customerio/rejected/notes.txt", "cause": cause}]
    assert f"Skipped customerio/rejected/notes.txt: {cause}." in run_command("rejected", config).stdout


def test_the_rows_before_the_end_of_a_truncated_file_are_counted(api: LocalTrackApi, bucket: Bucket) -> None:
    """The file is named, with the number of rows that could be read."""
    config = fill(api, bucket.config(compression={"compression_type": "GZIP"}), LINES[:1])
    (key,) = bucket.keys()
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=bucket.read(key)[:-8])
    found = read_json(config)
    assert (found["rows"], found["skipped_files"]) == (1, 1)
    cause = "its compression is broken, or it is truncated; 1 row before that included"
    assert found["skipped"] == [{"key": key, "cause": cause}]


@pytest.mark.parametrize("bucket", ["moto"], indirect=True)  # the size of a page can be set there
def test_files_are_listed_page_by_page(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a bucket of any size needs the memory for one page of keys."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    for number in range(3):
        bucket.client.put_object(Bucket=bucket.name, Key=f"customerio/rejected/{number}.csv", Body=b"x")
    with proxy_to(bucket.endpoint) as proxy, RejectedFiles(bucket.storage(s3_endpoint=proxy.url)) as files:
        found = files.each()
        next(found)
        assert sum(request.method == "HEAD" for request in proxy.requests) == 2
        assert len(list(found)) == 2


def test_since_allows_for_clocks_that_differ(bucket: Bucket) -> None:
    """The bucket's clock may be behind the source's; files that were stored long before are not opened."""
    bucket.client.put_object(Bucket=bucket.name, Key="customerio/rejected/1.csv", Body=b"x")
    now = int(time.time() * 1_000)
    with RejectedFiles(bucket.storage()) as files:
        assert [len(list(files.each(now + hours * 3_600_000))) for hours in (-1, 0, 2)] == [1, 1, 0]


def test_values_that_a_server_quotes_are_not_shown(api: LocalTrackApi, bucket: Bucket) -> None:
    """Nor are control characters in what it says."""
    errors = [{"batch_index": 0, "reason": "hunter2 is odd", "field": "\x1b[31mname", "message": "hunter2"}]
    api.inject({"request": 1, "errors207": errors})
    config = fill(
        api,
        bucket.config(),
        [record("Größe", {"person_email": "a@b.c", "pass": "hunter2"}, namespace="shop")],
    )
    (kind,) = read_json(config)["rejected"]
    assert kind["reason"] == "refused"
    shown = run_command("rejected", config).stdout
    assert "hunter2" not in shown
    assert "\x1b" not in shown


def test_an_empty_bucket_is_not_an_error(api: LocalTrackApi, bucket: Bucket) -> None:
    """It holds no rejected rows."""
    config = config_for(api.url, object_storage_config=bucket.config())
    assert read_json(config) == {"files": 0, "rows": 0, "rejected": [], "skipped_files": 0, "skipped": []}
    assert run_command("rejected", config).stdout == "0 rejected rows in 0 files.\n"


def test_a_failure_is_one_sentence_on_stderr(bucket: Bucket) -> None:
    """With exit code 1, or 2 for a wrong argument."""
    url = "http://127.0.0.1:1"
    assert "No bucket is configured" in run_command("rejected", config_for(url)).failure()
    gone = config_for(url, object_storage_config=bucket.config(s3_bucket_name="never-made"))
    assert "could not be listed: there is no bucket never-made" in run_command("rejected", gone).failure()
    odd = run_command("rejected", config_for(url), None, "--since", "yesterday")
    assert odd.exit_code == 2
    assert "not a date or time such as 2026-11-24" in odd.stderr


def test_a_closed_pipe_ends_the_command_silently(api: LocalTrackApi, bucket: Bucket) -> None:
    """As in `rejected … | head`."""
    config = fill(api, bucket.config())
    with started("rejected", config) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 1
        assert process.stderr is not None
        assert process.stderr.read() == ""
