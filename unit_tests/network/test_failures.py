"""A failed connection is described by its step, the same for both clients, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from typing import TYPE_CHECKING

import pytest

from destination_customerio.errors import ConfigError, SyncError, TransientError
from destination_customerio.network.failures import explain_failure
from destination_customerio.network.route import Route
from destination_customerio.network.tls_codes import NOT_TLS
from unit_tests.dead_letters import bucket_server
from unit_tests.network.clients import CLIENTS, Outcome, post
from unit_tests.network.tunnels import Authority, TunnelProxy, make_authority
from unit_tests.track_api.loopback import Reply, Server, http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Client = Callable[[str], Outcome]

HOST = "peer.test"
PASSWORD = "pa55word-never-shown"

pytestmark = pytest.mark.usefixtures("plain_environment")


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep boto3 independent of the machine."""
    bucket_server.isolate(monkeypatch)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the connector trusts only if a variable names it."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=CLIENTS, ids=lambda client: client.__name__)
def request_by(request: pytest.FixtureRequest) -> Client:
    """One request by one of the two clients."""
    client: Client = request.param
    return client


@contextlib.contextmanager
def unused_address() -> Iterator[str]:
    """An address on which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{unused.getsockname()[1]}"


def serving(tls: ssl.SSLContext | None = None) -> Server:
    """A server that accepts every request."""
    return Server(lambda _: http(200, b"{}", ETag='"008a86b0ff8cb8ad49a7e3efd3ba0e8d"'), tls=tls)


def assert_is(outcome: Outcome, kind: type[SyncError], *words: str) -> None:
    """The kind, each of the words (with what the request was for as `{peer}`), and no password."""
    assert outcome.kind is kind, outcome
    for word in words:
        assert word.format(peer=outcome.peer) in outcome.words
    assert PASSWORD not in outcome.words


@pytest.mark.parametrize(
    ("credentials", "status", "kind", "words"),
    [
        ("user:right", 0, ConfigError, "the proxy in HTTPS_PROXY requires other credentials, or any (status 407)"),
        ("", 403, ConfigError, "the proxy in HTTPS_PROXY refused to connect to {peer} (status 403)"),
        ("", 405, ConfigError, "refused to connect to {peer} (status 405)"),
        ("", 429, TransientError, "could not connect to {peer} (status 429)"),
        ("", 502, TransientError, "the proxy in HTTPS_PROXY could not connect to {peer} (status 502)"),
        ("", 504, TransientError, "could not connect to {peer} (status 504)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("userinfo", ["", f"user:{PASSWORD}@"])
def test_a_proxy_that_refuses_connect_is_named(
    request_by: Client,
    monkeypatch: pytest.MonkeyPatch,
    credentials: str,
    status: int,
    kind: type[SyncError],
    words: str,
    userinfo: str,
) -> None:
    """Its status says whether a person must act."""
    with TunnelProxy(credentials=credentials, status=status) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{userinfo}{proxy.address}")
        assert_is(request_by(f"https://{HOST}"), kind, words)
        assert proxy.asked == [f"{HOST}:443"]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_with_credentials_is_used(
    request_by: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    authority: Authority,
    variable: str,
) -> None:
    """Whichever variable names it."""
    with (
        serving(authority.issue(tmp_path, HOST)) as server,
        TunnelProxy(server.address, "us er:p@ss/word") as proxy,
    ):
        monkeypatch.setenv(variable, f"us%20er:p%40ss%2Fword@{proxy.address}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))
        assert request_by(f"https://{HOST}").kind is None
        assert proxy.asked == [f"{HOST}:443"]
        assert len(server.requests) == 1


def test_a_proxy_behind_tls_is_verified(
    request_by: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    """As the server is, with the same authorities."""
    with (
        serving(authority.issue(tmp_path, HOST)) as server,
        TunnelProxy(server.address, tls=authority.issue(tmp_path, "proxy.test")) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"https://{proxy.address}")
        assert_is(
            request_by(f"https://{HOST}"),
            ConfigError,
            "the TLS certificate of the proxy in HTTPS_PROXY could not be verified",
            "REQUESTS_CA_BUNDLE",
        )
        assert server.connections == 0
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))
        assert request_by(f"https://{HOST}").kind is None


def test_a_proxy_whose_name_is_unknown_is_named(request_by: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the server is not to blame."""
    monkeypatch.setenv("ALL_PROXY", f"http://user:{PASSWORD}@proxy.invalid:3128")
    assert_is(
        request_by(f"https://{HOST}"),
        TransientError,
        "the host name of the proxy in ALL_PROXY could not be resolved",
    )


def test_a_proxy_that_refuses_connections_is_named(
    request_by: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be down for a moment."""
    with unused_address() as address:
        monkeypatch.setenv("https_proxy", address)
        assert_is(
            request_by(f"https://{HOST}"), TransientError, "the proxy in https_proxy refused the connection"
        )


@pytest.mark.parametrize(
    "reply", [Reply(b"", "close"), Reply(b"SSH-2.0-server\r\n", "close"), Reply(b"", "reset")]
)
def test_something_else_in_place_of_the_proxy_is_named(
    request_by: Client, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    """Such as a server of another protocol on this port."""
    with _Answering(reply) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{server.address}")
        assert_is(
            request_by(f"https://{HOST}"), TransientError, "the proxy in HTTPS_PROXY closed the connection"
        )


def test_a_silent_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts the connection and does not answer CONNECT."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert_is(
            post(f"https://{HOST}", 0.2), TransientError, "connecting to the proxy in HTTPS_PROXY timed out"
        )


def test_a_proxy_without_tls_is_named(request_by: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to write."""
    with _Answering(http(400, b"no TLS here", "close")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://{proxy.address}")
        assert_is(
            request_by(f"https://{HOST}"),
            ConfigError,
            "the proxy in HTTPS_PROXY does not use TLS on this port",
            "Write http:// instead of https:// in HTTPS_PROXY",
        )


def test_an_unknown_authority_names_the_variable_to_set(
    request_by: Client, tmp_path: Path, authority: Authority
) -> None:
    """Nothing is sent."""
    with serving(authority.issue(tmp_path, HOST)) as server:
        outcome = request_by(f"https://{server.address}")
        assert server.requests == []
    assert_is(outcome, ConfigError, "signed by an unknown authority", "set REQUESTS_CA_BUNDLE to a PEM file")


def test_a_proxy_that_inspects_tls_names_the_variable_to_set(
    request_by: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    """Its authority is one that only the company knows."""
    with serving(authority.issue(tmp_path, HOST)) as server, TunnelProxy(server.address) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        assert_is(
            request_by(f"https://{HOST}"),
            ConfigError,
            "signed by an unknown authority",
            "proxy that inspects TLS",
            "REQUESTS_CA_BUNDLE",
        )


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_without_the_authority_is_named(
    request_by: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    authority: Authority,
    variable: str,
) -> None:
    """The variable that is set is the one to correct."""
    monkeypatch.setenv(variable, str(make_authority(tmp_path, "another").path))
    with serving(authority.issue(tmp_path, HOST)) as server:
        outcome = request_by(f"https://{server.address}")
        assert_is(
            outcome,
            ConfigError,
            f"none of the authorities in {variable}",
            f"Add the CA that signed it to {variable}",
        )
        monkeypatch.setenv(variable, str(authority.path))
        assert request_by(f"https://{server.address}").kind is None


@pytest.mark.parametrize(
    ("host", "days", "kind", "words"),
    [
        (HOST, -1, TransientError, "has expired or is not valid yet"),
        ("other", 1, ConfigError, "is for another host name"),
    ],
)
def test_a_certificate_that_does_not_fit_is_described(
    request_by: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    authority: Authority,
    host: str,
    days: int,
    kind: type[SyncError],
    words: str,
) -> None:
    """A renewed certificate may be in place in a minute, another name needs another URL."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    with serving(authority.issue(tmp_path, host, days)) as server:
        assert_is(request_by(f"https://{server.address}"), kind, f"the TLS certificate of {{peer}} {words}")


def test_a_server_without_tls_is_described(request_by: Client) -> None:
    """It answers the handshake in plain HTTP."""
    with _Answering(http(400, b"no TLS here", "close")) as server:
        assert_is(
            request_by(f"https://{server.address}"),
            ConfigError,
            "{peer} does not use TLS on this port",
            "http:// instead of https://",
        )


def test_an_interrupted_handshake_is_described(request_by: Client) -> None:
    """Firewalls that look for host names do that."""
    with _Answering(Reply(b"", "close")) as server:
        assert_is(request_by(f"https://{server.address}"), TransientError, "TLS handshake with {peer} failed")


ALERTS = [
    ssl.AlertDescription.ALERT_DESCRIPTION_HANDSHAKE_FAILURE,
    ssl.AlertDescription.ALERT_DESCRIPTION_PROTOCOL_VERSION,
    ssl.AlertDescription.ALERT_DESCRIPTION_INSUFFICIENT_SECURITY,
    ssl.AlertDescription.ALERT_DESCRIPTION_ACCESS_DENIED,
    ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME,
]


def refusing(context: ssl.SSLContext, alert: ssl.AlertDescription) -> ssl.SSLContext:
    """A server's side of TLS that ends every handshake with this alert."""
    context.sni_callback = lambda *_: int(alert)
    return context


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_server_that_refuses_this_kind_of_tls_is_described(
    request_by: Client, tmp_path: Path, authority: Authority, alert: ssl.AlertDescription
) -> None:
    """No retry changes which versions and ciphers it accepts, so a person must act."""
    with serving(refusing(authority.issue(tmp_path, HOST), alert)) as server:
        assert_is(
            request_by(f"https://{server.address}"),
            ConfigError,
            "{peer} and the connector could not agree on a TLS connection",
            "TLS 1.2 or 1.3 without a client certificate",
        )


def test_a_server_that_demands_a_client_certificate_is_described(
    request_by: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    """The connector has none."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))
    context = authority.issue(tmp_path, "127.0.0.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in TLS 1.3 it may be noticed after the request
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.path)
    with serving(context) as server:
        assert_is(request_by(f"https://{server.address}"), ConfigError, "without a client certificate")


@pytest.mark.parametrize("alert", ALERTS[:2], ids=lambda alert: alert.name)
def test_a_proxy_that_refuses_this_kind_of_tls_is_described(
    request_by: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    authority: Authority,
    alert: ssl.AlertDescription,
) -> None:
    """Its certificate is not the reason."""
    with TunnelProxy(tls=refusing(authority.issue(tmp_path, "127.0.0.1"), alert)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://{proxy.address}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))
        outcome = request_by(f"https://{HOST}")
    assert_is(outcome, ConfigError, "the proxy in HTTPS_PROXY and the connector could not agree on a TLS")
    assert "could not be verified" not in outcome.words


def test_a_proxy_that_answers_in_place_of_the_host_is_named(
    request_by: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts CONNECT and then sends a page in plain text, although the URL is correct."""
    page = http(403, b"blocked", "close")
    with _Answering(page) as server, TunnelProxy(target=server.address) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        outcome = request_by(f"https://{HOST}")
    assert_is(outcome, ConfigError, "the proxy in HTTPS_PROXY opened a connection to {peer} on which nobody")
    assert "http://" not in outcome.words


def test_a_host_whose_name_is_unknown_is_described(
    request_by: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY exempts it, so no proxy is asked."""
    with TunnelProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        monkeypatch.setenv("NO_PROXY", "10.0.0.0/8, .invalid:443")
        outcome = request_by("https://nowhere.invalid")
        assert_is(outcome, TransientError, "the host name of {peer} could not be resolved")
        assert proxy.asked == []


def test_a_host_that_refuses_connections_is_described(request_by: Client) -> None:
    """No proxy is blamed where none is used."""
    with unused_address() as address:
        assert_is(request_by(f"https://{address}"), TransientError, "{peer} refused the connection")


@pytest.mark.parametrize("error", [ValueError("x"), ConnectionResetError(104, "x"), TimeoutError("x")])
def test_what_fails_after_the_connection_is_left_to_the_caller(error: Exception) -> None:
    """The step is over, and the client knows what it was doing."""
    assert explain_failure(error, Route(), "the Track API") is None


def test_an_answer_without_tls_is_recognized_whatever_openssl_makes_of_it() -> None:
    """Its reason depends on the version."""
    for reason in sorted(NOT_TLS):
        error = ssl.SSLError(1, "x")
        error.reason = reason
        failure = explain_failure(error, Route(), "the Track API")
        assert failure is not None
        assert failure.cause == "the Track API does not use TLS on this port", reason


class _Answering(Server):
    """Answers whatever comes first, be it HTTP or not."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(lambda _: reply)

    def _converse(self, connection: socket.socket, number: int) -> None:  # noqa: ARG002 - the base's signature
        connection.recv(65_536)
        reply = self.answer(None)  # type: ignore[arg-type]
        connection.sendall(reply.raw)
        if reply.then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
        connection.close()
