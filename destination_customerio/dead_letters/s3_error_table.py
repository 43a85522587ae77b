"""Causes and remedies of the bucket's failures: one table of error codes, one of exceptions.

What the user must change (bucket name, region, keys, permissions) is a config_error; everything else is transient.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from destination_customerio.errors import ConfigError, SyncError, TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping


class InvalidEndpointError(Exception):
    """The client can't be made for this endpoint."""


class Explanation(NamedTuple):
    """What one kind of failure means.

    kind    the type of error to raise
    cause   half a sentence, with {bucket}, {store}, {operation}, {code}, {status}, {error} and {os_error} to fill in
    remedy  whole sentences: what to do
    """

    kind: type[SyncError]
    cause: str
    remedy: str


BUSY = Explanation(
    TransientError,
    "the store asks for fewer requests",
    "Try again later; if it persists, use another bucket or path.",
)
INVALID_BUCKET_NAME = Explanation(
    ConfigError, "{bucket} is not a valid bucket name", "Correct the bucket name."
)
ROLE_NOT_ASSUMED = Explanation(
    ConfigError,
    "the configured role could not be assumed (AWS answered {code})",
    "Check the role ARN, and that the role trusts the connector's own AWS credentials and its external ID.",
)
UNKNOWN_CODE = Explanation(
    TransientError,
    "the store answered {code} with status {status} ({operation})",
    "Try again; if it persists, check the store's own logs.",
)
KMS = "KMS."  # what the codes of its key management begin with

_ROWS: tuple[tuple[tuple[str, ...], Explanation], ...] = (
    (
        ("AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden", KMS),
        Explanation(
            ConfigError,
            "access to the bucket {bucket} was denied ({operation})",
            "Allow the credentials s3:PutObject, s3:ListBucket, s3:GetObject and s3:DeleteObject on the bucket and the "
            "bucket path, and the use of its KMS key if it has one.",
        ),
    ),
    (
        ("NoSuchBucket",),
        Explanation(
            ConfigError,
            "there is no bucket {bucket}",
            "Check the bucket name, and the endpoint if one is set, or create the bucket.",
        ),
    ),
    (
        (
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "InvalidSecurity",
            "NotSignedUp",
            "401",
            "Unauthorized",
        ),
        Explanation(
            ConfigError,
            "the access key was refused",
            "Check the access key ID and the secret access key; create a new pair if in doubt.",
        ),
    ),
    (
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"),
        Explanation(
            ConfigError,
            "the bucket {bucket} is in another region",
            "Set the bucket region to the one that AWS shows beside the bucket's name.",
        ),
    ),
    (("InvalidBucketName",), INVALID_BUCKET_NAME),
    (
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"),
        Explanation(
            TransientError,
            "the credentials expired",
            "Try again; if it persists, renew the credentials of the machine that runs the connector.",
        ),
    ),
    (
        ("RequestTimeTooSkewed",),
        Explanation(TransientError, "the clock of this machine is wrong", "Set the clock, then try again."),
    ),
    (
        (
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "RequestLimitExceeded",
            "TooManyRequests",
            "503",
            "ServiceUnavailable",
        ),
        BUSY,
    ),
)
BY_CODE: Mapping[str, Explanation] = {code: explanation for codes, explanation in _ROWS for code in codes}


@cache
def by_exception() -> tuple[tuple[tuple[type[Exception], ...], Explanation], ...]:
    """What an exception means that is not an answer of the store; the first row that fits counts."""
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as boto

    return (
        (
            (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
            Explanation(
                ConfigError,
                "no AWS credentials were found",
                "Configure an access key for the bucket, or give the machine that runs the connector a role.",
            ),
        ),
        (
            (boto.InvalidRegionError,),
            Explanation(
                ConfigError, "the bucket region is not a valid region name", "Correct the bucket region."
            ),
        ),
        (
            (InvalidEndpointError,),
            Explanation(ConfigError, "the endpoint {store} is not a valid URL", "Correct the endpoint."),
        ),
        (
            (boto.SSLError,),
            Explanation(
                TransientError,
                "the TLS certificate of {store} could not be verified",
                "Check the endpoint's certificate, and any proxy between Airbyte and the store.",
            ),
        ),
        (
            (
                boto.ConnectionError,
                boto.HTTPClientError,
                boto.ResponseStreamingError,
                boto.IncompleteReadError,
                ConnectionError,
                TimeoutError,
            ),
            Explanation(
                TransientError,
                "{store} could not be reached, or did not answer in time ({error})",
                "Check the endpoint and the region, and that Airbyte's network lets the connector reach them; then try "
                "again.",
            ),
        ),
        (
            (OSError,),
            Explanation(
                TransientError,
                "the temporary file could not be written ({os_error})",
                "Give the connector more disk space for temporary files, then try again.",
            ),
        ),
        (
            (boto.BotoCoreError, Boto3Error),
            Explanation(
                TransientError,
                "the store failed in an unexpected way ({error})",
                "Try again; if it persists, check the store's own logs.",
            ),
        ),
    )
