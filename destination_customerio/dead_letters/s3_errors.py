"""What a failure of the bucket means for the sync, in words.

What the user must change (the bucket's name, its region, keys, permissions) is a config_error; all else is worth another
attempt. The text of an exception never gets into a message: stores repeat keys in it.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from destination_customerio.errors import ConfigError, SyncError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from destination_customerio.config.storage import S3Storage

_UPLOADING = (
    "The rejected rows could not be stored in the bucket, so the sync stops; rows that are not yet acknowledged will "
    "be sent again by the next attempt"
)

_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden"})
_BAD_KEYS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidSecurity",
        "NotSignedUp",
        "401",
        "Unauthorized",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"})
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)
_BUSY = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequests",
        "503",
        "ServiceUnavailable",
    }
)


class InvalidEndpointError(Exception):
    """The client can't be made for this endpoint."""


def code_of(error: Any) -> str:
    """The code of an S3 error, such as `NoSuchKey`; empty where the store named none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: Any) -> int:
    """The HTTP status of an S3 error; 0 where there was none."""
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def explain(error: Exception, storage: S3Storage, doing: str = _UPLOADING) -> SyncError:
    """What a failure means, as the error to end with.

    Args:
        error: raised by boto3, by the machine's file system, or a SyncError, which is returned as it is
        storage: the configuration
        doing: the beginning of the sentence: what failed, and what it means for the rows
    """
    if isinstance(error, SyncError):
        return error
    kind, cause, remedy = _diagnose(error, storage)
    return kind(f"{doing}: {cause}. {remedy}")


@contextlib.contextmanager
def explained(
    storage: S3Storage, doing: str, passing: type[Exception] | tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Let whatever fails inside end as the error that `explain` makes of it.

    Args:
        storage: the configuration
        doing: as for `explain`
        passing: exceptions that go through as they are

    Raises:
        SyncError: something failed.
    """
    try:
        yield
    except passing:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, a person has to be told in words
        raise explain(error, storage, doing) from None


def _diagnose(error: Exception, storage: S3Storage) -> tuple[type[SyncError], str, str]:
    """The kind of error, its cause in half a sentence, and what to do in a whole one."""
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as boto

    bucket = storage.s3_bucket_name
    place = storage.s3_endpoint or "AWS"
    match error:
        case boto.ClientError():
            return _diagnose_answer(error, storage)
        case boto.NoCredentialsError() | boto.PartialCredentialsError() | boto.CredentialRetrievalError():
            return (
                ConfigError,
                "no AWS credentials were found",
                "Configure an access key for the bucket, or give the machine that runs the connector a role.",
            )
        case boto.ParamValidationError() if _is_about_the_bucket_name(error):
            return (ConfigError, f"{bucket} is not a valid bucket name", "Check the bucket name.")
        case boto.InvalidRegionError():
            return (ConfigError, "the bucket region is not a valid region name", "Check the bucket region.")
        case InvalidEndpointError():
            return (ConfigError, f"the endpoint {place} is not a valid URL", "Check the endpoint.")
        case boto.SSLError():
            return (
                TransientError,
                f"the TLS certificate of {place} could not be verified",
                "Check the endpoint's certificate, and the proxy between Airbyte and it.",
            )
        case (
            boto.ConnectionError()
            | boto.HTTPClientError()
            | boto.ResponseStreamingError()
            | boto.IncompleteReadError()
            | ConnectionError()
            | TimeoutError()
        ):
            return (
                TransientError,
                f"{place} could not be reached, or did not answer in time ({type(error).__name__})",
                "Check the endpoint and the region, and that Airbyte's network lets the connector reach them; then try again.",
            )
        case OSError():
            return (
                TransientError,
                f"this machine could not keep the file ({os.strerror(error.errno or 0)})",
                "Give the connector more disk space for temporary files, then try again.",
            )
        case boto.BotoCoreError() | Boto3Error() if not isinstance(error, boto.ParamValidationError):
            return (
                TransientError,
                f"the store failed in an unexpected way ({type(error).__name__})",
                "Try again; if it stays, check the store's own logs.",
            )
    return (
        SyncError,
        f"the connector has a fault ({type(error).__name__})",
        "Report it with the connector's version; the next attempt may meet it again.",
    )


def _is_about_the_bucket_name(error: Any) -> bool:
    return str(error.kwargs.get("report", "")).startswith("Invalid bucket name")


def _diagnose_answer(error: Any, storage: S3Storage) -> tuple[type[SyncError], str, str]:
    bucket = storage.s3_bucket_name
    code = code_of(error)
    operation = str(error.operation_name)
    if operation == "AssumeRole" and code not in _BUSY:
        return (
            ConfigError,
            f"the role of the configuration could not be assumed (AWS answered {_word(code)})",
            "Check the role ARN, and that the role trusts the connector's own AWS credentials and its external ID.",
        )
    if code in _DENIED or code.startswith("KMS."):
        return (
            ConfigError,
            f"access to the bucket {bucket} was denied ({operation})",
            (
                "Allow the credentials s3:PutObject, s3:ListBucket, s3:GetObject and s3:DeleteObject on the bucket and "
                "the bucket path, and the use of its KMS key if it has one."
            ),
        )
    if code == "NoSuchBucket" or (code == "404" and operation == "HeadBucket"):
        return (
            ConfigError,
            f"there is no bucket {bucket}",
            "Check the bucket name, and the endpoint if one is set, or create the bucket.",
        )
    if code in _BAD_KEYS:
        return (
            ConfigError,
            "the access key was refused",
            "Check the access key ID and the secret access key; create a new pair if in doubt.",
        )
    if code in _ELSEWHERE:
        return (
            ConfigError,
            f"the bucket {bucket} is in another region",
            "Set the bucket region to the one that AWS shows beside the bucket's name.",
        )
    if code == "InvalidBucketName":
        return (ConfigError, f"{bucket} is not a valid bucket name", "Check the bucket name.")
    if code in _EXPIRED:
        return (
            TransientError,
            "the credentials expired",
            "Try again; if it stays, renew the credentials of the machine that runs the connector.",
        )
    if code == "RequestTimeTooSkewed":
        return (TransientError, "the clock of this machine is wrong", "Set the clock, then try again.")
    if code in _BUSY:
        return (
            TransientError,
            "the store asks for fewer requests",
            "Try again later; if it stays, use another bucket or path.",
        )
    return (
        TransientError,
        f"the store answered {_word(code)} with status {status_of(error)} ({operation})",
        "Try again; if it stays, check the store's own logs.",
    )


def _word(code: str) -> str:
    """An error code for a message; what does not look like one may be anything, so it stays out."""
    return code if code.isascii() and code.replace(".", "").isalnum() and len(code) < 64 else "an error"
