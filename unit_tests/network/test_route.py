"""The environment gives a URL its proxy and its certificate authorities; a wrong value names its variable only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from destination_customerio.errors import ConfigError
from destination_customerio.network.route import Client, ca_bundle_for, proxy_for, route_to
from unit_tests.network.tunnels import make_authority

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://api.example.com"


def chosen(environ: dict[str, str], url: str = URL) -> tuple[str, str] | None:
    """The variable and the URL of the proxy."""
    proxy = proxy_for(url, environ)
    return (proxy.variable, proxy.url) if proxy else None


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://q:1"}, "HTTPS_PROXY"),
        ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "https_proxy"),
        ({"ALL_PROXY": "http://p:1", "HTTP_PROXY": "http://q:1"}, "ALL_PROXY"),
        ({"all_proxy": "http://p:1", "ALL_PROXY": "http://q:1"}, "all_proxy"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://q:1", "ALL_PROXY": "http://p:1"}, "ALL_PROXY"),
        ({"HTTPS_PROXY": "  http://p:1\n"}, "HTTPS_PROXY"),
    ],
)
def test_the_more_specific_variable_wins(environ: dict[str, str], variable: str) -> None:
    """Lower case before upper case, the scheme's own before ALL_PROXY; a lower-case one that is empty turns its twin off."""
    assert chosen(environ) == (variable, "http://p:1")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HTTPS_PROXY": " "},
        {"HTTP_PROXY": "http://p:1"},
        {"https_proxy": "", "HTTPS_PROXY": "http://p:1"},
    ],
)
def test_without_a_variable_there_is_no_proxy(environ: dict[str, str]) -> None:
    """HTTP_PROXY is for plain HTTP only."""
    assert chosen(environ) is None


def test_plain_http_has_its_own_variable() -> None:
    """A store on a private network may be without TLS."""
    environ = {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:1"}
    assert chosen(environ, "http://store.internal:9000") == ("HTTP_PROXY", "http://p:1")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9000",
        "localhost",
        "LOCALHOST.",
        "api.localhost",
        "[::1]:1",
        "127.8.8.8",
        "[::ffff:127.0.0.1]",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_loopback_is_always_reached_directly(host: str, scheme: str) -> None:
    """A proxy would look for the server on its own machine."""
    environ = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://p:1")
    assert chosen(environ, f"{scheme}://{host}") is None


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("proxy", "http://proxy"),
        ("proxy:3128", "http://proxy:3128"),
        ("HTTP://Proxy.Example.com:3128/", "http://Proxy.Example.com:3128"),
        ("https://proxy:8443", "https://proxy:8443"),
        ("http://user:p%40ss@10.0.0.1:3128", "http://user:p%40ss@10.0.0.1:3128"),
        ("user:pass@proxy:3128", "http://user:pass@proxy:3128"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
        ("http://my_proxy:", "http://my_proxy"),
        ("http://token@proxy.:3128", "http://token:@proxy.:3128"),
        ("http://domain%5Cuser:pass@proxy:3128", "http://domain%5Cuser:pass@proxy:3128"),
    ],
)  # fmt: skip
def test_a_proxy_is_written_in_several_ways(value: str, url: str) -> None:
    """Without a scheme it is http, as for curl."""
    assert chosen({"HTTPS_PROXY": value}) == ("HTTPS_PROXY", url)


@pytest.mark.parametrize(
    "value",
    [
        "http://",
        "http://user:secret@:3128",
        "http://proxy:secret",
        "http://proxy:99999",
        "http://proxy:0",
        "http://[fd00::1",
        "ftp://user:secret@proxy:21",
        '"http://user:secret@proxy:3128"',
        "http://user:sec/ret@proxy:3128",
        "http://user:1#secret@proxy:3128",
        "http://user:1?secret@proxy:3128",
        "http://user:secret@home@proxy:3128",
        "http://user:secr%C3%A9t@proxy:3128",
        "http://user:secret%0A@proxy:3128",
        "http:/proxy.secret:3128",
        "http://proxy/secret.pac",
        "http://pro xy.secret:3128",
        "http://proxy1:80;http://secret:80",
        "http://domain\\user:secret@proxy:3128",
        "http://user:secret@proxy..example:3128",
        "http://user:secret@.:3128",
        f"http://user:secret@{'p' * 64}:3128",
    ],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
def test_an_invalid_proxy_names_the_variable_and_not_its_value(value: str, variable: str) -> None:
    """The value may contain a password."""
    with pytest.raises(
        ConfigError, match=f"^The environment variable {variable} is not a valid proxy URL"
    ) as raised:
        proxy_for(URL, {variable: value})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS4", "socks4a", "socks"])
def test_a_socks_proxy_is_not_supported(scheme: str) -> None:
    """The message says what is."""
    with pytest.raises(ConfigError, match="ALL_PROXY names a SOCKS proxy") as raised:
        proxy_for(URL, {"ALL_PROXY": f"{scheme}://user:secret@proxy:1080"})
    assert "secret" not in str(raised.value)


def test_an_invalid_proxy_that_is_not_used_does_not_matter() -> None:
    """Neither for an exempt host, nor behind a more specific variable."""
    assert chosen({"ALL_PROXY": "socks5://p:1", "NO_PROXY": "example.com"}) is None
    assert chosen({"ALL_PROXY": "socks5://p:1", "HTTPS_PROXY": "http://p:1"}) == ("HTTPS_PROXY", "http://p:1")


def test_the_lower_case_no_proxy_wins() -> None:
    """As for the other variables."""
    environ = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*", "no_proxy": "other.com"}
    assert chosen(environ) == ("HTTPS_PROXY", "http://p:1")


def test_a_route_shows_no_password() -> None:
    """Its repr may get into a test's output, or a debugger's."""
    assert "secret" not in repr(route_to(URL, "bucket", {"HTTPS_PROXY": "http://user:secret@proxy:3128"}))


@pytest.mark.parametrize("url", ["https://[broken", "https://host:port", "", "nonsense"])
def test_a_url_that_is_broken_is_left_to_the_client(url: str) -> None:
    """It knows the setting that the URL comes from."""
    assert proxy_for(url, {"NO_PROXY": "*", "HTTPS_PROXY": "http://p:1"}) is None


@pytest.mark.parametrize(
    ("client", "order"),
    [
        ("track_api", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]),
        ("bucket", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]),
    ],
)
def test_the_first_ca_variable_that_is_set_counts(client: Client, order: list[str], tmp_path: Path) -> None:
    """An empty one is not set."""
    bundle = make_authority(tmp_path).path
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "5ed36f99.0").write_bytes(bundle.read_bytes())
    environ = {name: str(folder if name == "SSL_CERT_DIR" else bundle) for name in order}
    for variable in order:
        found = ca_bundle_for(URL, client, environ)
        assert found
        assert (found.variable, found.path) == (variable, environ[variable])
        environ[variable] = " "
    assert ca_bundle_for(URL, client, environ) is None
    assert route_to(URL, client, environ).verify is True


def test_variables_of_the_other_client_do_not_count(tmp_path: Path) -> None:
    """AWS_CA_BUNDLE is for AWS; boto3 can't use a folder."""
    assert ca_bundle_for(URL, "track_api", {"AWS_CA_BUNDLE": str(tmp_path / "none")}) is None
    assert ca_bundle_for(URL, "bucket", {"SSL_CERT_DIR": str(tmp_path / "none")}) is None


def test_plain_http_needs_no_authorities(tmp_path: Path) -> None:
    """So a wrong variable doesn't matter."""
    environ = {"REQUESTS_CA_BUNDLE": str(tmp_path / "none")}
    assert ca_bundle_for("http://localhost:9000", "bucket", environ) is None


@pytest.mark.parametrize(
    "variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "AWS_CA_BUNDLE"]
)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "could not be read"),
        (b"", "contains no valid certificate"),
        (b"not PEM", "contains no valid certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "contains no valid certificate"),
    ],
)
def test_an_unusable_bundle_names_its_variable(
    variable: str, content: bytes | None, words: str, tmp_path: Path
) -> None:
    """Before anything is sent."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ConfigError, match=f"^The environment variable {variable} names a file that .*{words}"
    ):
        ca_bundle_for(URL, "bucket", {variable: str(path)})


@pytest.mark.parametrize("path", ["/dev/null/ca.pem", "bundle\0.pem", "~/ca.pem"])
def test_a_path_that_can_not_exist_names_its_variable(path: str) -> None:
    """As one that doesn't."""
    with pytest.raises(ConfigError, match="REQUESTS_CA_BUNDLE names a file that could not be read"):
        ca_bundle_for(URL, "track_api", {"REQUESTS_CA_BUNDLE": path})


def test_a_list_of_folders_is_named_as_such(tmp_path: Path) -> None:
    """OpenSSL takes one in SSL_CERT_DIR, but the HTTP clients don't."""
    with pytest.raises(
        ConfigError, match="SSL_CERT_DIR names several folders, but the connector can use only one"
    ):
        ca_bundle_for(URL, "track_api", {"SSL_CERT_DIR": f"{tmp_path}:{tmp_path}"})


def test_a_folder_must_be_prepared_and_is_not_for_the_bucket(tmp_path: Path) -> None:
    """OpenSSL finds a certificate in a folder only by the hash in its name."""
    (tmp_path / "ca.pem").write_bytes(make_authority(tmp_path).path.read_bytes())
    with pytest.raises(ConfigError, match="SSL_CERT_DIR names a folder without certificates"):
        ca_bundle_for(URL, "track_api", {"SSL_CERT_DIR": str(tmp_path)})
    with pytest.raises(
        ConfigError, match="REQUESTS_CA_BUNDLE names a folder, but the bucket's client needs a file"
    ):
        ca_bundle_for(URL, "bucket", {"REQUESTS_CA_BUNDLE": str(tmp_path)})
