"""What a failing bucket means: the right kind of error, and an explanation for the person who must act."""

from __future__ import annotations

import io
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_error_table import BY_CODE
from destination_customerio.dead_letters.s3_errors import explain
from destination_customerio.dead_letters.s3_fault_table import BY_FAULT
from destination_customerio.dead_letters.s3_faults import (
    Fault,
    MfaError,
    UnprovenUploadError,
    UnusableKeyError,
    WebPageError,
    fault_of,
)
from destination_customerio.dead_letters.s3_steps import Step, StepFailedError
from destination_customerio.dead_letters.s3_upload import upload
from destination_customerio.errors import ConfigError, SyncError, TransientError
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, Bucket, Refusal
from unit_tests.track_api.loopback import Reply, Request, Server, http, make_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without credentials of its own."""
    bucket_server.isolate(monkeypatch)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """A bucket that takes everything."""
    yield from bucket_server.serve()


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


def assert_safe(message: str) -> None:
    """Whole sentences, without a secret, a row's value, or the text of the response."""
    assert message.endswith(".")
    assert message[0].isupper()
    for secret in (ACCESS_KEY_ID, SECRET_ACCESS_KEY, "row value", "said for"):
        assert secret not in message


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
    "503": BUSY,
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
        ("", "PutObject", 503, TransientError, "throttles requests"),
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
    ("region", "words"),
    [
        ("us-east-1", "can be made from the region us-east-1 and this machine's other settings"),
        ("", "can be made from the environment variable AWS_DEFAULT_REGION and this machine's other"),
    ],
)
def test_the_setting_of_the_region_that_gives_no_address_is_named(
    monkeypatch: pytest.MonkeyPatch, region: str, words: str
) -> None:
    """It may be the machine's."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    storage = bucket_server.storage("", s3_bucket_region=region)
    assert words in str(explain(boto.EndpointProviderError(msg="row value"), storage))


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


def failed_in(step: Step, cause: Exception) -> StepFailedError:
    """A step that failed for this reason."""
    error = StepFailedError(step)
    error.__cause__ = cause
    return error


def tls(cause: Exception) -> Exception:
    """An error of TLS as botocore raises it."""
    return boto.SSLError(endpoint_url="row value", error=cause)


def ssl_error(reason: str, kind: type[ssl.SSLError] = ssl.SSLError, verify_code: int = 0) -> ssl.SSLError:
    """An error of Python's ssl module."""
    error = kind(1, "row value")
    error.reason = reason
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_code = verify_code
    return error


def certificate_error(verify_code: int) -> Exception:
    """A certificate that was not accepted."""
    return tls(ssl_error("CERTIFICATE_VERIFY_FAILED", ssl.SSLCertVerificationError, verify_code))


def raised_by_a_program() -> Exception:
    """As botocore's provider of that name raises it."""

    def _retrieve_credentials_using() -> None:
        raise boto.CredentialRetrievalError(provider="custom-process", error_msg="row value")

    with pytest.raises(boto.CredentialRetrievalError) as caught:
        _retrieve_credentials_using()
    return caught.value


SETTINGS, CREDENTIALS = Step.SETTINGS, Step.CREDENTIALS
MISSING = FileNotFoundError(2, "row value", "/run/token")
NETWORK = "could not be reached, or did not answer in time"
FAULTS: list[tuple[Fault, Exception, type[SyncError], str]] = [
    (Fault.PROFILE, failed_in(SETTINGS, boto.ProfileNotFound(profile="p")), ConfigError, "AWS_PROFILE"),
    (Fault.PROFILE, failed_in(CREDENTIALS, boto.ProfileNotFound(profile="p")), ConfigError, "AWS_PROFILE"),
    (
        Fault.AWS_FILE,
        failed_in(SETTINGS, boto.ConfigParseError(path="/x")),
        ConfigError,
        "can't be read (/x)",
    ),
    (Fault.AWS_FILE, failed_in(SETTINGS, MISSING), ConfigError, "can't be read (/run/token)"),
    (Fault.AWS_FILE, failed_in(CREDENTIALS, boto.ConfigNotFound(path="/x")), ConfigError, "(/x)"),
    (
        Fault.REGION,
        failed_in(SETTINGS, boto.InvalidRegionError(region_name="row value")),
        ConfigError,
        "the bucket region is not a valid region name",
    ),
    (
        Fault.ENDPOINT,
        failed_in(SETTINGS, ValueError("Invalid endpoint: row value")),
        ConfigError,
        "the endpoint http://127.0.0.1:1 is not a valid URL",
    ),
    (Fault.AWS_SETTING, failed_in(SETTINGS, ValueError("row value")), ConfigError, "is invalid (ValueError)"),
    (
        Fault.BUCKET_NAME,
        failed_in(Step.BUCKET_NAME, ParamValidationError(report="row value")),
        ConfigError,
        f"{BUCKET} is not a valid bucket name",
    ),
    (
        Fault.NO_CREDENTIALS,
        failed_in(CREDENTIALS, boto.NoCredentialsError()),
        ConfigError,
        "no AWS credentials were found",
    ),
    (
        Fault.HALF_A_KEY,
        failed_in(CREDENTIALS, boto.PartialCredentialsError(provider="p", cred_var="AWS_SECRET_ACCESS_KEY")),
        ConfigError,
        "one half of an access key",
    ),
    (Fault.CREDENTIALS_FILE, failed_in(CREDENTIALS, MISSING), ConfigError, "(/run/token)"),
    (
        Fault.ROLE_ARN,
        failed_in(
            CREDENTIALS, ParamValidationError(report="Invalid length for parameter RoleArn, row value")
        ),
        ConfigError,
        "the role is not named by a valid ARN",
    ),
    (
        Fault.CREDENTIALS_UNREACHABLE,
        failed_in(CREDENTIALS, boto.EndpointConnectionError(endpoint_url="u")),
        TransientError,
        "the service that issues the AWS credentials could not be reached",
    ),
    (
        Fault.CREDENTIALS_UNREACHABLE,
        failed_in(CREDENTIALS, boto.MetadataRetrievalError(error_msg="row value")),
        TransientError,
        "the service that issues the AWS credentials could not be reached",
    ),
    (
        Fault.CREDENTIALS,
        failed_in(CREDENTIALS, UnusableKeyError()),
        ConfigError,
        "credentials of this machine can't be used: a setting for AWS on this machine is invalid (UnusableKey",
    ),
    (
        Fault.CREDENTIALS_PROFILE,
        failed_in(CREDENTIALS, boto.PartialCredentialsError(provider="p", cred_var="source_profile")),
        ConfigError,
        "incomplete or contradict each other (PartialCredentialsError)",
    ),
    (
        Fault.CREDENTIALS_PROFILE,
        failed_in(CREDENTIALS, boto.CredentialRetrievalError(provider="p", error_msg="row value")),
        ConfigError,
        "incomplete or contradict each other (CredentialRetrievalError)",
    ),
    (
        Fault.CREDENTIALS_PROGRAM,
        failed_in(CREDENTIALS, raised_by_a_program()),
        ConfigError,
        "the program that credential_process names",
    ),
    (
        Fault.SIGN_IN,
        failed_in(CREDENTIALS, boto.UnauthorizedSSOTokenError()),
        ConfigError,
        "needs an interactive sign-in",
    ),
    (Fault.MFA, failed_in(CREDENTIALS, MfaError()), ConfigError, "a code of an MFA device"),
    (
        Fault.ADDRESS,
        boto.EndpointProviderError(msg="row value"),
        ConfigError,
        f"no address for the bucket {BUCKET} can be made from the endpoint http://127.0.0.1:1",
    ),
    (
        Fault.UNSUPPORTED,
        boto.MissingDependencyException(msg="row value"),
        ConfigError,
        "that the connector does not contain",
    ),
    (Fault.WEB_PAGE, WebPageError(), TransientError, "answered with a web page"),
    (Fault.CA_BUNDLE, tls(FileNotFoundError(2, "row value")), ConfigError, "trusted certificates is missing"),
    (Fault.CA_BUNDLE, tls(ssl_error("NO_CERTIFICATE_OR_CRL_FOUND")), ConfigError, "has no certificates"),
    (Fault.CA_BUNDLE, boto.HTTPClientError(error=MISSING), ConfigError, "(/run/token)"),
    (
        Fault.CA_BUNDLE,
        failed_in(CREDENTIALS, boto.HTTPClientError(error=FileNotFoundError(2, "row value"))),
        ConfigError,
        "trusted certificates",
    ),
    (Fault.NO_TLS, tls(ssl_error("WRONG_VERSION_NUMBER")), ConfigError, "does not answer with TLS"),
    (Fault.NO_TLS, tls(ssl_error("RECORD_LAYER_FAILURE")), ConfigError, "write http://127.0.0.1:1 as the"),
    (Fault.CERTIFICATE_TIME, certificate_error(10), ConfigError, "it has expired"),
    (Fault.CERTIFICATE_TIME, certificate_error(9), ConfigError, "not valid yet"),
    (Fault.CERTIFICATE_NAME, certificate_error(62), ConfigError, "another host name"),
    (Fault.CERTIFICATE_NAME, certificate_error(64), ConfigError, "another host name"),
    (Fault.CERTIFICATE_ISSUER, certificate_error(18), ConfigError, "its issuer is not trusted"),
    (Fault.CERTIFICATE_ISSUER, certificate_error(20), ConfigError, "AWS_CA_BUNDLE"),
    (Fault.TLS, tls(ssl_error("SSLV3_ALERT_HANDSHAKE_FAILURE")), TransientError, "no TLS connection"),
    (Fault.PROXY, boto.ProxyConnectionError(proxy_url="row value", error="e"), TransientError, "the proxy"),
    (
        Fault.UNRESOLVED,
        boto.EndpointConnectionError(endpoint_url="u", error=socket.gaierror(-2, "row value")),
        TransientError,
        "its host name could not be resolved",
    ),
    (Fault.UNREACHABLE, boto.EndpointConnectionError(endpoint_url="u"), TransientError, NETWORK),
    (Fault.UNREACHABLE, boto.HTTPClientError(error="row value"), TransientError, NETWORK),
    (Fault.UNREACHABLE, boto.ReadTimeoutError(endpoint_url="u"), TransientError, NETWORK),
    (Fault.UNREACHABLE, boto.ResponseStreamingError(error="row value"), TransientError, NETWORK),
    (
        Fault.UNREACHABLE,
        boto.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        TransientError,
        NETWORK,
    ),
    (Fault.UNREACHABLE, tls(ssl_error("EOF", ssl.SSLEOFError)), TransientError, NETWORK),
    (Fault.UNREACHABLE, ConnectionResetError(104, "row value"), TransientError, NETWORK),
    (Fault.UNREACHABLE, TimeoutError("row value"), TransientError, NETWORK),
    (Fault.UNREADABLE, ResponseParserError("row value"), ConfigError, "not as an S3 store does"),
    (Fault.NO_ETAG, UnprovenUploadError(Fault.NO_ETAG), TransientError, "does not confirm it"),
    (Fault.OTHER_CONTENT, UnprovenUploadError(Fault.OTHER_CONTENT), TransientError, "other content"),
    (Fault.OTHER_SIZE, UnprovenUploadError(Fault.OTHER_SIZE), TransientError, "another number of bytes"),
    (Fault.NOT_STORED, UnprovenUploadError(Fault.NOT_STORED), TransientError, "does not have it"),
    (Fault.DISK, OSError(28, "row value"), TransientError, "could not be written (No space left on device)"),
    (
        Fault.UNKNOWN,
        boto.DataNotFoundError(data_path="row value"),
        TransientError,
        "unexpected way (DataNotFoundError)",
    ),
]


@pytest.mark.parametrize(
    ("fault", "error", "kind", "words"),
    FAULTS,
    ids=[f"{fault.name}-{type(error.__cause__ or error).__name__}" for fault, error, _, _ in FAULTS],
)
def test_every_fault_has_its_cause_and_its_remedy(
    fault: Fault, error: Exception, kind: type[SyncError], words: str
) -> None:
    """What only a person can fix is a config_error; the exception's own text is never quoted."""
    assert fault_of(error) is fault
    explanation = explained(error)
    assert type(explanation) is kind
    assert words in str(explanation)
    assert_safe(str(explanation))


def test_every_row_of_the_table_of_faults_is_tested() -> None:
    """Each has an example above, and each fault has a row."""
    assert set(BY_FAULT) == set(Fault) == {fault for fault, *_ in FAULTS}


def test_an_answer_of_the_store_fails_the_upload(bucket: Bucket) -> None:
    """As it arrives over the network, with a key in its text."""
    bucket.refuse = lambda: Refusal(403, "AccessDenied")
    error = failure(bucket.url)
    assert type(error) is ConfigError
    assert "was denied (PutObject)" in str(error)
    assert_safe(str(error))


def test_a_store_that_does_not_listen() -> None:
    """The endpoint to check is named."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    error = failure(endpoint)
    assert type(error) is TransientError
    assert f"{endpoint} could not be reached" in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize("then", ["reset", "close"])
def test_a_store_that_drops_the_connection(then: str) -> None:
    """It counts as unreachable."""
    with Server(lambda _: Reply(b"", then)) as server:
        error = failure(server.url)
    assert type(error) is TransientError
    assert "could not be reached, or did not answer in time" in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ({}, "its issuer is not trusted"),
        ({"hosts": ["other.example"]}, "another host name"),
        ({"days_left": -1}, "it has expired"),
    ],
    ids=["issuer", "name", "time"],
)
def test_a_certificate_that_can_not_be_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, certificate: dict[str, Any], words: str
) -> None:
    """TLS is verified, no row is sent, and the message says what is wrong."""
    made = make_certificate(tmp_path, **certificate)
    if certificate:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(made.path))
    with Server(lambda _: http(200), tls=made.context) as server:
        error = failure(f"https://{server.address}")
        assert not server.requests
    assert type(error) is ConfigError
    assert words in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_certificates_that_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """The variable is named, not the store's certificate."""
    bundle = tmp_path / "bundle.pem"
    if content:
        bundle.write_text(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    with Server(lambda _: http(200), tls=make_certificate(tmp_path).context) as server:
        error = failure(f"https://{server.address}")
    assert type(error) is ConfigError
    assert "AWS_CA_BUNDLE names a file" in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_broken_bundle_of_the_config_file_is_not_blamed_on_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """It takes precedence over all of them but AWS_CA_BUNDLE."""
    made = make_certificate(tmp_path)
    broken, config = tmp_path / "broken.pem", tmp_path / "config.ini"
    broken.write_text("no certificate")
    config.write_text(f"[default]\nca_bundle = {broken}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv(variable, str(made.path))
    with Server(lambda _: http(200), tls=made.context) as server:
        error = failure(f"https://{server.address}")
    assert type(error) is ConfigError
    assert "has no certificates (ca_bundle in the AWS config file)" in str(error)
    assert_safe(str(error))


def test_a_proxy_that_refuses_the_connection_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variable, and without its password; the store has no part in it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:s3cret-of-the-proxy@127.0.0.1:1")
    error = failure("https://store.example.com")
    assert type(error) is TransientError
    assert "the proxy in HTTPS_PROXY refused the connection" in str(error)
    assert "s3cret" not in str(error)
    assert_safe(str(error))


def test_https_to_a_store_of_plain_http(bucket: Bucket) -> None:
    """An endpoint without a scheme is taken as https; the message says what to write instead."""
    error = failure(bucket.url.removeprefix("http://"))
    assert type(error) is ConfigError
    assert f"write {bucket.url} as the endpoint" in str(error)
    assert "certificate" not in str(error)
    assert_safe(str(error))


HTML = b"<html><head><title>row value</title></head><body><p>Sign in<br></body></html>"


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (404, {}, "answered with status 404, but not as an S3 store does"),
        (405, {}, "answered with status 405, but not as an S3 store does"),
        (400, {}, "answered with status 400, but not as an S3 store does"),
        (308, {"Location": "https://row-value.example"}, "redirects to another address (status 308)"),
        (301, {"Location": "https://row-value.example"}, "redirects to another address (status 301)"),
    ],
)
def test_a_web_page_in_the_store_s_place(status: int, headers: dict[str, str], words: str) -> None:
    """A console, a web server or a proxy: no store whose logs could help."""

    def respond(request: Request) -> Reply:
        return http(status, b"" if request.method == "HEAD" else HTML, "close", Connection="close", **headers)

    with Server(respond) as server:
        error = failure(server.url)
    assert type(error) is ConfigError
    assert words in str(error)
    assert "row-value" not in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize(
    ("endpoint", "server"),
    [
        (f"http://{BUCKET}.store.example:9000", "http://store.example:9000"),
        (f"https://{BUCKET}.s3.eu-central-1.amazonaws.com", "https://s3.eu-central-1.amazonaws.com"),
        (f"http://store.example/{BUCKET}/", "http://store.example"),
        (f"http://store.example/s3/{BUCKET}", "http://store.example/s3"),
    ],
)
@pytest.mark.parametrize(
    ("code", "operation"),
    [("NoSuchKey", "ListObjectsV2"), ("NoSuchBucket", "PutObject"), ("404", "ListObjectsV2")],
)
def test_a_bucket_s_own_address_as_the_endpoint(
    endpoint: str, server: str, code: str, operation: str
) -> None:
    """The store takes the bucket's name for a part of the key; the message has what to enter."""
    storage = bucket_server.storage(endpoint)
    error = explain(answer(code, operation, 404), storage)
    assert type(error) is ConfigError
    assert f"already contains the name of the bucket {BUCKET}" in str(error)
    assert str(error).endswith(f"Enter the address of the store alone: {server}.")


def test_a_store_named_like_the_bucket_is_no_mistake_by_itself() -> None:
    """Only its answers can say so."""
    storage = bucket_server.storage(f"http://{BUCKET}.example")
    assert "access to the bucket" in str(explain(answer("AccessDenied", status=403), storage))


def test_a_machine_without_credentials(bucket: Bucket) -> None:
    """No key in the configuration, and none on the machine."""
    error = failure(bucket.url, access_key_id="", secret_access_key="")
    assert type(error) is ConfigError
    assert "no AWS credentials were found" in str(error)
    assert_safe(str(error))


def test_a_role_that_the_machine_cannot_assume(bucket: Bucket) -> None:
    """A role needs credentials to start from; the message names where to put them."""
    role = "arn:aws:iam::123456789012:role/rejected"
    error = failure(bucket.url, access_key_id="", secret_access_key="", role_arn=role)
    assert type(error) is ConfigError
    assert "AWS_ACCESS_KEY_ID" in str(error)
    assert_safe(str(error))


ROLE = "arn:aws:iam::123456789012:role/rejected"


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a key of its own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)


def role_failure(sts_url: str, monkeypatch: pytest.MonkeyPatch) -> SyncError:
    """The error of an upload with a role, with this STS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
    return failure("http://127.0.0.1:1", access_key_id="", secret_access_key="", role_arn=ROLE)


@pytest.mark.usefixtures("sts")
def test_a_role_that_does_not_trust_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal of STS is about the role, not about the bucket."""
    refusal = (
        b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>said for</Message></Error></ErrorResponse>"
    )
    with Server(lambda _: http(403, refusal, "close")) as sts:
        error = role_failure(sts.url, monkeypatch)
    assert type(error) is ConfigError
    assert "could not be assumed" in str(error)
    assert "external ID" in str(error)
    assert_safe(str(error))


@pytest.mark.usefixtures("sts")
def test_an_sts_that_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is not blamed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    error = role_failure(url, monkeypatch)
    assert type(error) is TransientError
    assert "the service that issues the AWS credentials" in str(error)
    assert_safe(str(error))


def test_a_missing_token_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a Kubernetes service account is not mounted."""
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    error = failure("http://127.0.0.1:1", access_key_id="", secret_access_key="")
    assert type(error) is ConfigError
    assert "AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere/token" in str(error)
    assert "disk" not in str(error)
    assert_safe(str(error))


def test_a_role_of_the_environment_that_is_no_arn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is not the bucket's name that is wrong."""
    token = tmp_path / "token"
    token.write_text("token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "my-role")
    error = failure("http://127.0.0.1:1", access_key_id="", secret_access_key="")
    assert type(error) is ConfigError
    assert "AWS_ROLE_ARN" in str(error)
    assert BUCKET not in str(error)
    assert_safe(str(error))


def test_half_of_a_key_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other half is asked for."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    error = failure("http://127.0.0.1:1", access_key_id="", secret_access_key="")
    assert type(error) is ConfigError
    assert "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in str(error)
    assert_safe(str(error))


BROKEN_SETTINGS = [
    ("AWS_MAX_ATTEMPTS", "abc", "AWS_MAX_ATTEMPTS must be a whole number of at least 1"),
    ("AWS_MAX_ATTEMPTS", "0", "AWS_MAX_ATTEMPTS must be a whole number of at least 1"),
    ("AWS_PROFILE", "nobody", "the AWS profile that is set for this machine (AWS_PROFILE) does not exist"),
    ("AWS_REQUEST_CHECKSUM_CALCULATION", "often", "must be when_supported or when_required"),
    ("AWS_RESPONSE_CHECKSUM_VALIDATION", "often", "must be when_supported or when_required"),
    ("AWS_S3_US_EAST_1_REGIONAL_ENDPOINT", "x", "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT must be"),
    ("AWS_STS_REGIONAL_ENDPOINTS", "x", "AWS_STS_REGIONAL_ENDPOINTS must be"),
    ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "x", "AWS_ACCOUNT_ID_ENDPOINT_MODE must be"),
    ("AWS_DEFAULTS_MODE", "x", "AWS_DEFAULTS_MODE must be"),
    ("AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES", "x", "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES must be"),
]


@pytest.mark.parametrize(("name", "value", "words"), BROKEN_SETTINGS)
def test_a_malformed_variable_is_named(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """With what it must be; neither the bucket nor the endpoint is blamed."""
    monkeypatch.setenv(name, value)
    error = failure(bucket.url)
    assert type(error) is ConfigError
    assert words in str(error)
    assert BUCKET not in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS_METADATA_SERVICE_TIMEOUT", "x", "AWS_METADATA_SERVICE_TIMEOUT must be a whole number"),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "x", "AWS_METADATA_SERVICE_NUM_ATTEMPTS must be"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "x", "must be ipv4 or ipv6"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "x y", "AWS_EC2_METADATA_SERVICE_ENDPOINT must be a URL"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://x.example", "AWS_CONTAINER_CREDENTIALS_FULL_URI must"),
    ],
)
def test_a_malformed_variable_for_credentials_is_named(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """It only matters without an access key in the configuration."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv(name, value)
    error = failure(bucket.url, access_key_id="", secret_access_key="")
    assert type(error) is ConfigError
    assert words in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_of_the_environment_is_not_the_configuration_s(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The variable is named, its value is not shown."""
    monkeypatch.setenv(name, "user:secret-of-mine@nowhere")
    error = failure("")
    assert type(error) is ConfigError
    assert f"the environment variable {name} is not a valid URL" in str(error)
    assert "secret-of-mine" not in str(error)


def test_a_region_of_the_environment_is_not_the_configuration_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "in two words")
    error = failure("", s3_bucket_region="")
    assert "the environment variable AWS_DEFAULT_REGION is not a valid region name" in str(error)


@pytest.mark.parametrize("name", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
@pytest.mark.parametrize("content", [b"this is [ not ini", b"[default]\nregion = \xff\xfe\n"])
def test_a_broken_aws_file_is_named(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, content: bytes
) -> None:
    """Trying again would not correct it."""
    file = tmp_path / "aws"
    file.write_bytes(content)
    monkeypatch.setenv(name, str(file))
    error = failure(bucket.url)
    assert type(error) is ConfigError
    assert f"{name}={file}" in str(error)
    assert_safe(str(error))


def test_a_bucket_without_a_region() -> None:
    """AWS needs one, unless the machine's environment has it."""
    error = failure("", s3_bucket_region="")
    assert type(error) is ConfigError
    assert "region" in str(error)
    assert_safe(str(error))


def test_the_region_may_come_from_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As boto3 finds it there."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    client = make_client(bucket_server.storage("", s3_bucket_region=""))
    assert client.meta.region_name == "eu-west-3"
    client.close()


def test_the_region_of_another_store_is_optional(bucket: Bucket) -> None:
    """Most accept any."""
    client = make_client(bucket_server.storage(bucket.url, s3_bucket_region=""))
    assert client.meta.region_name == "us-east-1"
    client.close()


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("s3_bucket_name", "not a bucket!", "not a bucket! is not a valid bucket name"),
        ("s3_bucket_region", "in two words", "the bucket region is not a valid region name"),
        ("s3_endpoint", "https://-store-", "the endpoint https://-store- is not a valid URL"),
    ],
)
def test_settings_that_botocore_refuses(bucket: Bucket, setting: str, value: str, words: str) -> None:
    """No request is made, and the message names the one setting to correct."""
    error = failure(bucket.url, **{setting: value})
    assert type(error) is ConfigError
    assert words in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize(
    "bug",
    [
        KeyError("row value"),
        ValueError("row value"),
        ParamValidationError(report="Invalid type for parameter Key, value: row value"),
    ],
    ids=lambda bug: type(bug).__name__,
)
def test_a_bug_of_the_connector_does_not_blame_the_configuration(bug: Exception) -> None:
    """Only botocore's own validation may say that the bucket name, the region or the endpoint is wrong."""
    error = explained(bug)
    assert (type(error), error.failure_type) == (SyncError, "system_error")
    assert f"unexpected error ({type(bug).__name__})" in str(error)
    assert_safe(str(error))


def test_an_error_of_the_connector_is_returned_as_it_is() -> None:
    """It explains itself."""
    ours = ConfigError("Choose a shorter bucket path.")
    assert explained(ours) is ours


def test_requests_are_retried_before_they_fail(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """By boto3, as often as its setting says."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    refusals = [Refusal(503, "SlowDown")]
    bucket.refuse = lambda: refusals.pop() if refusals else None
    storage = bucket_server.storage(bucket.url)
    client = make_client(storage)
    upload(client, storage, "rejected/key.csv", io.BytesIO(b"whole"), "text/csv")
    client.close()
    assert bucket.objects == {"rejected/key.csv": b"whole"}


def test_without_that_setting_there_are_eight_attempts(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage of half a minute does not fail a sync."""
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    client = make_client(bucket_server.storage(bucket.url))
    effective = client.meta.config.retries  # type: ignore[attr-defined]
    assert effective == {"mode": "standard", "total_max_attempts": 8}
    client.close()
