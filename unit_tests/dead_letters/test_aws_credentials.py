"""The machine's credentials for AWS: what is wrong with them is named, and whether a retry can help."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest

from destination_customerio.errors import ConfigError, SyncError, TransientError
from unit_tests.dead_letters.bucket_server import ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, Bucket
from unit_tests.dead_letters.explaining import machine_failure
from unit_tests.track_api.loopback import Server, http

if TYPE_CHECKING:
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/x"
STORE = "http://127.0.0.1:1"
ASSUMES_A_ROLE = f"[default]\nrole_arn = {ROLE}\nsource_profile = b\n"
WITH_A_KEY = "[profile b]\naws_access_key_id = A\naws_secret_access_key = B\n"
KEY = {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}


pytestmark = pytest.mark.usefixtures("bare_machine")


def test_a_machine_without_credentials(bucket: Bucket) -> None:
    """No key in the configuration, and none on the machine."""
    error = machine_failure(bucket.url)
    assert type(error) is ConfigError
    assert "no AWS credentials were found" in str(error)


def test_a_role_that_the_machine_cannot_assume(bucket: Bucket) -> None:
    """A role needs credentials to start from; the message names where to put them."""
    error = machine_failure(bucket.url, role_arn=ROLE)
    assert type(error) is ConfigError
    assert "AWS_ACCESS_KEY_ID" in str(error)


@pytest.fixture
def _machine_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a key of its own."""
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)


def role_failure(sts_url: str, monkeypatch: pytest.MonkeyPatch) -> SyncError:
    """The error of an upload with a role, with this STS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts_url)
    return machine_failure(role_arn=ROLE)


@pytest.mark.usefixtures("bare_machine", "_machine_key")
def test_a_role_that_does_not_trust_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal of STS is about the role, not about the bucket."""
    refusal = (
        b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>said for</Message></Error></ErrorResponse>"
    )
    with Server(lambda _: http(403, refusal, "close")) as server:
        error = role_failure(server.url, monkeypatch)
    assert type(error) is ConfigError
    assert "could not be assumed" in str(error)
    assert "external ID" in str(error)


@pytest.mark.usefixtures("bare_machine", "_machine_key")
def test_an_sts_that_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is not blamed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    error = role_failure(url, monkeypatch)
    assert type(error) is TransientError
    assert "the service that issues the AWS credentials" in str(error)


def test_a_missing_token_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a Kubernetes service account is not mounted."""
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    error = machine_failure()
    assert type(error) is ConfigError
    assert "AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere/token" in str(error)
    assert "disk" not in str(error)


def test_a_role_of_the_environment_that_is_no_arn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is not the bucket's name that is wrong."""
    token = tmp_path / "token"
    token.write_text("token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "my-role")
    error = machine_failure()
    assert type(error) is ConfigError
    assert "AWS_ROLE_ARN" in str(error)
    assert BUCKET not in str(error)


def test_half_of_a_key_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other half is asked for."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    error = machine_failure()
    assert type(error) is ConfigError
    assert "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in str(error)


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
    error = machine_failure(bucket.url)
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
    error = machine_failure(role_arn=ROLE)
    assert type(error) is ConfigError
    assert words in str(error)


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_a_line_break_in_the_machines_key_is_named(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Also where the key is used for the bucket itself."""
    for name, right in {**KEY, variable: "value\n"}.items():
        monkeypatch.setenv(name, right)
    error = machine_failure()
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
    error = machine_failure()
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
    error = machine_failure()
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
        assert "could not be assumed (AWS answered AccessDenied)" in str(machine_failure())


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
        error = machine_failure()
    assert type(error) is kind
    assert words in str(error)


def test_a_key_whose_token_expired_is_not_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again would fail in the same way for ever."""
    refusal = b"<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>"
    with Server(lambda _: http(400, refusal, "close", Connection="close")) as server:
        for name, value in {**KEY, "AWS_SESSION_TOKEN": "t", "AWS_ENDPOINT_URL_STS": server.url}.items():
            monkeypatch.setenv(name, value)
        error = machine_failure(role_arn=ROLE)
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
    error = machine_failure()
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
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI must be the address" in str(machine_failure())


def test_a_secret_on_a_line_of_its_own_is_not_shown(profile: Path) -> None:
    """With an equals sign in it, it is the name of an option."""
    profile.write_text(f"[default]\nrole_arn = {ROLE}\n{SECRET_ACCESS_KEY}==\nregion = eu-west-3\n")
    error = machine_failure()
    assert "in the AWS profile: region, role_arn." in str(error)
    assert SECRET_ACCESS_KEY.lower() not in str(error).lower()


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
    error = machine_failure()
    assert type(error) is ConfigError
    assert f"the environment variable {name} must" in str(error)
