"""What a failing bucket means: the right kind of error, and a sentence for the person who must act."""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ParamValidationError

from destination_customerio.dead_letters.s3_client import make_client, upload
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
    """What a failing upload of one file ends the sync with."""
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
    """Whole sentences, without a secret, a row's value, or what the server said."""
    assert message.endswith(".")
    assert message[0].isupper()
    for secret in (ACCESS_KEY_ID, SECRET_ACCESS_KEY, "row value", "said for"):
        assert secret not in message


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (404, "NoSuchBucket", ConfigError, f"no bucket {BUCKET}"),
        (403, "AccessDenied", ConfigError, "s3:PutObject"),
        (403, "AllAccessDisabled", ConfigError, "denied"),
        (400, "KMS.DisabledException", ConfigError, "KMS key"),
        (403, "InvalidAccessKeyId", ConfigError, "access key was refused"),
        (403, "SignatureDoesNotMatch", ConfigError, "secret access key"),
        (400, "InvalidBucketName", ConfigError, "not a valid bucket name"),
        (400, "AuthorizationHeaderMalformed", ConfigError, "another region"),
        (301, "PermanentRedirect", ConfigError, "another region"),
        (400, "ExpiredToken", TransientError, "expired"),
        (403, "RequestTimeTooSkewed", TransientError, "clock"),
        (503, "SlowDown", TransientError, "fewer requests"),
        (429, "TooManyRequests", TransientError, "fewer requests"),
        (500, "InternalError", TransientError, "InternalError with status 500 (PutObject)"),
        (418, "a word <with> a key", TransientError, "answered an error with status 418"),
    ],
)
def test_an_answer_of_the_store_becomes_a_sentence(
    bucket: Bucket, status: int, code: str, kind: type[SyncError], words: str
) -> None:
    """What the user must change is a config_error, all else is worth another attempt."""
    bucket.refuse = lambda: Refusal(status, code.replace("<", "&lt;"))
    error = failure(bucket.url)
    assert type(error) is kind
    assert words in str(error)
    assert "not yet acknowledged will be sent again" in str(error)
    assert_safe(str(error))


def test_a_store_that_is_not_there() -> None:
    """The endpoint is named, as it is what has to be checked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    error = failure(endpoint)
    assert type(error) is TransientError
    assert f"{endpoint} could not be reached" in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize("then", ["reset", "close"])
def test_a_store_that_breaks_off(then: str) -> None:
    """The same: it could not be reached, now."""
    with Server(lambda _: Reply(b"", then)) as server:
        error = failure(server.url)
    assert type(error) is TransientError
    assert "could not be reached, or did not answer in time" in str(error)
    assert_safe(str(error))


def test_a_store_whose_certificate_nobody_knows(tmp_path: Path) -> None:
    """TLS is verified; the row does not go there."""
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
    """A role needs credentials to start from; the sentence names where to put them."""
    role = "arn:aws:iam::123456789012:role/rejected"
    error = failure(bucket.url, access_key_id="", secret_access_key="", role_arn=role)
    assert type(error) is ConfigError
    assert "AWS_ACCESS_KEY_ID" in str(error)
    assert_safe(str(error))


def test_a_role_that_does_not_trust_the_machine(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """STS's refusal is about the role, not about the bucket."""
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
    """AWS needs one; it may come from the machine's environment instead."""
    error = failure("", s3_bucket_region="")
    assert type(error) is ConfigError
    assert "region" in str(error)
    assert_safe(str(error))


def test_the_region_may_be_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """What boto3 finds there is good enough."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    client = make_client(bucket_server.storage("", s3_bucket_region=""))
    assert client.meta.region_name == "eu-west-3"
    client.close()


def test_the_region_of_another_store_may_be_left_out(bucket: Bucket) -> None:
    """They mostly take any."""
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


def test_a_fault_of_the_connector_is_no_fault_of_the_user(bucket: Bucket) -> None:
    """It is a bug, and its text may hold anything."""
    error = explain(KeyError("row value"), bucket_server.storage(bucket.url))
    assert (type(error), error.failure_type) == (SyncError, "system_error")
    assert_safe(str(error))


def test_a_value_error_of_the_connector_does_not_blame_the_bucket_name(bucket: Bucket) -> None:
    """Only botocore's own validation does."""
    other_parameter = ParamValidationError(report="Invalid type for parameter Key, value: row value")
    for cause in (ValueError("row value"), other_parameter):
        error = explain(cause, bucket_server.storage(bucket.url))
        assert (type(error), error.failure_type) == (SyncError, "system_error")
        assert_safe(str(error))


def test_an_error_of_ours_explains_itself(bucket: Bucket) -> None:
    """It is passed on as it is."""
    ours = ConfigError("Choose a shorter bucket path.")
    assert explain(ours, bucket_server.storage(bucket.url)) is ours


def test_requests_are_tried_again_before_they_fail(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3's own retries, as often as its own setting says."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    refusals = [Refusal(503, "SlowDown")]
    bucket.refuse = lambda: refusals.pop() if refusals else None
    storage = bucket_server.storage(bucket.url)
    client = make_client(storage)
    upload(client, storage, "rejected/key.csv", io.BytesIO(b"whole"), "text/csv")
    client.close()
    assert bucket.objects == {"rejected/key.csv": b"whole"}


def test_without_that_setting_it_is_tried_eight_times(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a minute of trouble does not fail a sync."""
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    client = make_client(bucket_server.storage(bucket.url))
    effective = client.meta.config.retries  # type: ignore[attr-defined]
    assert effective == {"mode": "standard", "total_max_attempts": 8}
    client.close()
