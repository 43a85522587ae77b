"""What a failing bucket means: the right kind of error, and an explanation for the person who must act."""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING, Any

import pytest
from boto3.exceptions import Boto3Error
from botocore import exceptions as boto
from botocore.exceptions import ClientError, ParamValidationError

from destination_customerio.dead_letters.s3_client import make_client, upload
from destination_customerio.dead_letters.s3_error_table import BY_CODE, InvalidEndpointError, by_exception
from destination_customerio.dead_letters.s3_errors import explain
from destination_customerio.errors import ConfigError, SyncError, TransientError
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, Bucket, Refusal
from unit_tests.track_api.loopback import Reply, Server, http, make_certificate

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


DENIED = (ConfigError, f"access to the bucket {BUCKET} was denied (PutObject)", "s3:PutObject")
REFUSED_KEY = (ConfigError, "the access key was refused", "secret access key")
ELSEWHERE = (ConfigError, "is in another region", "Set the bucket region")
EXPIRED = (TransientError, "the credentials expired", "renew the credentials")
BUSY = (TransientError, "asks for fewer requests", "Try again later")
EXPECTED_BY_CODE = {
    "AccessDenied": DENIED,
    "AllAccessDisabled": DENIED,
    "AccountProblem": DENIED,
    "403": DENIED,
    "Forbidden": DENIED,
    "KMS.": DENIED,
    "NoSuchBucket": (ConfigError, f"there is no bucket {BUCKET}", "create the bucket"),
    "InvalidAccessKeyId": REFUSED_KEY,
    "SignatureDoesNotMatch": REFUSED_KEY,
    "InvalidClientTokenId": REFUSED_KEY,
    "UnrecognizedClientException": REFUSED_KEY,
    "InvalidSecurity": REFUSED_KEY,
    "NotSignedUp": REFUSED_KEY,
    "401": REFUSED_KEY,
    "Unauthorized": REFUSED_KEY,
    "PermanentRedirect": ELSEWHERE,
    "AuthorizationHeaderMalformed": ELSEWHERE,
    "IllegalLocationConstraintException": ELSEWHERE,
    "301": ELSEWHERE,
    "InvalidBucketName": (ConfigError, f"{BUCKET} is not a valid bucket name", "Correct the bucket name."),
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "InvalidToken": EXPIRED,
    "RequestTimeTooSkewed": (TransientError, "the clock of this machine is wrong", "Set the clock"),
    "SlowDown": BUSY,
    "Throttling": BUSY,
    "ThrottlingException": BUSY,
    "RequestLimitExceeded": BUSY,
    "TooManyRequests": BUSY,
    "503": BUSY,
    "ServiceUnavailable": BUSY,
}


def answer(code: str, operation: str = "PutObject") -> ClientError:
    """An error as boto3 raises it for an answer of the store, which may quote anything."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": f"said for {ACCESS_KEY_ID}"},
            "ResponseMetadata": {
                "HTTPStatusCode": 418,
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


@pytest.mark.parametrize("code", [*BY_CODE, "KMS.DisabledException"])
def test_every_error_code_has_its_cause_and_its_remedy(code: str) -> None:
    """What the user must change is a config_error, everything else is transient."""
    kind, cause, remedy = EXPECTED_BY_CODE["KMS." if code.startswith("KMS.") else code]
    error = explained(answer(code))
    assert type(error) is kind
    assert str(error).startswith("The rejected rows could not be stored in the bucket: ")
    assert cause in str(error)
    assert "the next attempt sends the rows again that are not yet acknowledged." in str(error)
    assert remedy in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InternalError", "the store answered InternalError with status 418 (PutObject)"),
        ("", "the store answered an error with status 418 (PutObject)"),
        ("a word <with> a key", "the store answered an error with status 418 (PutObject)"),
    ],
)
def test_an_unknown_error_code_is_quoted_only_if_it_is_a_word(code: str, words: str) -> None:
    """Anything else may be a value or a key."""
    error = explained(answer(code))
    assert type(error) is TransientError
    assert words in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("AccessDenied", ConfigError, "the configured role could not be assumed (AWS answered AccessDenied)"),
        ("ThrottlingException", TransientError, "fewer requests"),
    ],
)
def test_a_role_that_can_not_be_assumed_is_not_an_error_of_the_bucket(
    code: str, kind: type[SyncError], words: str
) -> None:
    """Unless STS is only busy."""
    error = explained(answer(code, "AssumeRole"))
    assert type(error) is kind
    assert words in str(error)


EXCEPTIONS: list[tuple[Exception, type[SyncError], str]] = [
    (boto.NoCredentialsError(), ConfigError, "no AWS credentials were found"),
    (boto.PartialCredentialsError(provider="p", cred_var="v"), ConfigError, "no AWS credentials were found"),
    (
        boto.CredentialRetrievalError(provider="p", error_msg="m"),
        ConfigError,
        "no AWS credentials were found",
    ),
    (boto.InvalidRegionError(region_name="row value"), ConfigError, "not a valid region name"),
    (InvalidEndpointError(), ConfigError, "the endpoint http://127.0.0.1:1 is not a valid URL"),
    (boto.SSLError(endpoint_url="u", error=OSError("e")), TransientError, "TLS certificate"),
    (
        boto.EndpointConnectionError(endpoint_url="u"),
        TransientError,
        "in time (EndpointConnectionError)",
    ),
    (boto.HTTPClientError(error="e"), TransientError, "could not be reached"),
    (boto.ResponseStreamingError(error="e"), TransientError, "could not be reached"),
    (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), TransientError, "could not be reached"),
    (ConnectionResetError(104, "row value"), TransientError, "could not be reached"),
    (TimeoutError("row value"), TransientError, "could not be reached"),
    (OSError(28, "row value"), TransientError, "could not be written (No space left on device)"),
    (boto.DataNotFoundError(data_path="row value"), TransientError, "unexpected way (DataNotFoundError)"),
    (Boto3Error("row value"), TransientError, "unexpected way (Boto3Error)"),
]


@pytest.mark.parametrize(
    ("error", "kind", "words"), EXCEPTIONS, ids=[type(error).__name__ for error, _, _ in EXCEPTIONS]
)
def test_every_exception_has_its_cause(error: Exception, kind: type[SyncError], words: str) -> None:
    """Its own text is never quoted."""
    explanation = explained(error)
    assert type(explanation) is kind
    assert words in str(explanation)
    assert_safe(str(explanation))


def test_every_row_of_the_table_of_exceptions_is_tested() -> None:
    """Each type in it has an example above."""
    types = [kind for kinds, _ in by_exception() for kind in kinds]
    assert all(any(isinstance(error, kind) for error, _, _ in EXCEPTIONS) for kind in types)


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


def test_a_store_with_an_unknown_certificate(tmp_path: Path) -> None:
    """TLS is verified, and no row is sent."""
    with Server(lambda _: http(200), tls=make_certificate(tmp_path).context) as server:
        error = failure(f"https://{server.address}")
        assert not server.requests
    assert type(error) is TransientError
    assert "certificate" in str(error)
    assert_safe(str(error))


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


def test_a_role_that_does_not_trust_the_machine(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal of STS is about the role, not about the bucket."""
    refusal = (
        b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>said for</Message></Error></ErrorResponse>"
    )
    with Server(lambda _: http(403, refusal, "close")) as sts:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        role = "arn:aws:iam::123456789012:role/rejected"
        error = failure(bucket.url, access_key_id="", secret_access_key="", role_arn=role)
    assert type(error) is ConfigError
    assert "could not be assumed" in str(error)
    assert "external ID" in str(error)
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


def test_a_broken_setting_of_boto3_does_not_blame_the_endpoint(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the setting that the endpoint is in may be called invalid."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "many")
    error = failure(bucket.url)
    assert "unexpected error (ValueError)" in str(error)


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
