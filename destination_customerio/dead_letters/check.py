"""Checks that the bucket can be used, for `check`."""

from __future__ import annotations

import contextlib
import io
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from destination_customerio.dead_letters.keys import TEST_NAME, DeadLetterKeys, bucket_root
from destination_customerio.dead_letters.s3_answers import status_of
from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_errors import explained
from destination_customerio.dead_letters.s3_faults import Fault
from destination_customerio.dead_letters.s3_upload import LAG_SECONDS, after_lag, put
from destination_customerio.errors import ConfigError, SyncError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from mypy_boto3_s3.client import S3Client

    from destination_customerio.config.storage import S3Storage

_CONTENT = b"Written by the connection check of destination-customerio; safe to delete.\n"


def check_storage(storage: S3Storage, lag_seconds: Sequence[float] = LAG_SECONDS) -> None:
    """Write, list, read back and delete an object below the bucket path, and validate the formats of paths and names.

    Its name has a random part, so that checks of several connections do not disturb each other. `lag_seconds` are the
    pauses between looks for it in the store.

    Raises:
        SyncError: a step failed; the message says which, why, and what to do.
    """
    DeadLetterKeys(storage, datetime.now(UTC), uuid4())
    bucket = storage.s3_bucket_name
    target: Any = {"Bucket": bucket, "Key": f"{bucket_root(storage)}{TEST_NAME}_{uuid4().hex}"}
    with _step("connect", storage):
        client = make_client(storage)
    with _step("write", storage):
        put(client, target, io.BytesIO(_CONTENT), ContentType="text/plain")
    try:
        with _step("list", storage):
            if after_lag(partial(_fault_of_list, client, bucket, target["Key"]), lag_seconds):
                raise _broken(storage, "list", "the test object was written, but is not listed")
        with _step("read back", storage):
            if fault := after_lag(partial(_fault_of_content, client, target), lag_seconds):
                is_gone = fault is Fault.NOT_STORED
                finding = "is gone again" if is_gone else "has other content than was written"
                raise _broken(storage, "read back", f"the test object {finding}")
    except SyncError:
        # The check has failed already, for the reason that is reported.
        with contextlib.suppress(Exception):
            client.delete_object(**target)
        raise
    with _step("delete", storage):
        client.delete_object(**target)


def _step(name: str, storage: S3Storage) -> AbstractContextManager[None]:
    return explained(storage, _failed_at(name, storage))


def _failed_at(step: str, storage: S3Storage) -> str:
    return f"The check of the bucket {storage.s3_bucket_name} failed at the step {step}"


def _fault_of_list(client: S3Client, bucket: str, key: str) -> Fault | None:
    answer = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    return None if answer.get("Contents") else Fault.NOT_STORED


def _fault_of_content(client: S3Client, target: Any) -> Fault | None:
    from botocore.exceptions import ClientError

    try:
        answer = client.get_object(**target)
    except ClientError as error:
        if status_of(error) == 404:
            return Fault.NOT_STORED
        raise
    with contextlib.closing(answer["Body"]) as body:
        return None if body.read() == _CONTENT else Fault.OTHER_CONTENT


def _broken(storage: S3Storage, step: str, finding: str) -> ConfigError:
    return ConfigError(
        f"{_failed_at(step, storage)}: {finding}. Check the endpoint, and that no proxy between Airbyte and the store caches "
        "or rewrites responses."
    )
