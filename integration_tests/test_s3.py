"""Rejected rows over the real S3 protocol: the check of a bucket, files in all formats, and every kind of credentials."""

from __future__ import annotations

import csv
import gzip
import io
import json
import queue
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.dead_letters.check import check_storage
from destination_customerio.dead_letters.spool import BucketDeadLetters, SpoolLimits
from destination_customerio.dead_letters.uploader import FileUploaded, SpooledFile, UploadFailed
from destination_customerio.errors import ConfigError, Rejection, TransientError
from destination_customerio.ledger import Epoch, StreamQueue
from integration_tests.buckets import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from integration_tests.s3_proxy import Proxy, Request, proxy_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from destination_customerio.config.storage import S3Storage
    from integration_tests.buckets import Bucket

USERS = Stream("users", "shop", properties={"n": {}, "email": {}}, sync_id=42, generation_id=7)
ORDERS = Stream("orders", sync_id=42)
REJECTION = Rejection("required", "person_email", "The column person_email is empty.")
ROLE = "arn:aws:iam::123456789012:role/airbyte-rejected"
TEST_KEY = re.compile(r"customerio/rejected/_check_test_[0-9a-f]{32}")


def line(number: int, padding: str = "", stream: Stream = USERS) -> bytes:
    """A RECORD message."""
    data = {"n": number, "email": "jo,hn@example.com", "tags": ["ä", '"'], "padding": padding}
    record = {"stream": stream.name, "data": data, "emitted_at": 1_700_000_000_000}
    return json.dumps({"type": "RECORD", "record": record}).encode()


class Sync:
    """Rejects rows like a sync, and waits until they are in the bucket."""

    def __init__(self, storage: S3Storage, limits: SpoolLimits | None = None) -> None:
        self.inbox: queue.SimpleQueue[FileUploaded | UploadFailed] = queue.SimpleQueue()
        self.settled: Counter[Epoch] = Counter()
        self.stored: list[SpooledFile] = []
        self.epoch = Epoch(StreamQueue("users"))
        self.letters = BucketDeadLetters(
            storage, self.inbox.put, self._settle, time.monotonic, time.time, limits
        )

    def _settle(self, epoch: Epoch, count: int) -> None:
        self.settled[epoch] += count

    def reject(self, *numbers: int, stream: Stream = USERS, padding: str = "") -> None:
        """Reject these rows."""
        for number in numbers:
            self.letters.add(stream, line(number, padding, stream), REJECTION, self.epoch)

    def finish(self) -> list[str]:
        """Seal, wait, and return the keys.

        Raises:
            SyncError: an upload failed.
        """
        try:
            self.letters.seal()
            while self.letters.backlog.rows:
                self.handle_event()
        finally:
            self.letters.close()
        return [file.key for file in self.stored]

    def handle_event(self) -> None:
        """Settle the next file.

        Raises:
            SyncError: its upload failed.
        """
        match self.inbox.get(timeout=60):
            case FileUploaded(file):
                self.letters.uploaded(file)
                self.stored.append(file)
            case UploadFailed(error):
                raise error


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[Proxy]:
    """A proxy before the local S3."""
    with proxy_to(bucket.endpoint) as proxy:
        yield proxy


def assert_keeps_secrets(message: str) -> None:
    """No credential in a message."""
    assert ACCESS_KEY_ID not in message
    assert SECRET_ACCESS_KEY not in message


# The check


def test_the_check_writes_lists_reads_and_deletes(bucket: Bucket, proxy: Proxy) -> None:
    """In this order, all with the test object, which is deleted in the end."""
    check_storage(bucket.storage(s3_endpoint=proxy.url))
    steps = [(request.method, "list-type" in request.path) for request in proxy.requests]
    assert steps == [("PUT", False), ("GET", True), ("GET", False), ("DELETE", False)]
    assert all("customerio" in request.path and "_check_test" in request.path for request in proxy.requests)
    assert bucket.keys() == []


def test_checks_at_the_same_time_do_not_disturb_each_other(bucket: Bucket) -> None:
    """Several connections may have one bucket path."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: check_storage(bucket.storage()), range(24)))
    assert bucket.keys() == []


STEPS: dict[str, Callable[[Request], bool]] = {
    "write": lambda request: request.method == "PUT",
    "list": lambda request: request.method == "GET" and "list-type" in request.path,
    "read back": lambda request: request.method == "GET" and "list-type" not in request.path,
    "delete": lambda request: request.method == "DELETE",
}


@pytest.mark.parametrize("step", STEPS)
def test_the_check_says_which_step_failed(bucket: Bucket, proxy: Proxy, step: str) -> None:
    """And leaves its test object behind only when it is not allowed to delete."""
    proxy.refuse = lambda request: "AccessDenied" if STEPS[step](request) else None
    with pytest.raises(ConfigError) as caught:
        check_storage(bucket.storage(s3_endpoint=proxy.url))
    message = str(caught.value)
    assert f"failed at the step {step}:" in message
    assert bucket.name in message
    assert "s3:PutObject" in message
    assert_keeps_secrets(message)
    left = bucket.keys()
    assert len(left) == (step == "delete")
    assert all(TEST_KEY.fullmatch(key) for key in left)


@pytest.mark.parametrize("step", ["list", "read back"])
def test_the_check_verifies_what_the_store_returns(bucket: Bucket, proxy: Proxy, step: str) -> None:
    """A store that loses or changes objects is not safe for rows."""

    def change(request: Request, body: bytes) -> bytes:
        return (
            body.replace(b"_check_test", b"another")
            .replace(b"Contents>", b"Nothing>")
            .replace(b"safe to delete", b"changed")
            if STEPS[step](request)
            else body
        )

    proxy.change = change
    with pytest.raises(ConfigError, match=f"failed at the step {step}: the test object"):
        check_storage(bucket.storage(s3_endpoint=proxy.url), lag_seconds=(0.0, 0.0))


@pytest.mark.parametrize("step", ["list", "read back"])
def test_the_check_accepts_a_store_that_lags(bucket: Bucket, proxy: Proxy, step: str) -> None:
    """As a sync does: objects become visible a moment later."""
    late: list[Request] = []

    def lag(request: Request, body: bytes) -> bytes:
        if not STEPS[step](request) or len(late) == 2:
            return body
        late.append(request)
        return b"an older state" if step == "read back" else body.replace(b"Contents>", b"Nothing>")

    proxy.change = lag
    check_storage(bucket.storage(s3_endpoint=proxy.url), lag_seconds=(0.0, 0.0))
    assert len(late) == 2
    assert bucket.keys() == []


def test_the_check_of_a_missing_bucket(bucket: Bucket) -> None:
    """The message has the name to check."""
    with pytest.raises(ConfigError, match="step write: there is no bucket nobody-made-this"):
        check_storage(bucket.storage(s3_bucket_name="nobody-made-this"))


def test_the_check_of_an_endpoint_that_does_not_listen(bucket: Bucket) -> None:
    """The message has the URL to check."""
    with proxy_to(bucket.endpoint) as gone:
        pass
    with pytest.raises(TransientError, match="could not be reached") as caught:
        check_storage(bucket.storage(s3_endpoint=gone.url))
    assert gone.url in str(caught.value)
    assert_keeps_secrets(str(caught.value))


def test_the_check_validates_the_formats_before_it_writes(bucket: Bucket, proxy: Proxy) -> None:
    """A mistyped variable is found here, not in the first sync."""
    with pytest.raises(ConfigError, match=r"unknown variable \{foo\}"):
        check_storage(bucket.storage(s3_endpoint=proxy.url, file_name_format="{foo}"))
    assert not proxy.requests


# Files


@pytest.mark.parametrize("compression", ["No Compression", "GZIP"])
@pytest.mark.parametrize("flattening", ["No flattening", "Root level flattening"])
@pytest.mark.parametrize("file_format", ["CSV", "JSONL"])
def test_rows_are_in_the_bucket_in_every_format(
    bucket: Bucket, file_format: str, flattening: str, compression: str
) -> None:
    """Under the default key, and complete."""
    sync = Sync(
        bucket.storage(
            format={"format_type": file_format, "flattening": flattening},
            compression={"compression_type": compression},
        )
    )
    sync.reject(1, 2)
    (key,) = sync.finish()
    assert bucket.keys() == [key]
    assert key.startswith("customerio/rejected/42/shop/users/2")
    assert key.endswith("_0." + file_format.lower() + (".gz" if compression == "GZIP" else ""))
    rows = parsed(bucket.read(key), file_format, compression)
    assert [str(row["_airbyte_generation_id"]) for row in rows] == ["7", "7"]
    data = [row | unpacked(row.get("_airbyte_data", "{}")) for row in rows]
    assert [str(row["n"]) for row in data] == ["1", "2"]
    assert [unpacked(row["tags"]) for row in data] == [["ä", '"']] * 2
    assert {(row["rejected_reason"], row["rejected_field"], row["rejected_message"]) for row in data} == {
        ("required", "person_email", "The column person_email is empty.")
    }
    assert sync.settled == {sync.epoch: 2}


def parsed(content: bytes, file_format: str, compression: str) -> list[dict[str, Any]]:
    """The rows of a file."""
    text = (gzip.decompress(content) if compression == "GZIP" else content).decode()
    if file_format == "CSV":
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    return [json.loads(row) for row in text.splitlines()]


def unpacked(value: Any) -> Any:
    """A JSON value, which is text in CSV."""
    return json.loads(value) if isinstance(value, str) else value


def test_a_gz_file_is_downloaded_as_a_gz_file(bucket: Bucket) -> None:
    """It has no content encoding, so no client decompresses it and keeps the extension."""
    sync = Sync(bucket.storage(compression={"compression_type": "GZIP"}))
    sync.reject(1)
    (key,) = sync.finish()
    head = bucket.client.head_object(Bucket=bucket.name, Key=key)
    assert head["ContentType"] == "application/gzip"
    assert not head.get("ContentEncoding")


def test_files_roll_and_streams_have_their_own(bucket: Bucket) -> None:
    """No file is over the limit, none is empty, and no row is missing."""
    sync = Sync(bucket.storage(format={"format_type": "JSONL"}), limits=SpoolLimits(max_file_bytes=3_000))
    sync.reject(*range(10), padding="x" * 500)
    sync.reject(*range(3), stream=ORDERS)
    keys = sync.finish()
    assert bucket.keys() == sorted(keys)
    users = sorted(key for key in keys if "/shop/users/" in key)
    orders = [key for key in keys if "/42/orders/" in key]
    assert (len(users), len(orders)) == (4, 1)
    contents = [bucket.read(key) for key in users]
    assert all(0 < len(content) <= 3_000 for content in contents)
    rows = [json.loads(row) for content in contents for row in content.splitlines()]
    assert [row["_airbyte_data"]["n"] for row in rows] == list(range(10))
    assert [(file.key, file.rows) for file in sync.stored if file.stream is ORDERS] == [(orders[0], 3)]


def test_a_large_file_is_uploaded_in_parts(bucket: Bucket, proxy: Proxy) -> None:
    """And arrives complete."""
    sync = Sync(bucket.storage(s3_endpoint=proxy.url, format={"format_type": "JSONL"}))
    sync.reject(*range(20), padding="x" * 1_000_000)
    (key,) = sync.finish()
    parts = [request for request in proxy.requests if "partNumber=" in request.path]
    assert [len(part.body) for part in parts] == [16 << 20, len(bucket.read(key)) - (16 << 20)]
    assert all("content-md5" in part.headers for part in parts)
    rows = [json.loads(row)["_airbyte_data"] for row in bucket.read(key).splitlines()]
    assert [(row["n"], len(row["padding"])) for row in rows] == [(number, 1_000_000) for number in range(20)]


def test_parts_have_checksums_where_the_machine_says_so(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they have for AWS."""
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
    sync = Sync(bucket.storage(format={"format_type": "JSONL"}))
    sync.reject(*range(20), padding="x" * 1_000_000)
    (key,) = sync.finish()
    assert len(bucket.read(key).splitlines()) == 20


def test_a_part_stored_in_half_fails_the_upload(bucket: Bucket, proxy: Proxy) -> None:
    """And leaves neither an object nor parts of one."""
    proxy.upload = lambda request: request.body[: len(request.body) // 2]
    sync = Sync(bucket.storage(s3_endpoint=proxy.url))
    sync.reject(*range(20), padding="x" * 1_000_000)
    with pytest.raises(TransientError):
        sync.finish()
    assert not sync.settled
    assert bucket.keys() == []
    assert not bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads")


def test_parts_that_are_put_together_wrongly_fail_the_upload(bucket: Bucket, proxy: Proxy) -> None:
    """Every part was confirmed; the object is not the one of the answer."""

    def change(request: Request, headers: dict[str, str]) -> dict[str, str]:
        return {**headers, "ETag": '"another-2"'} if request.method == "HEAD" else headers

    proxy.headers = change
    sync = Sync(bucket.storage(s3_endpoint=proxy.url))
    sync.reject(*range(20), padding="x" * 1_000_000)
    with pytest.raises(TransientError, match="other content"):
        sync.finish()
    assert not sync.settled


def test_a_second_attempt_overwrites_nothing(bucket: Bucket) -> None:
    """Even where the configured formats have no time and no part number."""
    for number in range(2):
        sync = Sync(bucket.storage(path_format="{sync_id}/", file_name_format="rejected{format_extension}"))
        sync.reject(number)
        sync.letters.seal()
        sync.reject(number)
        sync.finish()
    assert len(bucket.keys()) == 4


# Failures


def test_a_missing_bucket_fails_the_sync(bucket: Bucket) -> None:
    """And settles nothing."""
    sync = Sync(bucket.storage(s3_bucket_name="nobody-made-this"))
    sync.reject(1)
    with pytest.raises(ConfigError, match="there is no bucket nobody-made-this"):
        sync.finish()
    assert not sync.settled


def test_a_permission_lost_during_the_sync_fails_it(bucket: Bucket, proxy: Proxy) -> None:
    """The file before is settled, the one after is not."""
    sync = Sync(bucket.storage(s3_endpoint=proxy.url))
    sync.reject(1, 2)
    sync.letters.seal()
    sync.handle_event()
    proxy.refuse = lambda _: "AccessDenied"
    sync.reject(3)
    with pytest.raises(ConfigError, match=r"access to the bucket .* was denied") as caught:
        sync.finish()
    assert sync.settled == {sync.epoch: 2}
    assert_keeps_secrets(str(caught.value))


def test_a_request_to_a_busy_store_is_retried(bucket: Bucket, proxy: Proxy) -> None:
    """By boto3."""
    answers = iter(["SlowDown"])
    proxy.refuse = lambda _: next(answers, None)
    sync = Sync(bucket.storage(s3_endpoint=proxy.url))
    sync.reject(1)
    keys = sync.finish()
    assert bucket.keys() == keys
    assert [request.method for request in proxy.requests] == ["PUT", "PUT", "HEAD"]


# Credentials


def test_static_keys_sign_the_requests(bucket: Bucket, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take precedence over a role and over the machine's own credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHEMACHINE0001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    check_storage(bucket.storage(s3_endpoint=proxy.url, role_arn=ROLE))
    assert {request.signed_by for request in proxy.requests} == {ACCESS_KEY_ID}


def test_the_machine_s_own_credentials_sign_without_others(
    bucket: Bucket, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default chain, when the configuration has neither keys nor a role."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHEMACHINE0001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    check_storage(bucket.storage(s3_endpoint=proxy.url, access_key_id="", secret_access_key=""))
    assert {request.signed_by for request in proxy.requests} == {"AKIAOFTHEMACHINE0001"}


@pytest.fixture
def role(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A configuration with a role, on a machine that may assume it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHEMACHINE0001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine")
    monkeypatch.setenv("AWS_ASSUME_ROLE_EXTERNAL_ID", "workspace-17")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", proxy.url)
    return {"access_key_id": "", "secret_access_key": "", "role_arn": ROLE, "s3_endpoint": proxy.url}


def test_an_assumed_role_signs_the_requests(bucket: Bucket, proxy: Proxy, role: dict[str, str]) -> None:
    """It is assumed once, with the external id, as the session that Airbyte's roles expect."""
    sync = Sync(bucket.storage(**role))
    sync.reject(1)
    sync.letters.seal()
    sync.reject(2)
    assert len(sync.finish()) == 2
    first, *rest = proxy.requests
    asked = {name: value for name, (value,) in parse_qs(first.body.decode()).items()}
    assert asked["Action"] == "AssumeRole"
    assert (asked["RoleArn"], asked["RoleSessionName"], asked["ExternalId"]) == (
        ROLE,
        "airbyte-sts-session",
        "workspace-17",
    )
    assert first.signed_by == "AKIAOFTHEMACHINE0001"
    assert Counter(request.method for request in rest) == {"PUT": 2, "HEAD": 2}
    (assumed,) = {request.signed_by for request in rest}
    assert assumed.startswith("ASIA")
    assert all("x-amz-security-token" in request.headers for request in rest)


def test_an_assumed_role_is_renewed_before_it_expires(
    bucket: Bucket, proxy: Proxy, role: dict[str, str]
) -> None:
    """A sync may take longer than the hour for which credentials are valid."""
    soon = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()

    def expire_soon(request: Request, body: bytes) -> bytes:
        if b"AssumeRole" not in request.body:
            return body
        before, _, rest = body.partition(b"<Expiration>")
        return before + b"<Expiration>" + soon + rest[rest.index(b"</Expiration>") :]

    proxy.change = expire_soon
    sync = Sync(bucket.storage(**role))
    for number in range(3):
        sync.reject(number)
        sync.letters.seal()
    sync.finish()
    signers = [request.signed_by for request in proxy.requests if request.method == "PUT"]
    assert len(set(signers)) == 3
    assert len(bucket.keys()) == 3


def test_a_role_that_is_refused_fails_the_check(bucket: Bucket, proxy: Proxy, role: dict[str, str]) -> None:
    """The message is about the role, not about the bucket's permissions."""
    proxy.refuse = lambda request: "AccessDenied" if b"AssumeRole" in request.body else None
    with pytest.raises(ConfigError, match="the configured role could not be assumed") as caught:
        check_storage(bucket.storage(**role))
    assert "secret-of-the-machine" not in str(caught.value)
