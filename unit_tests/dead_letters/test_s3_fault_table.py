"""What a failure without an answer of the store means: the kind of error, its cause and its remedy."""

from __future__ import annotations

import socket
import ssl

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ParamValidationError
from botocore.parsers import ResponseParserError

from destination_customerio.dead_letters.s3_fault_table import BY_FAULT
from destination_customerio.dead_letters.s3_faults import (
    Fault,
    MfaError,
    UnprovenUploadError,
    UnusableKeyError,
    WebPageError,
    fault_of,
)
from destination_customerio.dead_letters.s3_steps import Step
from destination_customerio.errors import ConfigError, SyncError, TransientError
from unit_tests.dead_letters.bucket_server import BUCKET
from unit_tests.dead_letters.explaining import assert_safe, explained, failed_in

pytestmark = pytest.mark.usefixtures("bare_machine")


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
    (Fault.CERTIFICATE_ISSUER, certificate_error(20), ConfigError, "Set REQUESTS_CA_BUNDLE to a PEM file"),
    (Fault.TLS_NOT_AGREED, tls(ssl_error("SSLV3_ALERT_HANDSHAKE_FAILURE")), ConfigError, "could not agree"),
    (Fault.TLS_NOT_AGREED, tls(ssl_error("UNSUPPORTED_PROTOCOL")), ConfigError, "TLS 1.2 or 1.3"),
    (Fault.TLS, tls(ssl_error("TLSV1_ALERT_INTERNAL_ERROR")), TransientError, "no TLS connection"),
    (Fault.PROXY, boto.ProxyConnectionError(proxy_url="row value", error="e"), TransientError, "the proxy"),
    (
        Fault.UNRESOLVED,
        boto.EndpointConnectionError(
            endpoint_url="https://b.store.example:9/row value", error=socket.gaierror(-2, "row value")
        ),
        TransientError,
        "the host name b.store.example could not be resolved",
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
