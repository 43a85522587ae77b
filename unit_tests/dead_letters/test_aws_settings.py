"""The machine's own settings for AWS: the one at fault is named, wherever it is set, and whether a retry can help."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from destination_customerio.dead_letters.aws_settings import AwsSettings
from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_errors import explain
from destination_customerio.dead_letters.s3_route import bucket_route
from destination_customerio.errors import ConfigError, SyncError, TransientError
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY
from unit_tests.track_api.loopback import Reply, Request, Server, http

if TYPE_CHECKING:
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/x"
STORE = "http://127.0.0.1:1"
ASSUMES_A_ROLE = f"[default]\nrole_arn = {ROLE}\nsource_profile = b\n"
WITH_A_KEY = "[profile b]\naws_access_key_id = A\naws_secret_access_key = B\n"
KEY = {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without credentials of its own."""
    bucket_server.isolate(monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))


def failure(endpoint: str = STORE, **values: str) -> SyncError:
    """Why no client can be made; without values, for a bucket with the machine's credentials."""
    storage = bucket_server.storage(endpoint, **{"access_key_id": "", "secret_access_key": "", **values})
    try:
        make_client(storage).close()
    except Exception as error:  # noqa: BLE001 - all of them must be explained
        explanation = explain(error, storage)
        assert not any(part in str(explanation) for part in (ACCESS_KEY_ID, SECRET_ACCESS_KEY))
        return explanation
    raise AssertionError("a client was made")


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The AWS config file."""
    file = tmp_path / "config.ini"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    return file


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
    error = failure(access_key_id=ACCESS_KEY_ID, secret_access_key=SECRET_ACCESS_KEY)
    assert type(error) is ConfigError
    assert words in str(error)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_MAX_ATTEMPTS", "x", "AWS_MAX_ATTEMPTS must be a whole number"),
        ("AWS_RETRY_MODE", "often", "AWS_RETRY_MODE must be legacy or standard or adaptive"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "x", "AWS_STS_REGIONAL_ENDPOINTS must be regional or legacy"),
        ("AWS_ENDPOINT_URL_STS", "x y", "AWS_ENDPOINT_URL_STS must be a URL"),
        ("AWS_ASSUME_ROLE_EXTERNAL_ID", "x", "AWS_ASSUME_ROLE_EXTERNAL_ID must have 2 to 1224"),
        # A mounted secret often ends with a line break: no broken network, and no wrong key.
        ("AWS_ACCESS_KEY_ID", "AKIA\n", "AWS_ACCESS_KEY_ID contains a line break, a space or"),
        ("AWS_SECRET_ACCESS_KEY", "secret\n", "AWS_SECRET_ACCESS_KEY contains a line break"),
        ("AWS_SESSION_TOKEN", "to ken", "AWS_SESSION_TOKEN contains a line break, a space or"),
        ("AWS_SESSION_TOKEN", "tökén", "AWS_SESSION_TOKEN contains a line break, a space or another"),
    ],
)
def test_an_invalid_variable_for_assuming_a_role_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    """The client for STS has the same settings as the bucket's, and needs a key that can be sent."""
    for name, right in {**KEY, "AWS_ENDPOINT_URL_STS": STORE, variable: value}.items():
        monkeypatch.setenv(name, right)
    error = failure(role_arn=ROLE)
    assert type(error) is ConfigError
    assert words in str(error)


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_a_line_break_in_the_machines_key_is_named(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Also where the key is used for the bucket itself."""
    for name, right in {**KEY, variable: "value\n"}.items():
        monkeypatch.setenv(name, right)
    error = failure()
    assert type(error) is ConfigError
    assert f"the environment variable {variable} contains a line break" in str(error)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must name a file that the connector can read, with a token in it"),
        (b"\xff\xfe", "must name a file that the connector can read, with a token in it"),
        (None, "is missing or can't be read (AWS_WEB_IDENTITY_TOKEN_FILE="),
    ],
    ids=["empty", "binary", "folder"],
)
def test_a_useless_token_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, words: str
) -> None:
    """And not the role that it is for."""
    file = tmp_path / "token"
    file.mkdir() if content is None else file.write_bytes(content)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", STORE)
    error = failure()
    assert type(error) is ConfigError
    assert words in str(error)
    assert "ARN of a role" not in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[default]\nrole_arn = {ROLE}\n", "incomplete or contradict each other"),
        (f"[default]\nrole_arn = {ROLE}\nsource_profile = default\n", "(InfiniteLoopConfigError)"),
        (f"[default]\nrole_arn = {ROLE}\nsource_profile = gone\n", "in the AWS profile: role_arn, source_pr"),
        (f"[default]\nrole_arn = {ROLE}\ncredential_source = Environment\n", "a credential_source that has"),
        ("[default]\ncredential_process = /no/such/program\n", "the program that credential_process names"),
        ("[default]\ncredential_process = echo nonsense\n", "did not print credentials (JSONDecodeError)"),
        (
            f"[default]\ncredential_process = {sys.executable} -c 'raise SystemExit(3)'\n",
            "failed, or did not print",
        ),
        (
            "[default]\nsso_start_url = https://x\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n",
            "needs an interactive sign-in",
        ),
        (
            ASSUMES_A_ROLE + "mfa_serial = arn:aws:iam::123456789012:mfa/x\n" + WITH_A_KEY,
            "asks for a code of an MFA device",
        ),
    ],
)
def test_a_profile_that_leads_to_no_credentials_is_explained(profile: Path, text: str, words: str) -> None:
    """By what is wrong with it; a missing program is no missing token."""
    profile.write_text(text)
    error = failure()
    assert type(error) is ConfigError
    assert words in str(error)
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" not in str(error)
    assert "half of an access key" not in str(error)


def test_a_role_of_a_profile_needs_no_region(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket's is there."""
    profile.write_text(ASSUMES_A_ROLE + WITH_A_KEY)
    refusal = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
    with Server(lambda _: http(403, refusal, "close", Connection="close")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        assert "could not be assumed (AWS answered AccessDenied)" in str(failure())


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("AccessDenied", ConfigError, "with its web identity token (AWS answered AccessDenied)"),
        ("ExpiredTokenException", TransientError, "the credentials expired"),
    ],
)
def test_a_refused_web_identity_is_explained_by_its_own_causes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, kind: type[SyncError], words: str
) -> None:
    """No external ID and no other credentials have a part in it; the platform renews the token."""
    (tmp_path / "token").write_text("token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    refusal = f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>".encode()
    with Server(lambda _: http(403, refusal, "close", Connection="close")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        error = failure()
    assert type(error) is kind
    assert words in str(error)


def test_a_key_whose_token_expired_is_not_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again would fail in the same way for ever."""
    refusal = b"<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>"
    with Server(lambda _: http(400, refusal, "close", Connection="close")) as server:
        for name, value in {**KEY, "AWS_SESSION_TOKEN": "t", "AWS_ENDPOINT_URL_STS": server.url}.items():
            monkeypatch.setenv(name, value)
        error = failure(role_arn=ROLE)
    assert type(error) is ConfigError
    assert "nothing renews them (AWS_SESSION_TOKEN is set)" in str(error)


@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:1"])
@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        (f"{STORE}/x", TransientError, "the service that issues the AWS credentials could not be reached"),
        ("http://store.example/x", ConfigError, "AWS_CONTAINER_CREDENTIALS_FULL_URI must be the address"),
    ],
)
def test_an_agent_of_the_container_may_be_back_soon(
    monkeypatch: pytest.MonkeyPatch, address: str, kind: type[SyncError], words: str, proxy: str
) -> None:
    """A wrong address stays wrong; neither STS nor a proxy has a part in it."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
    error = failure()
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize("url", ["", "http://[::1]:9000", "https://[fe80::]"])
def test_an_endpoint_that_boto3_ignores_or_accepts_is_not_at_fault(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Whatever else fails while credentials are fetched."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://store.example/x")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_EC2_METADATA_SERVICE_ENDPOINT"):
        monkeypatch.setenv(name, url)
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI must be the address" in str(failure())


def test_a_secret_on_a_line_of_its_own_is_not_shown(profile: Path) -> None:
    """With an equals sign in it, it is the name of an option."""
    profile.write_text(f"[default]\nrole_arn = {ROLE}\n{SECRET_ACCESS_KEY}==\nregion = eu-west-3\n")
    error = failure()
    assert "in the AWS profile: region, role_arn." in str(error)
    assert SECRET_ACCESS_KEY.lower() not in str(error).lower()


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
    ("variable", "content"), [("AWS_CONTAINER_AUTHORIZATION_TOKEN", None), ("_FILE", "token\n")]
)
def test_a_line_break_in_the_containers_token_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: str | None
) -> None:
    """The address is right."""
    name = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
    if content:
        (tmp_path / "token").write_text(content)
        name += variable
    monkeypatch.setenv(name, str(tmp_path / "token") if content else "to\nken")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{STORE}/x")
    error = failure()
    assert type(error) is ConfigError
    assert f"the environment variable {name} must" in str(error)


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
    key = {"access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET_ACCESS_KEY}
    error = failure("", s3_bucket_region=region, **key)
    assert type(error) is ConfigError
    assert words in str(error)
    make_client(bucket_server.storage(STORE, s3_bucket_region=region, **key)).close()


@pytest.mark.parametrize(
    "region", ["us-gov-west-1", "us-isob-east-1", "eusc-de-east-1", "mx-central-1", "aws-global"]
)
def test_every_region_of_aws_is_accepted(region: str) -> None:
    """Also of its other partitions, and those that come one day."""
    key = {"access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET_ACCESS_KEY}
    make_client(bucket_server.storage("", s3_bucket_region=region, **key)).close()


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_the_variable_of_a_missing_profile_is_named(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """There are two."""
    monkeypatch.setenv(variable, "nobody")
    assert f"that is set for this machine ({variable}) does not exist" in str(failure())


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
