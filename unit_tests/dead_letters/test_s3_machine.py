"""Credentials and settings of the machine that the bucket's client can't use: the one at fault is named."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from botocore import exceptions as boto

from destination_customerio.dead_letters.s3_errors import explain
from destination_customerio.errors import ConfigError, SyncError, TransientError
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, Bucket
from unit_tests.dead_letters.explaining import assert_safe, failure
from unit_tests.track_api.loopback import Server, http

if TYPE_CHECKING:
    from pathlib import Path


ROLE = "arn:aws:iam::123456789012:role/rejected"


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without credentials of its own."""
    bucket_server.isolate(monkeypatch)


def test_a_machine_without_credentials(bucket: Bucket) -> None:
    """No key in the configuration, and none on the machine."""
    error = failure(bucket.url, access_key_id="", secret_access_key="")
    assert type(error) is ConfigError
    assert "no AWS credentials were found" in str(error)
    assert_safe(str(error))


def test_a_role_that_the_machine_cannot_assume(bucket: Bucket) -> None:
    """A role needs credentials to start from; the message names where to put them."""
    error = failure(bucket.url, access_key_id="", secret_access_key="", role_arn=ROLE)
    assert type(error) is ConfigError
    assert "AWS_ACCESS_KEY_ID" in str(error)
    assert_safe(str(error))


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


def test_a_bucket_without_a_region() -> None:
    """AWS needs one, unless the machine's environment has it."""
    error = failure("", s3_bucket_region="")
    assert type(error) is ConfigError
    assert "region" in str(error)
    assert_safe(str(error))
