"""Rejected rows, from the row on stdin to the file in the bucket and the state that is emitted once it is there."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.buckets import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from integration_tests.connector import (
    Connector,
    Finished,
    Message,
    catalog_of,
    config_for,
    cursors,
    record,
    run_at_once,
    run_connector,
    stream,
    stream_state,
)
from integration_tests.s3_proxy import proxy_to
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket

# The job's id is the same for all streams of a sync; `users` has a namespace, `orders` has none.
CATALOG = catalog_of(
    stream(
        "users",
        "person_identify",
        namespace="shop",
        properties={"person_email": {}, "plan": {}, "tags": {}},
        sync_id=42,
        generation_id=7,
    ),
    stream("orders", "person_event", properties={"person_email": {}}, sync_id=42),
)
NAMELESS = {"person_email": " ", "plan": 'a "pro", ü', "tags": ["x", {"y": None}], "age": 2**70}
SPURNED = {"person_email": "spurned@example.com", "plan": "pro"}
# The errors of a 207 for `SPURNED`, the second row of its request: two errors of one row.
ERRORS = [
    {"batch_index": 1, "reason": "required", "field": "name", "message": "name is needed"},
    {"batch_index": 1, "reason": "other", "message": "and so is age"},
]
FORMS = {
    f"rejected-{number}": form
    for number, form in enumerate(
        product(("CSV", "JSONL"), ("No flattening", "Root level flattening"), ("No Compression", "GZIP"))
    )
}


def write(api: LocalTrackApi, storage: dict[str, Any], lines: list[bytes], **config: Any) -> Finished:
    """One sync with a bucket; one lane, so that rows share a request."""
    config = config_for(api.url, object_storage_config=storage, max_concurrent_requests=1, **config)
    return run_connector("write", config, CATALOG, lines)


def counts(states: list[Message]) -> list[tuple[str, float, float]]:
    """Stream, delivered and rejected rows of each state."""
    return [
        (
            state["stream"]["stream_descriptor"]["name"],
            state["destinationStats"]["recordCount"],
            state["destinationStats"]["rejectedRecordCount"],
        )
        for state in states
    ]


def rows_of(content: bytes, file_format: str, compression: str) -> list[dict[str, Any]]:
    """The rows of a file, columns that hold JSON unpacked."""
    text = (gzip.decompress(content) if compression == "GZIP" else content).decode()
    if file_format == "JSONL":
        assert text.endswith("\n")
        return [json.loads(row) for row in text.split("\n")[:-1]]
    assert text.count("\r\n") == text.count("\n")
    return [unpacked(row) for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)]


def unpacked(row: dict[str, Any]) -> dict[str, Any]:
    """A row of CSV, whose objects are JSON and whose nulls are empty."""
    packed = (
        "_airbyte_data",
        "_airbyte_meta",
        "tags",
        "_airbyte_extracted_at",
        "_airbyte_generation_id",
    )
    return {
        name: json.loads(value) if name in packed and value else value or None for name, value in row.items()
    }


def original(row: dict[str, Any], file_format: str, flattening: str) -> dict[str, Any]:
    """What the source sent, and the three columns of the rejection."""
    assert ("_airbyte_data" in row) == (file_format == "CSV" or flattening == "No flattening")
    beside = {name: value for name, value in row.items() if not name.startswith("_airbyte_")}
    return beside | (row.get("_airbyte_data") or {})


def test_rejected_rows_are_in_the_bucket_unchanged(bucket: Bucket) -> None:
    """Those rejected here and those rejected by Customer.io, with the reason, where Airbyte's link points to."""
    lines = [
        record("users", {"person_email": "ada@example.com"}, namespace="shop"),
        record("users", NAMELESS, namespace="shop", emitted_at=1_764_000_000_123),
        record("users", SPURNED, namespace="shop"),
        stream_state("users", 1, namespace="shop"),
    ]

    def write_as(path: str, file_format: str, flattening: str, compression: str) -> Finished:
        storage = bucket.config(
            bucket_path=path,
            format={"format_type": file_format, "flattening": flattening},
            compression={"compression_type": compression},
        )
        with LocalTrackApi() as api:
            api.inject({"errors207": ERRORS, "request": 1})
            return write(api, storage, lines)

    done = run_at_once({path: partial(write_as, path, *form) for path, form in FORMS.items()})
    for path, form in FORMS.items():
        assert (done[path].exit_code, done[path].errors, done[path].stderr) == (0, [], "")
        assert counts(done[path].states) == [("users", 1.0, 2.0)]
        check_file(bucket, path, *form)
    assert len(bucket.keys()) == len(FORMS)


def check_file(bucket: Bucket, path: str, file_format: str, flattening: str, compression: str) -> None:
    """The one file under a path holds `NAMELESS` and `SPURNED`."""
    keys = bucket.keys()
    (key,) = (key for key in keys if key.startswith(f"{path}/"))
    ending = {"CSV": r"\.csv", "JSONL": r"\.jsonl"}[file_format] + (r"\.gz" if compression == "GZIP" else "")
    assert re.fullmatch(path + r"/42/shop/users/\d{4}_\d\d_\d\d_\d{13}_0" + ending, key)
    local, remote = rows_of(bucket.read(key), file_format, compression)
    assert local["_airbyte_extracted_at"] == 1_764_000_000_123
    assert local["_airbyte_generation_id"] == remote["_airbyte_generation_id"] == 7
    assert local["_airbyte_meta"]["sync_id"] == 42
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", local["_airbyte_raw_id"])
    assert local["_airbyte_raw_id"] != remote["_airbyte_raw_id"]

    data = original(local, file_format, flattening)
    assert (data.pop("rejected_reason"), data.pop("rejected_field")) == ("required", "person_email")
    assert "person_email" in data.pop("rejected_message")
    assert data == NAMELESS

    data = original(remote, file_format, flattening)
    assert (data["person_email"], data["plan"]) == ("spurned@example.com", "pro")
    assert [data[f"rejected_{name}"] for name in ("reason", "field", "message")] == [
        "required",
        "name",
        "name is needed; and so is age",
    ]


def test_each_stream_has_files_where_the_configuration_says(api: LocalTrackApi, bucket: Bucket) -> None:
    """Custom formats of paths and names, unusual characters replaced, `//` collapsed; no bad row, no file."""
    storage = bucket.config(
        bucket_path="/bad//rows/",
        format={"format_type": "JSONL"},
        path_format="job {sync_id}/{namespace}//{stream_name}/{year}-{month}/",
        file_name_format="{date:yyyy}-{part_number}-{sync_id}{format_extension}",
    )
    lines = [
        record("users", {"person_email": "ada@example.com"}, namespace="shop"),
        stream_state("users", 1, namespace="shop"),
        record("orders", {"person_email": "ada@example.com"}),
        stream_state("orders", 1),
    ]
    done = write(api, storage, lines)
    assert sorted(counts(done.states)) == [("orders", 0.0, 1.0), ("users", 1.0, 0.0)]
    (key,) = bucket.keys()
    # A format without any time would let a second attempt overwrite the first: the start of the sync is added.
    assert re.fullmatch(r"bad/rows/job_42/orders/\d{4}-\d\d/\d{4}-0-42_\d{13}\.jsonl", key)


def test_a_state_behind_a_rejected_row_is_out_while_stdin_is_idle(api: LocalTrackApi, bucket: Bucket) -> None:
    """Not before the row is in the bucket, and soon after: no state waits for a file to fill."""
    config = config_for(api.url, object_storage_config=bucket.config())
    with Connector("write", config, CATALOG) as connector:
        for number in (1, 2):
            connector.send([record("orders", {"person_email": ""}), stream_state("orders", number)])
            state = connector.next_message("STATE")
            assert counts([state]) == [("orders", 0.0, 1.0)]
            assert len(bucket.keys()) == number
        assert connector.finish().exit_code == 0
    assert len(bucket.keys()) == 2


def test_a_failed_upload_fails_the_sync_and_holds_the_state_back(api: LocalTrackApi, bucket: Bucket) -> None:
    """A row is never both unsent and unrecorded; earlier states stay acknowledged."""
    with proxy_to(bucket.endpoint) as proxy:
        proxy.refuse = lambda request: "AccessDenied" if request.method in ("PUT", "POST") else None
        lines = [
            record("users", {"person_email": "ada@example.com"}, namespace="shop"),
            stream_state("users", 1, namespace="shop"),
            record("orders", {"person_email": ""}),
            stream_state("orders", 1),
            record("users", {"person_email": "bob@example.com"}, namespace="shop"),
            stream_state("users", 2, namespace="shop"),
        ]
        done = write(api, bucket.config(s3_endpoint=proxy.url), lines)
    message = done.failure("config_error")
    assert bucket.name in message
    assert "s3:PutObject" in message
    assert {state["stream"]["stream_descriptor"]["name"] for state in done.states} == {"users"}
    assert cursors(done.states) == [1, 2]
    output = b"".join(done.lines).decode() + done.stderr
    assert ACCESS_KEY_ID not in output
    assert SECRET_ACCESS_KEY not in output


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"s3_bucket_name": "nobody-made-this"}, "config_error", "there is no bucket nobody-made-this"),
        ({"s3_endpoint": "http://127.0.0.1:1"}, "transient_error", "could not be reached"),
        ({"file_name_format": "{nonsense}"}, "config_error", "{nonsense}"),
    ],
    ids=["no bucket", "no store", "no such variable"],
)
def test_a_bucket_that_cannot_work_fails_the_sync(
    api: LocalTrackApi, bucket: Bucket, wrong: dict[str, str], kind: str, words: str
) -> None:
    """With the failure type that says whether to retry, and nothing acknowledged."""
    lines = [record("orders", {"person_email": ""}), stream_state("orders", 1)]
    done = write(api, bucket.config(**wrong), lines)
    assert words in done.failure(kind)
    assert done.states == []
    assert bucket.keys() == []


@pytest.mark.parametrize("bucket", ["moto"], indirect=True)  # s3rver has no STS
def test_the_machines_own_credentials_and_an_assumed_role_sign_the_files(
    api: LocalTrackApi, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without static keys: the default chain, and with a role the credentials from STS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHEMACHINE0001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    keyless = {"access_key_id": "", "secret_access_key": ""}
    role = {"role_arn": "arn:aws:iam::123456789012:role/airbyte-rejected"}
    lines = [record("orders", {"person_email": ""}), stream_state("orders", 1)]
    with proxy_to(bucket.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", proxy.url)
        for storage in (keyless, {**keyless, **role}):
            done = write(api, bucket.config(s3_endpoint=proxy.url, **storage), lines)
            assert (done.exit_code, len(done.states)) == (0, 1)
        signed_by = [request.signed_by for request in proxy.requests if request.method == "PUT"]
    assert signed_by[0] == "AKIAOFTHEMACHINE0001"
    assert signed_by[1].startswith("ASIA")
    assert len(bucket.keys()) == 2


def test_without_a_bucket_rejected_rows_are_counted(api: LocalTrackApi) -> None:
    """In the state and, by reason and column, in the log."""
    lines = [
        record("orders", {"person_email": ""}),
        record("orders", {"person_email": True, "event_name": "paid"}),
        record("orders", {"person_email": "ada@example.com", "event_name": "paid"}),
        stream_state("orders", 1),
    ]
    done = write(api, {"storage_type": "None"}, lines)
    assert counts(done.states) == [("orders", 1.0, 2.0)]
    summary = next(line for line in done.logs if line.startswith("Stream orders:"))
    assert "3 rows read, 1 delivered, 2 rejected" in summary
    assert "required (person_email): 1" in summary
    assert "invalid (person_email): 1" in summary
