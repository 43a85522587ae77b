"""Causes and remedies of what a store answers; `s3_fault_table` has those of all other faults.

What only a person can change (names, keys, permissions, addresses, certificates, settings of the machine) is a
config_error, so that the platform does not repeat it for ever; everything else is transient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from destination_customerio.errors import ConfigError, SyncError, TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Explanation(NamedTuple):
    """What one kind of failure means.

    kind    the type of error to raise
    cause   half a sentence, with the placeholders below to fill in
    remedy  whole sentences: what to do

    Placeholders: {bucket}, {store} (the endpoint, or AWS), {plain} (the endpoint in plain HTTP), {server} (the endpoint
    without the bucket's name), {operation}, {code} and {status} of the answer, {error} (the exception's type), {os_error},
    {file} (one that is missing or broken), {setting} (what is wrong with a setting), {variables} (those of AWS that are set).
    """

    kind: type[SyncError]
    cause: str
    remedy: str


BUSY = Explanation(
    TransientError,
    "the store asks for fewer requests",
    "Try again later; if it persists, use another bucket or path.",
)
DENIED = Explanation(
    ConfigError,
    "access to the bucket {bucket} was denied ({operation})",
    "Allow the credentials s3:PutObject, s3:ListBucket, s3:GetObject and s3:DeleteObject on the bucket and the "
    "bucket path, and the use of its KMS key if it has one.",
)
EXPIRED = Explanation(
    TransientError,
    "the credentials expired",
    "Try again; if it persists, renew the credentials of the machine that runs the connector.",
)
ROLE_NOT_ASSUMED = Explanation(
    ConfigError,
    "the configured role could not be assumed (AWS answered {code})",
    "Check the role ARN, and that the role trusts the connector's own AWS credentials and its external ID.",
)
STS_FAILED = Explanation(
    TransientError,
    "AWS could not issue credentials (it answered {code} with status {status}, {operation})",
    "Try again later.",
)
NOT_S3 = Explanation(
    ConfigError,
    "{store} answered with status {status}, but not as an S3 store does ({operation})",
    "Check that the endpoint is the address of the store's S3 API, not of its web console, that the port and the "
    "scheme (http or https) are right, and that no proxy or firewall answers in its place.",
)
REDIRECTED = Explanation(
    ConfigError,
    "{store} redirects to another address (status {status})",
    "Enter the address that it redirects to as the endpoint; often this is the same one with https://.",
)
BUCKET_IN_ENDPOINT = Explanation(
    ConfigError,
    "the endpoint {store} already contains the name of the bucket {bucket}",
    "Enter the address of the store alone: {server}.",
)
HOST_STYLE_DEMANDED = Explanation(
    ConfigError,
    "{store} only accepts virtual-hosted addresses, with the bucket's name in the host name ({bucket}.host)",
    "Enter the store's host name as the endpoint, not an IP address, and set the addressing style to auto or virtual.",
)
UNKNOWN_CODE = Explanation(
    TransientError,
    "the store answered {code} with status {status} ({operation})",
    "Try again; if it persists, check the store's own logs.",
)
KMS = "KMS."  # what the codes of its key management begin with

_BY_CODE: tuple[tuple[tuple[str, ...], Explanation], ...] = (
    (("AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden", KMS), DENIED),
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
            "InvalidTokenId",
            "AuthFailure",
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
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
        Explanation(
            ConfigError,
            "the bucket {bucket} is in another region",
            "Set the bucket region to the one that AWS shows beside the bucket's name; other stores have it in their "
            "configuration.",
        ),
    ),
    (
        ("InvalidBucketName",),
        Explanation(ConfigError, "{bucket} is not a valid bucket name", "Correct the bucket name."),
    ),
    (
        (
            "SecondLevelDomainForbidden",
            "VirtualHostDomainRequired",
            "PathStyleDomainForbidden",
            "InvalidPathAccess",
        ),
        HOST_STYLE_DEMANDED,
    ),
    (("MethodNotAllowed", "405", "501"), NOT_S3),
    (
        ("NotImplemented",),
        Explanation(
            ConfigError,
            "{store} does not support a part of the S3 API ({operation})",
            "If AWS_REQUEST_CHECKSUM_CALCULATION is set for the connector, set it to when_required; otherwise use another "
            "store.",
        ),
    ),
    (
        (
            "QuotaExceeded",
            "BucketQuotaExceeded",
            "XMinioStorageFull",
            "XMinioAdminBucketQuotaExceeded",
            "507",
        ),
        Explanation(
            ConfigError,
            "the bucket {bucket} is full",
            "Give it more room, or use another bucket, then sync again.",
        ),
    ),
    (
        (
            "BadDigest",
            "InvalidDigest",
            "IncompleteBody",
            "XAmzContentSHA256Mismatch",
            "XAmzContentChecksumMismatch",
        ),
        Explanation(
            TransientError,
            "the file was damaged on its way to the store (it answered {code})",
            "Try again; if it persists, check any proxy between Airbyte and the store.",
        ),
    ),
    (("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"), EXPIRED),
    (
        ("RequestTimeTooSkewed",),
        Explanation(TransientError, "the clock of this machine is wrong", "Set the clock, then try again."),
    ),
    (
        ("407",),
        Explanation(
            ConfigError,
            "the proxy of the environment demands a user name and a password (status 407)",
            "Put them into HTTPS_PROXY or HTTP_PROXY (http://user:password@host:port), or except the store with NO_PROXY.",  # ignore-https-check: a pattern
        ),
    ),
    (
        (
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "RequestLimitExceeded",
            "TooManyRequests",
            "429",
            "503",
            "ServiceUnavailable",
        ),
        BUSY,
    ),
)
BY_CODE: Mapping[str, Explanation] = {code: row for codes, row in _BY_CODE for code in codes}
# Codes without a row of their own that may be shown. Any other code is the server's own text, and is not.
SHOWN_CODES = frozenset(BY_CODE) | {
    "InternalError",
    "InvalidArgument",
    "InvalidObjectState",
    "InvalidRequest",
    "MalformedXML",
    "MissingContentLength",
    "NoSuchKey",
    "NoSuchUpload",
    "OperationAborted",
    "PreconditionFailed",
    "RequestTimeout",
    "ValidationError",
    "InvalidIdentityToken",
    "IDPCommunicationError",
    "IDPRejectedClaim",
    "RegionDisabledException",
}
