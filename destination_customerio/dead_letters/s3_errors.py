"""What a failure of the bucket means, as the error to end with.

Causes and remedies are in `s3_error_table`. The text of an exception never gets into a message, as stores quote keys
in it.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from destination_customerio.dead_letters.s3_error_table import (
    BUSY,
    BY_CODE,
    INVALID_BUCKET_NAME,
    KMS,
    ROLE_NOT_ASSUMED,
    UNKNOWN_CODE,
    by_exception,
)
from destination_customerio.errors import SyncError, unexpected
from destination_customerio.foreign_text import known_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.s3_error_table import Explanation

_UPLOADING = "The rejected rows could not be stored in the bucket"
_SYNC_STOPS = "The sync stops; the next attempt sends the rows again that are not yet acknowledged."


def code_of(error: Any) -> str:
    """The code of an S3 error, such as `NoSuchKey`; empty where the store named none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: Any) -> int:
    """The HTTP status of an S3 error; 0 where there was none."""
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def explain(
    error: Exception, storage: S3Storage, failed: str = _UPLOADING, meaning: str = _SYNC_STOPS
) -> SyncError:
    """What a failure means, as the error to end with.

    Args:
        error: raised by boto3, by the machine's file system, or a SyncError, which is returned as it is
        storage: the configuration
        failed: what failed, as the beginning of a sentence
        meaning: what that means for the rows, in whole sentences; may be empty
    """
    from botocore.exceptions import ClientError

    if isinstance(error, SyncError):
        return error
    if isinstance(error, ClientError):
        return _explain_answer(error, storage, failed, meaning)
    explanation = _explanation_of(error)
    if explanation is None:
        bug = unexpected(error)
        return SyncError(
            _sentences(
                failed,
                f"unexpected error ({type(error).__name__})",
                meaning,
                "Please report this with the connector's version.",
            ),
            bug.internal_message,
        )
    cause = explanation.cause.format(
        bucket=storage.s3_bucket_name,
        store=storage.s3_endpoint or "AWS",
        error=type(error).__name__,
        os_error=os.strerror(getattr(error, "errno", None) or 0),
    )
    return explanation.kind(_sentences(failed, cause, meaning, explanation.remedy))


@contextlib.contextmanager
def explained(
    storage: S3Storage,
    failed: str,
    meaning: str = "",
    passing: type[Exception] | tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turn whatever fails inside into the error that `explain` makes of it.

    Args:
        storage: the configuration
        failed: as for `explain`
        meaning: as for `explain`
        passing: exceptions that pass through as they are

    Raises:
        SyncError: something failed.
    """
    try:
        yield
    except passing:
        raise
    except Exception as error:  # noqa: BLE001 - every failure needs an explanation
        raise explain(error, storage, failed, meaning) from None


def _explain_answer(error: Any, storage: S3Storage, failed: str, meaning: str) -> SyncError:
    code, operation = code_of(error), str(error.operation_name)
    explanation = BY_CODE.get(KMS if code.startswith(KMS) else code, UNKNOWN_CODE)
    if operation == "AssumeRole" and explanation is not BUSY:
        explanation = ROLE_NOT_ASSUMED
    cause = explanation.cause.format(
        bucket=storage.s3_bucket_name,
        code=known_code(code, "an error"),
        status=status_of(error),
        operation=operation,
    )
    return explanation.kind(_sentences(failed, cause, meaning, explanation.remedy))


def _explanation_of(error: Exception) -> Explanation | None:
    """The row for an exception; None for an unforeseen one, which is a bug."""
    from botocore.exceptions import ParamValidationError

    if isinstance(error, ParamValidationError):
        # The report names the parameter; only the bucket's name comes from the user.
        report = str(error.kwargs.get("report", ""))
        return INVALID_BUCKET_NAME if report.startswith("Invalid bucket name") else None
    return next((row for types, row in by_exception() if isinstance(error, types)), None)


def _sentences(failed: str, cause: str, *rest: str) -> str:
    return " ".join((f"{failed}: {cause}.", *filter(None, rest)))
