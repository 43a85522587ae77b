"""Causes and remedies of what a store answers, by code; `s3_fault_table` has those of all other faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.dead_letters.s3_explanations import (
    BUSY,
    DENIED,
    EXPIRED,
    HOST_STYLE_DEMANDED,
    KMS_KEY,
    NOT_S3,
    UNKNOWN_CODE,
    Explanation,
)
from destination_customerio.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_CODE: tuple[tuple[tuple[str, ...], Explanation], ...] = (
    (("AccessDenied", "AllAccessDisabled", "403", "Forbidden"), DENIED),
    (
        (
            "KMS.AccessDeniedException",
            "KMS.DisabledException",
            "KMS.InvalidKeyUsageException",
            "KMS.InvalidStateException",
            "KMS.KMSInvalidStateException",
            "KMS.NotFoundException",
        ),
        KMS_KEY,
    ),
    (
        (
            "AccountProblem",
            "AccountSuspended",
            "ArrearsBill",
            "NotSignedUp",
            "OverdueAccount",
            "PaymentRequired",
            "UserDisable",
            "UserSuspended",
        ),
        Explanation(
            ConfigError,
            "the account that owns the access key or the bucket is restricted ({code})",
            "Contact the store's provider; often an invoice is unpaid, or the account is not signed up for the service.",
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
            "InvalidTokenId",
            "AuthFailure",
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
        (
            "PermanentRedirect",
            "TemporaryRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "InvalidLocationConstraint",
            "InvalidRegion",
            "WrongRegion",
        ),
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
    (("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), EXPIRED),
    (
        ("InvalidToken",),
        Explanation(
            ConfigError,
            "the session token of the credentials was refused",
            "Set the access key, its secret and its session token again, all three from one source; remove AWS_SESSION_TOKEN if the "
            "key has none.",
        ),
    ),
    (
        ("RequestTimeTooSkewed",),
        Explanation(TransientError, "the clock of this machine is wrong", "Set the clock, then try again."),
    ),
    (
        ("407",),
        Explanation(
            ConfigError,
            "the proxy of the environment requires a user name and a password (status 407)",
            "Put them into HTTPS_PROXY or HTTP_PROXY (http://user:password@host:port), or exempt the store with NO_PROXY.",  # ignore-https-check: a pattern
        ),
    ),
    (
        (
            "Busy",
            "KMS.ThrottlingException",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "RequestLimitExceeded",
            "TooManyRequests",
            "429",
            "ServiceUnavailable",
        ),
        BUSY,
    ),
    # Refusals that the next attempt may not get, though their status is that of a wrong request.
    (
        (
            "408",
            "409",
            "412",
            "425",
            "ConditionalRequestConflict",
            "InvalidPart",
            "InvalidPartOrder",
            "KMS.DependencyTimeoutException",
            "KMS.KeyUnavailableException",
            "KMS.KMSInternalException",
            "NoSuchKey",
            "NoSuchUpload",
            "OperationAborted",
            "PreconditionFailed",
            "RequestExpired",
            "RequestTimeout",
        ),
        UNKNOWN_CODE,
    ),
)
BY_CODE: Mapping[str, Explanation] = {code: row for codes, row in _BY_CODE for code in codes}
# Codes without a row of their own that may be shown. Any other code is the server's own text, and is not.
SHOWN_CODES = frozenset(code for code in BY_CODE if not code.isdecimal()) | {
    "EntityTooLarge",
    "EntityTooSmall",
    "IncorrectEndpoint",
    "InternalError",
    "InvalidArgument",
    "InvalidEncryptionAlgorithmError",
    "InvalidObjectState",
    "InvalidRequest",
    "InvalidStorageClass",
    "InvalidURI",
    "KeyTooLong",
    "KeyTooLongError",
    "Locked",
    "MalformedXML",
    "MetadataTooLarge",
    "MissingContentLength",
    "MissingSecurityHeader",
    "NoSuchAccessPoint",
    "ObjectLocked",
    "OperationDenied",
    "UnauthorizedAccess",
    "ValidationError",
    "XMinioInvalidObjectName",
    "XMinioServerNotInitialized",
    "InvalidIdentityToken",
    "IDPCommunicationError",
    "IDPRejectedClaim",
    "RegionDisabledException",
}
