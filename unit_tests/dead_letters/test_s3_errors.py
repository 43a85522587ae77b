"""Uploads that fail: the right kind of error, and an explanation for the person who must act."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ParamValidationError

from destination_customerio.dead_letters.s3_errors import explain
from destination_customerio.errors import ConfigError, SyncError, TransientError
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import BUCKET, Bucket, Refusal
from unit_tests.dead_letters.explaining import answer, assert_safe, explained, failure
from unit_tests.track_api.loopback import Reply, Request, Server, http, make_certificate

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("bare_machine")


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


@pytest.mark.usefixtures("plain_environment")
@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ((), "REQUESTS_CA_BUNDLE"),
        (("REQUESTS_CA_BUNDLE",), "REQUESTS_CA_BUNDLE"),
        (("SSL_CERT_FILE",), "SSL_CERT_FILE"),
        (("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"), "AWS_CA_BUNDLE"),
        (("AWS_CONFIG_FILE", "REQUESTS_CA_BUNDLE"), "ca_bundle in the AWS config file"),
    ],
)
def test_the_setting_that_lacks_an_authority_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: tuple[str, ...], named: str
) -> None:
    """The one that is in use, as any other would be ignored."""
    folder = tmp_path / "other"
    folder.mkdir()
    other, config = make_certificate(folder).path, tmp_path / "config.ini"
    config.write_text(f"[default]\nca_bundle = {other}\n")
    for variable in variables:
        monkeypatch.setenv(variable, str(config if variable == "AWS_CONFIG_FILE" else other))
    with Server(lambda _: http(200), tls=make_certificate(tmp_path).context) as server:
        error = failure(f"https://{server.address}")
    assert type(error) is ConfigError
    assert "its issuer is not trusted. The sync stops" in str(error)
    assert f"Set {named} to a PEM file" in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize(
    ("style", "host"), [("path", "store.invalid"), ("virtual", f"{BUCKET}.store.invalid")]
)
def test_the_host_whose_name_is_unknown_is_named(style: str, host: str) -> None:
    """With the bucket's name before it, it needs an entry of its own in DNS."""
    error = failure("http://store.invalid:9000", s3_addressing_style=style)
    assert type(error) is TransientError
    assert f"the host name {host} could not be resolved" in str(error)
    assert_safe(str(error))


@pytest.mark.parametrize("value", ["", "row value", "Thu, 26 Nov 99999 10:00:00 GMT"])
def test_a_value_that_can_not_be_read_is_no_bug_of_the_connector(value: str) -> None:
    """A time, here; boto3 raises what its conversions raise."""
    etag = '"8f00b204"'

    def respond(request: Request) -> Reply:
        late = {"Last-Modified": value} if request.method == "HEAD" else {}
        return http(200, b"", "close", ETag=etag, Connection="close", **late)

    with Server(respond) as server:
        error = failure(server.url)
    assert type(error) is ConfigError
    assert "answered, but not as an S3 store does" in str(error)
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
