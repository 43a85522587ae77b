"""Uploads: a file counts as stored only when the store proves that it has it."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_errors import explain
from destination_customerio.dead_letters.s3_upload import upload
from destination_customerio.errors import ConfigError, SyncError, TransientError
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import Answer, Bucket

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = b"one row\n" * 100
KEY = "rejected/key.csv"
PAGE = b"<!DOCTYPE html><html><body>Sign in to continue</body></html>"


pytestmark = pytest.mark.usefixtures("bare_machine")


def store(bucket: Bucket, content: bytes = CONTENT, **settings: Any) -> None:
    """Upload one file.

    Raises:
        SyncError: it may not be stored.
    """
    storage = bucket_server.storage(bucket.url, **settings)
    client = make_client(storage)
    try:
        upload(
            client,
            storage,
            KEY,
            io.BytesIO(content),
            "text/csv",
            {"file-number": "1"},
            lag_seconds=(0.0, 0.0),
        )
    except Exception as error:  # noqa: BLE001 - all of them must be explained
        raise explain(error, storage) from None
    finally:
        client.close()


def to(method: str, **changes: Any) -> Callable[[str, Answer], Answer]:
    """Change the answers to requests with this method; a header that is None is left out."""

    def change(requested: str, answer: Answer) -> Answer:
        if requested != method:
            return answer
        headers = {**answer.headers, **changes.get("headers", {})}
        return Answer(
            changes.get("status", answer.status),
            {name: value for name, value in headers.items() if value is not None},
            changes.get("body", answer.body),
        )

    return change


def test_a_whole_file_is_stored(bucket: Bucket) -> None:
    """And the store could verify it on arrival."""
    store(bucket)
    assert bucket.objects == {KEY: CONTENT}
    assert (
        bucket.headers["content-md5"]
        == base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()
    )
    assert bucket.headers["x-amz-meta-file-number"] == "1"


def test_an_empty_file_is_stored(bucket: Bucket) -> None:
    """A replay may leave a file without rows."""
    store(bucket, b"")
    assert bucket.objects == {KEY: b""}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (to("PUT", headers={"ETag": None}), "does not confirm it"),
        (to("PUT", headers={"ETag": '""'}), "does not confirm it"),
        (to("PUT", headers={"ETag": None, "Connection": "close"}, body=PAGE), "answered with a web page"),
        # Not well-formed, as most pages: botocore takes it for a status of 500.
        (to("PUT", headers={"Connection": "close"}, body=b"\n<HTML><br><p>"), "answered with a web page"),
        (to("PUT", status=204), "does not confirm it"),
        (to("PUT", status=202), "does not confirm it"),
        (to("PUT", headers={"ETag": f'"{"0" * 32}"'}), "other content"),
        (to("PUT", headers={"ETag": '"not-an-md5"'}), "other content"),
        (to("HEAD", headers={"ETag": f'"{"0" * 32}"'}), "other content"),
        (to("HEAD", headers={"ETag": None}), "does not confirm it"),
        (to("HEAD", status=404), "does not have it"),
        (to("HEAD", status=204), "does not confirm it"),
    ],
)
def test_an_answer_that_proves_nothing_fails_the_upload(
    bucket: Bucket, answer: Callable[[str, Answer], Answer], words: str
) -> None:
    """Whatever answers 200 in the store's place, and whatever the store lost."""
    bucket.answer = answer
    with pytest.raises(TransientError, match=words) as caught:
        store(bucket)
    assert "Sign in" not in str(caught.value)
    assert "the next attempt sends the rows again" in str(caught.value)


@pytest.mark.parametrize(
    "keep",
    [lambda content: content[:400], lambda _: b"", lambda content: content[:-1] + b"x"],
    ids=["the head", "nothing", "another end"],
)
def test_a_file_stored_in_part_fails_the_upload(bucket: Bucket, keep: Callable[[bytes], bytes]) -> None:
    """Although the upload is answered as if it were whole."""
    bucket.keep = keep
    with pytest.raises(TransientError, match=r"another number of bytes|other content"):
        store(bucket)


def test_a_file_that_lost_its_content_fails_the_upload(bucket: Bucket) -> None:
    """Although the store still has its ETag, as after a full disk."""
    digest = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    bucket.keep = lambda content: content[:100]
    bucket.answer = lambda _, answer: Answer(
        answer.status, {**answer.headers, "ETag": f'"{digest}"'}, answer.body
    )
    with pytest.raises(TransientError, match="another number of bytes"):
        store(bucket)


@pytest.mark.parametrize(
    "late",
    [Answer(404, {}), Answer(200, {"ETag": f'"{"0" * 32}"', "Content-Length": "7"})],
    ids=["absent", "older"],
)
@pytest.mark.parametrize(("looks", "is_stored"), [(2, True), (3, False)])
def test_a_store_may_need_a_moment_to_show_the_object(
    bucket: Bucket, late: Answer, looks: int, is_stored: bool
) -> None:
    """As one that is replicated; it is asked three times."""
    answers = iter([late] * looks)
    bucket.answer = lambda method, given: next(answers, given) if method == "HEAD" else given
    if is_stored:
        store(bucket)
    else:
        with pytest.raises(TransientError, match=r"does not have it|other content"):
            store(bucket)


def test_credentials_that_may_only_write_store_files_that_are_proven(bucket: Bucket) -> None:
    """The ETag of the upload is the MD5 of its content."""
    bucket.answer = to("HEAD", status=403)
    store(bucket)
    assert bucket.objects == {KEY: CONTENT}


def test_credentials_that_may_only_write_are_named_where_nothing_else_proves_a_file(bucket: Bucket) -> None:
    """The ETag of an encrypted object proves nothing."""

    def answer(method: str, given: Answer) -> Answer:
        if method == "HEAD":
            return Answer(403, {})
        headers = {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
        return Answer(given.status, headers)

    bucket.answer = answer
    with pytest.raises(ConfigError, match=r"denied \(HeadObject\).*s3:GetObject"):
        store(bucket)


@pytest.mark.parametrize("length", ["0", "7"])
def test_a_proxy_that_loses_the_size_fails_no_upload(bucket: Bucket, length: str) -> None:
    """The object itself decides."""
    bucket.answer = to("HEAD", headers={"Content-Length": length})
    store(bucket)
    assert bucket.objects == {KEY: CONTENT}


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"},
        {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms:dsse"},
        {"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption-customer-algorithm": "AES256"},
        {"ETag": '"0x8DC4F3A2B1"'},
        {"ETag": f'W/"{"0" * 32}-1"'},
    ],
    ids=str,
)
def test_an_etag_that_is_no_md5_must_only_be_the_same_again(bucket: Bucket, headers: dict[str, str]) -> None:
    """Of content encrypted with somebody's own key, and of stores with ETags of their own."""

    def answer(_: str, given: Answer) -> Answer:
        return Answer(given.status, {**given.headers, **headers}, given.body)

    bucket.answer = answer
    store(bucket)
    assert bucket.objects == {KEY: CONTENT}


def test_an_md5_may_be_spelled_as_weak_and_in_capitals(bucket: Bucket) -> None:
    """As proxies and some stores do."""
    digest = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    bucket.answer = to("PUT", headers={"ETag": f'W/"{digest.upper()}"'})
    store(bucket)


def test_an_md5_is_compared_if_the_store_encrypts_with_its_own_key(bucket: Bucket) -> None:
    """SSE-S3 keeps the ETag."""
    bucket.answer = to("PUT", headers={"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "AES256"})
    with pytest.raises(TransientError, match="other content"):
        store(bucket)


@pytest.mark.parametrize(
    ("word", "has_crc"), [("when_supported", True), ("when_required", False), (None, False)]
)
def test_the_environment_decides_on_checksums_for_other_stores(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, word: str | None, has_crc: bool
) -> None:
    """Without a word from it, other stores get none of the newer ones."""
    if word:
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", word)
    store(bucket)
    assert ("x-amz-checksum-crc32" in bucket.headers) is has_crc
    assert bucket.objects == {KEY: CONTENT}


def test_the_config_file_decides_on_checksums_too(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """It is a word of the machine like a variable."""
    config = tmp_path / "config"
    config.write_text("[default]\nrequest_checksum_calculation = when_supported\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    store(bucket)
    assert "x-amz-checksum-crc32" in bucket.headers


def test_aws_gets_its_own_checksums() -> None:
    """Buckets with Object Lock demand one."""
    client: Any = make_client(bucket_server.storage(""))
    assert client.meta.config.request_checksum_calculation == "when_supported"
    client.close()


def test_an_upload_begins_at_the_position_of_the_file(bucket: Bucket) -> None:
    """Also when a request is sent a second time."""
    storage = bucket_server.storage(bucket.url)
    client = make_client(storage)
    file = io.BytesIO(b"before" + CONTENT)
    file.seek(6)
    upload(client, storage, KEY, file, "text/csv")
    client.close()
    assert bucket.objects == {KEY: CONTENT}


def test_a_failed_upload_is_an_error_of_the_sync(bucket: Bucket) -> None:
    """Not one of the connector's code."""
    bucket.answer = to("PUT", status=204)
    with pytest.raises(SyncError) as caught:
        store(bucket)
    assert caught.value.failure_type == "transient_error"
