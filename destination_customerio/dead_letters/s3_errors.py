"""What a failure of the bucket means, as the error to end with.

Causes and remedies are in `s3_explanations`, `s3_error_table` and `s3_fault_table`, what failed is read by `s3_faults`. No
text of an exception or of an answer gets into a message, as stores quote keys in it: only what `s3_placeholders` fills in.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from destination_customerio.causes import chain_of
from destination_customerio.dead_letters.aws_settings import SESSION_TOKENS, AwsSettings, first_set
from destination_customerio.dead_letters.s3_answers import code_of, status_of
from destination_customerio.dead_letters.s3_error_table import BY_CODE
from destination_customerio.dead_letters.s3_explanations import (
    BUCKET_IN_ENDPOINT,
    BUSY,
    EXPIRED,
    EXPIRED_FOR_GOOD,
    KMS,
    KMS_KEY,
    NOT_S3,
    REDIRECTED,
    REFUSED,
    ROLE_NOT_ASSUMED,
    STS_FAILED,
    UNKNOWN_CODE,
    WEB_IDENTITY_REFUSED,
    Explanation,
)
from destination_customerio.dead_letters.s3_fault_table import BY_FAULT
from destination_customerio.dead_letters.s3_faults import Fault, fault_of
from destination_customerio.dead_letters.s3_placeholders import placeholders, server_of
from destination_customerio.dead_letters.s3_route import bucket_route, sign_in_route
from destination_customerio.dead_letters.s3_steps import StepFailedError, cause_of
from destination_customerio.errors import ConfigError, SyncError, TransientError, unexpected
from destination_customerio.machine_limits import exceeded_limit
from destination_customerio.network.failures import explain_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from destination_customerio.config.storage import S3Storage

_UPLOADING = "The rejected rows could not be stored in the bucket"
_SYNC_STOPS = "The sync stops; the next attempt sends the rows again that are not yet acknowledged."
_SERVER_ERROR = 500


def explain(
    error: Exception, storage: S3Storage, failed: str = _UPLOADING, meaning: str = _SYNC_STOPS
) -> SyncError:
    """What a failure means, as the error to end with.

    Args:
        error: raised by boto3, by a step, by the machine's file system, or a SyncError, which is returned as it is
        storage: the configuration
        failed: what failed, as the beginning of a sentence
        meaning: what that means for the rows, in whole sentences; may be empty
    """
    cause = cause_of(error)
    if isinstance(cause, SyncError):
        return cause
    if limit := exceeded_limit(error):
        return TransientError(_sentences(failed, limit.clause, meaning, limit.remedy))
    settings = AwsSettings.of_this_machine()
    explanation = _explanation(error, storage, settings)
    if explanation is None:
        words = f"unexpected error ({type(error).__name__})"
        remedy = "Please report this with the connector's version."
        return SyncError(_sentences(failed, words, meaning, remedy), unexpected(error).internal_message)
    values = placeholders(error, storage, settings)
    return explanation.kind(
        _sentences(failed, explanation.cause.format(**values), meaning, explanation.remedy.format(**values))
    )


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


def _explanation(error: Exception, storage: S3Storage, settings: AwsSettings) -> Explanation | None:
    """What kind of failure this is; None for a bug of the connector."""
    from botocore.exceptions import ClientError

    cause = cause_of(error)
    if isinstance(cause, ClientError):
        if isinstance(error, StepFailedError):
            return _explanation_for_credentials(cause, settings)
        return _explanation_of_answer(cause, storage, settings)
    if fault := fault_of(error):
        return _explanation_of_proxy(error, storage, settings) or BY_FAULT[fault]
    return None


def _explanation_of_proxy(
    error: BaseException, storage: S3Storage, settings: AwsSettings
) -> Explanation | None:
    """Why no connection came about through the proxy of the environment; None where there is none, or it did its part."""
    from botocore.exceptions import MetadataRetrievalError

    # The metadata service of a container or a machine is always reached directly.
    if any(isinstance(link, MetadataRetrievalError) for link in chain_of(error)):
        return None
    is_sign_in = isinstance(error, StepFailedError)
    try:
        route = sign_in_route(storage, settings) if is_sign_in else bucket_route(storage, settings)
    except ConfigError:
        return None
    if route.proxy is None:
        return None
    failure = explain_failure(cause_of(error), route, "AWS STS" if is_sign_in else "the store")
    return Explanation(failure.kind, failure.cause, failure.remedy) if failure else None


def _explanation_of_answer(error: Any, storage: S3Storage, settings: AwsSettings) -> Explanation:
    code, status, operation = code_of(error), status_of(error), str(error.operation_name)
    if _is_for_another_address(code, operation) and server_of(storage):
        return BUCKET_IN_ENDPOINT
    # Without a body, botocore takes the status as the code. Answers to HEAD have none; others of a store do.
    without_code = not code or code.isdecimal()
    number = code or str(status)
    if without_code and 300 <= status < 400:
        is_aws = not (storage.s3_endpoint or settings.endpoint("s3"))
        return BY_CODE["PermanentRedirect"] if is_aws else REDIRECTED
    if without_code and 400 <= status < _SERVER_ERROR:
        is_head = operation.startswith("Head")
        if status in (401, 403) and not is_head:  # a store would say why
            return NOT_S3
        return BY_CODE.get(number, UNKNOWN_CODE if is_head else NOT_S3)
    row = BY_CODE.get(number)
    if row is EXPIRED and not storage.access_key_id.get_secret_value() and not storage.role_arn:
        return _expiry(settings)
    if row:
        return row
    if without_code or not 400 <= status < _SERVER_ERROR:
        return UNKNOWN_CODE
    return KMS_KEY if code.startswith(KMS) else REFUSED


def _expiry(settings: AwsSettings) -> Explanation:
    """A key with its token in the environment stays what it is; all others are renewed."""
    return EXPIRED_FOR_GOOD if first_set(SESSION_TOKENS, settings.environment) else EXPIRED


def _explanation_for_credentials(error: Any, settings: AwsSettings) -> Explanation:
    code = code_of(error)
    row = BY_CODE.get(code)
    is_web_identity = error.operation_name == "AssumeRoleWithWebIdentity"
    if row is EXPIRED:
        return EXPIRED if is_web_identity else _expiry(settings)
    if row is BUSY:
        return BUSY
    if code == "ValidationError":
        return BY_FAULT[Fault.ROLE_ARN]
    if status_of(error) >= _SERVER_ERROR or code == "IDPCommunicationError":
        return STS_FAILED
    return WEB_IDENTITY_REFUSED if is_web_identity else ROLE_NOT_ASSUMED


def _is_for_another_address(code: str, operation: str) -> bool:
    """Whether a store answers so when the bucket's name is twice in the address: once more as a part of the key."""
    return code == "NoSuchBucket" or (
        code in ("NoSuchKey", "404") and operation in ("PutObject", "ListObjectsV2")
    )


def _sentences(failed: str, cause: str, *rest: str) -> str:
    return " ".join((f"{failed}: {cause}.", *filter(None, rest)))
