"""Checks that the bucket can be used, for `check`."""

from __future__ import annotations

import contextlib
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from destination_customerio.dead_letters.keys import TEST_NAME, DeadLetterKeys, bucket_root
from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_errors import explained
from destination_customerio.dead_letters.s3_upload import put
from destination_customerio.errors import ConfigError, SyncError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mypy_boto3_s3.client import S3Client

    from destination_customerio.config.storage import S3Storage

_CONTENT = b"Written by the connection check of destination-customerio; safe to delete.\n"


def check_storage(storage: S3Storage) -> None:
    """Write, list, read back and delete an object below the bucket path, and validate the formats of paths and names.

    Its name has a random part, so that checks of several connections do not disturb each other.

    Raises:
        SyncError: a step failed; the message says which, why, and what to do.
    """
    DeadLetterKeys(storage, datetime.now(UTC), uuid4())
    key = f"{bucket_root(storage)}{TEST_NAME}_{uuid4().hex}"
    with _step("connect", storage):
        client = make_client(storage)
    with _step("write", storage):
        _write(client, storage, key)
    try:
        with _step("list", storage):
            _list(client, storage, key)
        with _step("read back", storage):
            _read_back(client, storage, key)
    except SyncError:
        _delete_if_possible(client, storage, key)
        raise
    with _step("delete", storage):
        _delete(client, storage, key)


def _step(name: str, storage: S3Storage) -> AbstractContextManager[None]:
    return explained(storage, f"The check of the bucket {storage.s3_bucket_name} failed at the step {name}")


def _write(client: S3Client, storage: S3Storage, key: str) -> None:
    put(
        client, {"Bucket": storage.s3_bucket_name, "Key": key}, io.BytesIO(_CONTENT), ContentType="text/plain"
    )


def _list(client: S3Client, storage: S3Storage, key: str) -> None:
    answer = client.list_objects_v2(Bucket=storage.s3_bucket_name, Prefix=key, MaxKeys=1)
    if not answer.get("Contents"):
        raise _broken(storage, "list", "the test object was written, but is not listed")


def _read_back(client: S3Client, storage: S3Storage, key: str) -> None:
    if client.get_object(Bucket=storage.s3_bucket_name, Key=key)["Body"].read() != _CONTENT:
        raise _broken(storage, "read back", "the test object has other content than was written")


def _delete(client: S3Client, storage: S3Storage, key: str) -> None:
    client.delete_object(Bucket=storage.s3_bucket_name, Key=key)


def _delete_if_possible(client: S3Client, storage: S3Storage, key: str) -> None:
    # The check has already failed for another reason, which is the one to report.
    with contextlib.suppress(Exception):
        _delete(client, storage, key)


def _broken(storage: S3Storage, step: str, finding: str) -> ConfigError:
    return ConfigError(
        f"The check of the bucket {storage.s3_bucket_name} failed at the step {step}: {finding}. "
        "Check the endpoint, and that no proxy between Airbyte and the store caches or rewrites responses."
    )
