"""The machine's own settings for AWS: the one at fault is named, wherever it is set, and whether a retry can help."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from botocore import exceptions as boto

from destination_customerio.dead_letters.aws_settings import AwsSettings
from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_errors import explain
from destination_customerio.dead_letters.s3_route import bucket_route
from destination_customerio.errors import ConfigError
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import BUCKET, Bucket
from unit_tests.dead_letters.explaining import assert_safe, failure
from unit_tests.track_api.loopback import Reply, Request, Server, http

if TYPE_CHECKING:
    from pathlib import Path

STORE = "http://127.0.0.1:1"


pytestmark = pytest.mark.usefixtures("bare_machine")


ROLE = "arn:aws:iam::123456789012:role/rejected"


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


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("request_checksum_calculation = x", "request_checksum_calculation in the AWS config file must be"),
        ("sts_regional_endpoints = x", "sts_regional_endpoints in the AWS config file must be regional or"),
        ("defaults_mode = x", "defaults_mode in the AWS config file must be"),
        ("request_min_compression_size_bytes = 9999999", "must be a whole number from 0 to 1048576"),
        ("s3_disable_express_session_auth = x", "in the AWS config file must be true or false"),
        ("s3 =\n  us_east_1_regional_endpoint = x", "s3.us_east_1_regional_endpoint in the AWS config file"),
        ("s3 = x", "in the AWS profile: s3."),
    ],
)
def test_an_invalid_option_of_the_config_file_is_named(profile: Path, option: str, words: str) -> None:
    """As a variable of the environment is."""
    profile.write_text(f"[default]\n{option}\n")
    error = failure(STORE)
    assert type(error) is ConfigError
    assert words in str(error)


def test_the_password_of_an_endpoint_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL may contain one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://user:s3cret@store.example")
    settings = AwsSettings.of_this_machine()
    assert settings.endpoint("s3")
    assert "s3cret" not in repr((settings, settings.endpoint("s3")))


def test_the_number_of_attempts_may_come_from_the_profile(
    profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As everywhere with boto3."""
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    profile.write_text("[default]\nmax_attempts = 3\n")
    client = make_client(bucket_server.storage(STORE))
    assert client.meta.config.retries["total_max_attempts"] == 3  # type: ignore[attr-defined]
    client.close()


@pytest.mark.parametrize(
    ("region", "settings"),
    [
        ("", ({"AWS_DEFAULT_REGION": "eu-west-3"}, {})),
        ("", ({}, {"region": "eu-west-3"})),
        ("eu-west-3", ({"AWS_DEFAULT_REGION": "us-east-2"}, {"region": "us-east-2"})),
    ],
)
def test_a_host_of_any_region_can_be_exempt_from_the_proxy(
    region: str, settings: tuple[dict[str, str], dict[str, str]]
) -> None:
    """The region may come from the machine."""
    storage = bucket_server.storage("", s3_bucket_region=region)
    variables, profile = settings
    environment = {**variables, "HTTPS_PROXY": "http://proxy.example:3128"}
    assert bucket_route(storage, AwsSettings(environment, profile)).proxy
    exempt = {**environment, "NO_PROXY": f"{BUCKET}.s3.eu-west-3.amazonaws.com"}
    assert bucket_route(storage, AwsSettings(exempt, profile)).proxy is None


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("Frankfurt", "Frankfurt is not a region of AWS"),
        ("US-EAST-1", "US-EAST-1 is not a region of AWS"),
        ("auto", "auto is not a region of AWS"),
    ],
)
def test_a_region_that_aws_can_not_have_is_refused(region: str, words: str) -> None:
    """Its host name could not be resolved, which looks like a broken network; other stores have any region."""
    error = failure("", s3_bucket_region=region)
    assert type(error) is ConfigError
    assert words in str(error)
    make_client(bucket_server.storage(STORE, s3_bucket_region=region)).close()


@pytest.mark.parametrize(
    "region", ["us-gov-west-1", "us-isob-east-1", "eusc-de-east-1", "mx-central-1", "aws-global"]
)
def test_every_region_of_aws_is_accepted(region: str) -> None:
    """Also of its other partitions, and those that come one day."""
    make_client(bucket_server.storage("", s3_bucket_region=region)).close()


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_the_variable_of_a_missing_profile_is_named(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """There are two."""
    monkeypatch.setenv(variable, "nobody")
    assert f"that is set for this machine ({variable}) does not exist" in str(failure(STORE))


@pytest.mark.parametrize(
    "text",
    [
        "[default]\nendpoint_url = {}\n",
        "[default]\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = {}\n",
    ],
)
def test_an_endpoint_of_the_config_file_is_an_endpoint(
    profile: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """It is reached without a proxy if it is on this machine, and gets no checksums that other stores don't know."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    def respond(request: Request) -> Reply:
        assert "x-amz-checksum-crc32" not in {name.lower() for name in request.headers}
        return http(200, b"", "close", Connection="close", ETag='"d41d8cd98f00b204e9800998ecf8427e"')

    with Server(respond) as server:
        profile.write_text(text.format(server.url))
        storage = bucket_server.storage("")
        client = make_client(storage)
        client.put_object(Bucket=BUCKET, Key="k", Body=b"")
        client.close()
        assert len(server.requests) == 1


def test_configured_endpoints_may_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the proxy is that for AWS, and messages are about AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", STORE)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    storage = bucket_server.storage("")
    assert bucket_route(storage, AwsSettings.of_this_machine()).proxy is None
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert bucket_route(storage, AwsSettings.of_this_machine()).proxy


def test_an_access_point_is_reached_through_the_proxy() -> None:
    """Its ARN is no host name."""
    storage = bucket_server.storage(
        "", s3_bucket_name="arn:aws:s3:eu-west-1:123456789012:accesspoint/mine", s3_bucket_region="eu-west-1"
    )
    environment = {**os.environ, "HTTPS_PROXY": "http://proxy.example:3128"}
    assert bucket_route(storage, AwsSettings(environment)).proxy
    exempt = {**environment, "NO_PROXY": "mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com"}
    assert bucket_route(storage, AwsSettings(exempt)).proxy is None


@pytest.mark.parametrize("url", ["s3://x", "ftp://x", f"{STORE} ", "http://127.0.0.1:99999"])
def test_an_endpoint_that_boto3_accepts_and_can_not_use_is_named(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Found out only with the first request; no store's logs have it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    storage = bucket_server.storage("")
    client = make_client(storage)
    with pytest.raises(Exception, match="ndpoint") as caught:
        client.head_bucket(Bucket=BUCKET)
    client.close()
    error = explain(caught.value, storage)
    assert type(error) is ConfigError
    assert "can be made from the environment variable AWS_ENDPOINT_URL_S3" in str(error)
