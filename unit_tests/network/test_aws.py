"""The clients that boto3 makes on its own, to sign in, take the same route as the bucket's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from destination_customerio.dead_letters.aws_settings import AwsSettings
from destination_customerio.dead_letters.s3_route import bucket_route
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from unit_tests.network.clients import head
from unit_tests.network.tunnels import TunnelProxy, make_authority
from unit_tests.track_api.loopback import Server, http

if TYPE_CHECKING:
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/rejected"
STORE = "https://store.test"
STS = "https://sts.test"
_GIVEN = (
    b"<{0}Response><{0}Result><Credentials><AccessKeyId>ASIAUNIT</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
    b"<SessionToken>t</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></{0}Result></{0}Response>"
)

pytestmark = pytest.mark.usefixtures("plain_environment")


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep boto3 independent of the machine."""
    bucket_server.isolate(monkeypatch)


@pytest.mark.parametrize("kind", ["AssumeRole", "AssumeRoleWithWebIdentity"])
def test_signing_in_goes_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """With a role of the configuration, and with a web identity of the machine."""
    authority = make_authority(tmp_path)
    given = _GIVEN.replace(b"{0}", kind.encode())
    with (
        Server(
            lambda request: http(200, given if request.method == "POST" else b""),
            tls=authority.issue(tmp_path, "*.test"),
        ) as server,
        TunnelProxy(server.address) as proxy,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://sts.test")
        monkeypatch.setenv("ALL_PROXY", proxy.address)
        monkeypatch.setenv("CURL_CA_BUNDLE", str(authority.path))
        values = {"access_key_id": "", "secret_access_key": ""}
        if kind == "AssumeRole":
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            values["role_arn"] = ROLE
        else:
            token = tmp_path / "token"
            token.write_text("token")
            monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
            monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        assert head(STORE, **values).kind is None
        assert proxy.asked == ["sts.test:443", "store.test:443"]


def test_no_proxy_may_exempt_sign_in_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside AWS, STS often has an address of its own in the network."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://sts.invalid")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
    with TunnelProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        monkeypatch.setenv("NO_PROXY", "sts.invalid")
        outcome = head(STORE, access_key_id="", secret_access_key="", role_arn=ROLE)
        assert "could not be resolved" in outcome.words
        assert proxy.asked == []


def test_the_profiles_bundle_comes_after_aws_ca_bundle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And before the variables that are not AWS's own."""
    authority, other = make_authority(tmp_path), make_authority(tmp_path, "other")
    profile = tmp_path / "config"
    profile.write_text(f"[default]\nca_bundle = {authority.path}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.path))
    with Server(lambda _: http(200), tls=authority.issue(tmp_path, "store.test")) as server:
        assert head(f"https://{server.address}").kind is None
        monkeypatch.setenv("AWS_CA_BUNDLE", str(other.path))
        assert "none of the authorities in AWS_CA_BUNDLE" in head(f"https://{server.address}").words


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize("bucket", ["rejected", "rejected.example"])
def test_no_proxy_is_compared_with_the_host_that_boto3_uses(
    monkeypatch: pytest.MonkeyPatch, region: str, bucket: str
) -> None:
    """The host depends on the region, and on whether the bucket's name has a dot."""
    values = {"s3_bucket_name": bucket, "s3_bucket_region": region}
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with TunnelProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        head("", **values)
        (asked,) = proxy.asked
    storage = bucket_server.storage("", **values)
    assert bucket_route(storage, AwsSettings(dict(os.environ))).proxy
    assert bucket_route(storage, AwsSettings({**os.environ, "NO_PROXY": asked})).proxy is None


def test_a_blank_aws_ca_bundle_is_not_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As an empty one; the next variable counts."""
    authority = make_authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", " ")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))
    with Server(lambda _: http(200), tls=authority.issue(tmp_path, "store.test")) as server:
        assert head(f"https://{server.address}").kind is None
