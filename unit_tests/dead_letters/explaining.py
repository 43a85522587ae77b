"""Failures of a bucket and what the connector makes of them, for tests of the explanations."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_errors import explain
from destination_customerio.dead_letters.s3_steps import Step, StepFailedError
from destination_customerio.dead_letters.s3_upload import upload
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import ACCESS_KEY_ID, SECRET_ACCESS_KEY

if TYPE_CHECKING:
    from destination_customerio.errors import SyncError


def failure(endpoint: str, **values: Any) -> SyncError:
    """The error of a failing upload of one file."""
    storage = bucket_server.storage(endpoint, **values)
    try:
        client = make_client(storage)
        try:
            upload(client, storage, "rejected/key.csv", io.BytesIO(b"row value"), "text/csv")
        finally:
            client.close()
    except Exception as error:  # noqa: BLE001 - all of them must be explained
        return explain(error, storage)
    raise AssertionError("the upload did not fail")


def machine_failure(endpoint: str = "http://127.0.0.1:1", **values: Any) -> SyncError:
    """The error of an upload with the machine's own credentials."""
    error = failure(endpoint, access_key_id="", secret_access_key="", **values)
    assert_safe(str(error))
    return error


def assert_safe(message: str) -> None:
    """Whole sentences, without a secret, a row's value, or the text of the response."""
    assert message.endswith(".")
    assert message[0].isupper()
    for secret in (ACCESS_KEY_ID, SECRET_ACCESS_KEY, "row value", "said for"):
        assert secret not in message


def answer(code: str, operation: str = "PutObject", status: int = 418) -> ClientError:
    """An error as boto3 raises it for an answer of the store, which may quote anything."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": f"said for {ACCESS_KEY_ID}"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "HTTPHeaders": {},
                "RetryAttempts": 0,
                "HostId": "",
                "RequestId": "",
            },
        },
        operation,
    )


def explained(error: Exception) -> SyncError:
    """What an exception means for the upload of a file."""
    return explain(error, bucket_server.storage("http://127.0.0.1:1"))


def failed_in(step: Step, cause: Exception) -> StepFailedError:
    """A step that failed for this reason."""
    error = StepFailedError(step)
    error.__cause__ = cause
    return error
