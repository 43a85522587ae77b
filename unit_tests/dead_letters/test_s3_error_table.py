"""What an answer of the store means: the kind of error, its cause and its remedy, by code and status."""

from __future__ import annotations

import pytest

from destination_customerio.dead_letters.s3_error_table import BY_CODE
from destination_customerio.dead_letters.s3_errors import explain
from destination_customerio.dead_letters.s3_steps import Step
from destination_customerio.errors import ConfigError, SyncError, TransientError
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import ACCESS_KEY_ID, BUCKET
from unit_tests.dead_letters.explaining import answer, assert_safe, explained, failed_in

pytestmark = pytest.mark.usefixtures("bare_machine")


DENIED = (ConfigError, f"access to the bucket {BUCKET} was denied (", "s3:PutObject")
REFUSED_KEY = (ConfigError, "the access key was refused", "secret access key")
ELSEWHERE = (ConfigError, "is in another region", "Set the bucket region")
EXPIRED = (TransientError, "the credentials expired", "renew the credentials")
BUSY = (TransientError, "the store throttles requests", "Try again later")
HOST_STYLE = (ConfigError, "only accepts virtual-hosted addresses", "not an IP address")
NOT_S3 = (ConfigError, "but not as an S3 store does", "web console")
FULL = (ConfigError, f"the bucket {BUCKET} is full", "Give it more room")
ACCOUNT = (
    ConfigError,
    "the account that owns the access key or the bucket is restricted",
    "an invoice is unpaid",
)
KMS_KEY = (ConfigError, f"the KMS key of the bucket {BUCKET} can't be used", "kms:GenerateDataKey")
PASSING = (TransientError, "the store answered", "Try again")
DAMAGED = (TransientError, "the file was damaged on its way", "proxy")
EXPECTED_BY_CODE = {
    "AccessDenied": DENIED,
    "AllAccessDisabled": DENIED,
    "403": DENIED,
    "Forbidden": DENIED,
    "KMS.AccessDeniedException": KMS_KEY,
    "KMS.DisabledException": KMS_KEY,
    "KMS.InvalidKeyUsageException": KMS_KEY,
    "KMS.InvalidStateException": KMS_KEY,
    "KMS.KMSInvalidStateException": KMS_KEY,
    "KMS.NotFoundException": KMS_KEY,
    "KMS.NewOne": KMS_KEY,
    "AccountProblem": ACCOUNT,
    "AccountSuspended": ACCOUNT,
    "ArrearsBill": ACCOUNT,
    "NotSignedUp": ACCOUNT,
    "OverdueAccount": ACCOUNT,
    "PaymentRequired": ACCOUNT,
    "UserDisable": ACCOUNT,
    "UserSuspended": ACCOUNT,
    "NoSuchBucket": (ConfigError, f"there is no bucket {BUCKET}", "create the bucket"),
    "InvalidAccessKeyId": REFUSED_KEY,
    "SignatureDoesNotMatch": REFUSED_KEY,
    "InvalidClientTokenId": REFUSED_KEY,
    "UnrecognizedClientException": REFUSED_KEY,
    "InvalidSecurity": REFUSED_KEY,
    "InvalidTokenId": REFUSED_KEY,
    "AuthFailure": REFUSED_KEY,
    "401": REFUSED_KEY,
    "Unauthorized": REFUSED_KEY,
    "PermanentRedirect": ELSEWHERE,
    "TemporaryRedirect": ELSEWHERE,
    "AuthorizationHeaderMalformed": ELSEWHERE,
    "IllegalLocationConstraintException": ELSEWHERE,
    "InvalidLocationConstraint": ELSEWHERE,
    "InvalidRegion": ELSEWHERE,
    "WrongRegion": ELSEWHERE,
    "SecondLevelDomainForbidden": HOST_STYLE,
    "VirtualHostDomainRequired": HOST_STYLE,
    "PathStyleDomainForbidden": HOST_STYLE,
    "InvalidPathAccess": HOST_STYLE,
    "MethodNotAllowed": NOT_S3,
    "405": NOT_S3,
    "501": NOT_S3,
    "NotImplemented": (ConfigError, "does not support a part of the S3 API", "when_required"),
    "QuotaExceeded": FULL,
    "BucketQuotaExceeded": FULL,
    "XMinioStorageFull": FULL,
    "XMinioAdminBucketQuotaExceeded": FULL,
    "507": FULL,
    "BadDigest": DAMAGED,
    "InvalidDigest": DAMAGED,
    "IncompleteBody": DAMAGED,
    "XAmzContentSHA256Mismatch": DAMAGED,
    "XAmzContentChecksumMismatch": DAMAGED,
    "407": (ConfigError, "the proxy of the environment requires", "HTTPS_PROXY"),
    "429": BUSY,
    "InvalidBucketName": (ConfigError, f"{BUCKET} is not a valid bucket name", "Correct the bucket name."),
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "InvalidToken": (ConfigError, "the session token of the credentials was refused", "all three"),
    "RequestTimeTooSkewed": (TransientError, "the clock of this machine is wrong", "Set the clock"),
    "SlowDown": BUSY,
    "Throttling": BUSY,
    "ThrottlingException": BUSY,
    "RequestLimitExceeded": BUSY,
    "TooManyRequests": BUSY,
    "503": PASSING,
    "ServiceUnavailable": BUSY,
    "Busy": BUSY,
    "KMS.ThrottlingException": BUSY,
    "408": PASSING,
    "409": PASSING,
    "412": PASSING,
    "425": PASSING,
    "ConditionalRequestConflict": PASSING,
    "InvalidPart": PASSING,
    "InvalidPartOrder": PASSING,
    "KMS.DependencyTimeoutException": PASSING,
    "KMS.KeyUnavailableException": PASSING,
    "KMS.KMSInternalException": PASSING,
    "NoSuchKey": PASSING,
    "NoSuchUpload": PASSING,
    "OperationAborted": PASSING,
    "PreconditionFailed": PASSING,
    "RequestExpired": PASSING,
    "RequestTimeout": PASSING,
}


@pytest.mark.parametrize("code", [*BY_CODE, "KMS.NewOne"])
def test_every_error_code_has_its_cause_and_its_remedy(code: str) -> None:
    """What the user must change is a config_error, everything else is transient."""
    kind, cause, remedy = EXPECTED_BY_CODE[code]
    # Without a body, as in answers to HEAD, botocore takes the status as the code.
    status, operation = (int(code), "HeadObject") if code.isdecimal() else (418, "PutObject")
    error = explained(answer(code, operation, status))
    assert type(error) is kind
    assert str(error).startswith("The rejected rows could not be stored in the bucket: ")
    assert cause in str(error)
    assert "the next attempt sends the rows again that are not yet acknowledged." in str(error)
    assert remedy in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        (
            "InternalError",
            500,
            TransientError,
            "the store answered InternalError with status 500 (PutObject)",
        ),
        ("KMS.KMSInternalException", 500, TransientError, "the store answered KMS.KMSInternalException"),
        ("NewOne", 503, TransientError, "the store answered an error with status 503"),
        # Objects that a bucket's rules, or the store's limits, don't allow.
        (
            "InvalidRequest",
            400,
            ConfigError,
            "refused the request (PutObject) with status 400 and InvalidRequest",
        ),
        ("MissingContentLength", 411, ConfigError, "refused the request (PutObject) with status 411"),
        ("EntityTooLarge", 400, ConfigError, "EntityTooLarge"),
        ("KeyTooLongError", 400, ConfigError, "KeyTooLongError"),
        ("InvalidObjectState", 403, ConfigError, "InvalidObjectState"),
        ("InvalidStorageClass", 400, ConfigError, "InvalidStorageClass"),
        ("NewOne", 400, ConfigError, "with status 400 and an error, which a retry would not change"),
    ],
)
def test_a_code_without_a_row_of_its_own_is_read_by_its_status(
    code: str, status: int, kind: type[SyncError], words: str
) -> None:
    """A refused request is refused again; a store that is in trouble recovers."""
    error = explained(answer(code, status=status))
    assert type(error) is kind
    assert words in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize("code", ["a word <with> a key", ACCESS_KEY_ID])
def test_an_error_code_is_quoted_only_if_s3_has_it(code: str) -> None:
    """Anything else may be a value or a key."""
    error = explained(answer(code))
    assert "with status 418 and an error, which" in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize(
    ("code", "operation", "status", "kind", "words"),
    [
        # Without a code in the answer, botocore takes the status as one.
        ("302", "PutObject", 302, ConfigError, "redirects to another address (status 302)"),
        ("301", "HeadObject", 301, ConfigError, "redirects to another address"),
        ("400", "PutObject", 400, ConfigError, "answered with status 400, but not as an S3 store does"),
        ("400", "HeadObject", 400, TransientError, "the store answered an error with status 400"),
        ("404", "PutObject", 404, ConfigError, "answered with status 404, but not as an S3 store does"),
        ("", "PutObject", 404, ConfigError, "but not as an S3 store does"),
        # A store says why; this is a firewall or a proxy.
        ("", "PutObject", 403, ConfigError, "answered with status 403, but not as an S3 store does"),
        ("401", "ListObjectsV2", 401, ConfigError, "answered with status 401, but not as an S3 store does"),
        ("408", "PutObject", 408, TransientError, "the store answered an error with status 408"),
        ("429", "PutObject", 429, TransientError, "throttles requests"),
        ("407", "PutObject", 407, ConfigError, "the proxy of the environment requires"),
        ("403", "HeadObject", 403, ConfigError, "access to the bucket"),
        ("500", "PutObject", 500, TransientError, "the store answered an error with status 500"),
        # As any gateway answers; a store that throttles has a code for it.
        ("", "PutObject", 503, TransientError, "check the store's own logs, and any proxy or load balancer"),
        ("504", "PutObject", 504, TransientError, "the store answered an error with status 504"),
        ("NoSuchKey", "PutObject", 404, TransientError, "the store answered NoSuchKey"),
    ],
)
def test_an_answer_without_a_code_is_read_by_its_status(
    code: str, operation: str, status: int, kind: type[SyncError], words: str
) -> None:
    """It comes from something else than a store, except in answers to HEAD, which have no body."""
    error = explained(answer(code, operation, status))
    assert type(error) is kind
    assert words in str(error)
    assert_safe(str(error))


def test_a_redirect_of_aws_is_about_the_region() -> None:
    """Its redirects name the region's own host."""
    error = explain(answer("301", status=301), bucket_server.storage(""))
    assert "is in another region" in str(error)


def test_a_redirect_of_a_store_that_the_machine_sets_is_about_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only AWS redirects to regions."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    error = explain(answer("301", status=301), bucket_server.storage(""))
    assert "the store of AWS_ENDPOINT_URL_S3 redirects to another address" in str(error)


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        ("AccessDenied", 403, ConfigError, "role could not be assumed (AWS answered AccessDenied)"),
        ("InvalidIdentityToken", 400, ConfigError, "(AWS answered InvalidIdentityToken)"),
        ("ValidationError", 400, ConfigError, "the role is not named by a valid ARN"),
        ("ThrottlingException", 400, TransientError, "throttles requests"),
        ("ExpiredTokenException", 400, TransientError, "the credentials expired"),
        ("IDPCommunicationError", 400, TransientError, "AWS could not issue credentials"),
        ("InternalFailure", 500, TransientError, "AWS could not issue credentials"),
    ],
)
def test_a_refusal_of_credentials_is_not_an_error_of_the_bucket(
    code: str, status: int, kind: type[SyncError], words: str
) -> None:
    """Whether they are fetched at the start or renewed in the middle of a request."""
    error = explained(failed_in(Step.CREDENTIALS, answer(code, "AssumeRole", status)))
    assert type(error) is kind
    assert words in str(error)
    assert BUCKET not in str(error)
    assert_safe(str(error))
