"""One attempt is one request, to the right host, with the credentials, and every outcome is an `Answer` or `NoAnswer`."""

from __future__ import annotations

import base64
import gzip
import socket
import zlib
from typing import TYPE_CHECKING

import pytest

from destination_customerio import __version__
from destination_customerio.config.model import EU_TRACK_URL, US_TRACK_URL
from destination_customerio.errors import ConfigError
from destination_customerio.track_api.verdict import Answer, NoAnswer
from unit_tests.track_api.loopback import Certificate, Reply, Request, Server, http

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from destination_customerio.track_api.client import TrackClient

    Connect = Callable[..., TrackClient]
    Internet = Callable[[Callable[[Request], Reply]], Server]

AUTHORIZATION = "Basic " + base64.b64encode("site:schlüssel".encode()).decode()
BODY = b'{"batch":[{"type":"person"}]}'

pytestmark = pytest.mark.usefixtures("plain_environment")


def test_a_batch_is_posted_to_its_own_endpoint(connect: Connect) -> None:
    """With the query of the path."""
    path = "/api/v1/segments/7/add_customers?id_type=email"
    with Server(lambda _: http(200, b"{}")) as server:
        assert connect(server.url).post_batch(BODY, path) == Answer(200, b"{}")
    assert [request.path for request in server.requests] == [path]


def test_a_batch_is_posted_unchanged(connect: Connect) -> None:
    """The exact bytes go to the batch path, with the credentials in UTF-8 and the version in the User-Agent."""
    with Server(lambda _: http(207, b'{"errors":[]}', Retry_After="7")) as server:
        assert connect(server.url).post_batch(BODY) == Answer(207, b'{"errors":[]}', "7")
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/api/v2/batch", BODY)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["content-length"] == str(len(BODY))
    assert request.headers["authorization"] == AUTHORIZATION
    assert request.headers["user-agent"] == f"airbyte-destination-customerio/{__version__}"


def test_the_region_is_requested(connect: Connect) -> None:
    """The path is below that of the base URL, if it has one."""
    with Server(lambda _: http(200, b"{}")) as server:
        assert connect(server.url + "/base").get_region() == Answer(200, b"{}")
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("GET", "/base/api/v1/accounts/region", b"")
    assert request.headers["authorization"] == AUTHORIZATION


@pytest.mark.parametrize("status", [200, 204, 400, 401, 413, 429, 500, 503, 599])
def test_every_status_is_returned_as_an_answer(connect: Connect, status: int) -> None:
    """The client neither interprets a status nor retries."""
    body = b"" if status == 204 else b"x"
    with Server(lambda _: http(status, body)) as server:
        assert connect(server.url).post_batch(BODY) == Answer(status, body)
    assert len(server.requests) == 1


def test_many_requests_share_one_connection(connect: Connect) -> None:
    """The connection is kept alive through answers of every kind."""
    statuses = [200, 207, 400, 429, 500] * 4
    with Server(lambda request: http(int(request.body), b"{}")) as server:
        client = connect(server.url)
        for status in statuses:
            assert client.post_batch(str(status).encode()) == Answer(status, b"{}")
    assert len(server.requests) == len(statuses)
    assert server.connections == 1


def test_a_closed_idle_connection_is_replaced(connect: Connect) -> None:
    """A server may close an idle connection at any time, which costs no attempt."""
    with Server(lambda _: http(200, b"{}", then="close")) as server:
        client = connect(server.url)
        for _ in range(3):
            assert client.post_batch(BODY) == Answer(200, b"{}")
            assert server.closed.wait(10)
            server.closed.clear()
    assert server.connections == 3


def test_a_compressed_answer_is_decompressed(connect: Connect) -> None:
    """A proxy in between may compress answers."""
    with Server(lambda _: http(200, gzip.compress(b'{"a":1}'), Content_Encoding="gzip")) as server:
        assert connect(server.url).post_batch(BODY) == Answer(200, b'{"a":1}')


def test_an_empty_body_may_be_labelled_as_compressed(connect: Connect) -> None:
    """Some proxies do so."""
    with Server(lambda _: http(200, b"", Content_Encoding="gzip")) as server:
        assert connect(server.url).post_batch(BODY) == Answer(200, b"")


def test_a_byte_order_mark_is_not_part_of_the_answer(connect: Connect) -> None:
    """Some gateways write one."""
    with Server(lambda _: http(200, b"\xef\xbb\xbf{}")) as server:
        assert connect(server.url).post_batch(BODY) == Answer(200, b"{}")


PACKED = gzip.compress(b'{"errors":[{"batch_index":0,"reason":"required","field":"name"}]}')


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "close"),
        Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{}", "close"),
        Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "close"),
        Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", "close"),
        http(200, b"this is not gzip", Content_Encoding="gzip"),
        *(http(200, PACKED[:length], Content_Encoding="gzip") for length in (1, 6, 10)),
        http(207, zlib.compress(b"{}")[:2], Content_Encoding="deflate"),
        Reply(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n"
            + PACKED[:10]
            + b"\r\n0\r\n\r\n"
        ),
    ],
)
def test_a_broken_body_is_not_an_answer(connect: Connect, reply: Reply) -> None:
    """A truncated answer may lack the part that names the errors."""
    with Server(lambda _: reply) as server:
        found = connect(server.url).post_batch(BODY)
    assert found == NoAnswer("the answer was cut off")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"", "reset"),
        Reply(b"", "close"),
        Reply(b"HTTP/1.1 200", "reset"),
        Reply(b"HTTP/1.1 200", "close"),
        Reply(b"HTTP/1.1 200 OK\r\n", "close"),
        Reply(b"HTTP/1.1 200 OK\r\nContent-Le", "close"),
        Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", "close"),
        Reply(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n", "close"),
        Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "reset"),
        Reply(b"no HTTP at all\r\n\r\n", "close"),
        Reply(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "close"),
    ],
)
def test_a_lost_connection_is_not_retried_by_the_client(connect: Connect, reply: Reply) -> None:
    """The lane decides on retries, as it knows the budget and the order."""
    with Server(lambda _: reply) as server:
        client = connect(server.url)
        assert isinstance(client.post_batch(BODY), NoAnswer)
        assert isinstance(client.get_region(), NoAnswer)
    assert [request.method for request in server.requests] == ["POST", "GET"]


def test_a_refused_connection_is_not_an_answer(connect: Connect) -> None:
    """The failure is described without anything from the request."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert connect(url).post_batch(BODY) == NoAnswer("the Track API refused the connection")


@pytest.mark.parametrize(
    "head",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    ],
)
def test_an_answer_that_is_not_http_is_named(connect: Connect, head: bytes) -> None:
    """The connection works, so the cause is what listens there."""
    with Server(lambda _: Reply(head, "close")) as server:
        assert connect(server.url).post_batch(BODY) == NoAnswer("an answer that is not valid HTTP")


def test_cookies_are_not_kept(connect: Connect) -> None:
    """All attempts of a request are alike."""
    with Server(lambda _: http(200, b"{}", Set_Cookie="server=3; Path=/")) as server:
        client = connect(server.url)
        for _ in range(2):
            client.post_batch(BODY)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


def test_the_date_of_an_answer_is_kept(connect: Connect) -> None:
    """Retry-After is measured against it."""
    with Server(lambda _: http(503, Date="Thu, 01 Jan 2026 00:00:29 GMT")) as server:
        answer = connect(server.url).post_batch(BODY)
    assert isinstance(answer, Answer)
    assert answer.date == "Thu, 01 Jan 2026 00:00:29 GMT"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(connect: Connect, status: int) -> None:
    """The other host receives neither rows nor credentials."""
    with Server(lambda _: http(200)) as elsewhere:
        with Server(lambda _: http(status, Location=f"{elsewhere.url}/api/v2/batch")) as server:
            assert connect(server.url).post_batch(BODY) == Answer(status, b"")
        assert elsewhere.connections == 0


def test_the_body_of_a_redirect_is_bounded(connect: Connect) -> None:
    """A redirect with a huge body does not stall the client."""
    reply = http(307, bytes(64 * 1024 * 1024), Location=f"{US_TRACK_URL}/api/v2/batch")
    with Server(lambda _: reply) as server:
        assert connect(server.url).post_batch(BODY) == NoAnswer("the answer was too long")


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/elsewhere",
        "//track.customer.io/",
        "http://track.customer.io/",
        "https://track.customer.io:8443/",
        "https://track.customer.io:port/",
        "https://track.customer.io.example.com/",
        "https://user@track.customer.io/",
        "https://track.customer.io@example.com/",
        "https://example.com/track.customer.io",
        "https://[track.customer.io/",
        "ftp://track.customer.io/",
        "\xff",
    ],
)
def test_only_redirects_to_customer_ios_hosts_are_followed(connect: Connect, location: str) -> None:
    """The target must use https, the default port and the exact host name, however it is spelled."""
    with Server(lambda _: http(307, Location=location)) as server:
        assert connect(server.url).post_batch(BODY) == Answer(307, b"")
    assert len(server.requests) == 1


@pytest.mark.parametrize("host", ["track-eu.customer.io", "TRACK-EU.customer.io:443"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_the_other_region_is_followed(
    connect: Connect, internet: Internet, status: int, host: str
) -> None:
    """Method, body and credentials stay the same for every redirect status."""

    def respond(request: Request) -> Reply:
        if request.host.startswith("track.customer.io"):
            return http(status, Location=f"https://{host}/api/v2/batch")
        return http(200, b"{}")

    server = internet(respond)
    assert connect(US_TRACK_URL).post_batch(BODY) == Answer(200, b"{}")
    first, second = (request for request in server.requests if request.method != "CONNECT")
    assert (first.host, second.host) == ("track.customer.io:443", "track-eu.customer.io:443")
    assert (second.method, second.path, second.body) == ("POST", "/api/v2/batch", BODY)
    assert first.headers["authorization"] == second.headers["authorization"] == AUTHORIZATION


def test_a_redirect_loop_ends(connect: Connect, internet: Internet) -> None:
    """After a few of them, the last one is the answer."""

    def respond(request: Request) -> Reply:
        other = EU_TRACK_URL if request.host.startswith("track.") else US_TRACK_URL
        return http(307, Location=f"{other}/api/v2/batch")

    server = internet(respond)
    assert connect(US_TRACK_URL).post_batch(BODY) == Answer(307, b"")
    assert len([request for request in server.requests if request.method == "POST"]) == 4


@pytest.mark.parametrize("reply", [http(307), http(307, Location="")], ids=["missing", "empty"])
def test_a_redirect_without_a_target_is_not_followed(
    connect: Connect, internet: Internet, reply: Reply
) -> None:
    """The same request is not sent again at once."""
    server = internet(lambda _: reply)
    assert connect(US_TRACK_URL).post_batch(BODY) == Answer(307, b"")
    assert len([request for request in server.requests if request.method == "POST"]) == 1


def test_a_proxy_from_the_environment_sees_no_credentials(connect: Connect, internet: Internet) -> None:
    """It sees only the host name, and one tunnel serves many requests."""
    server = internet(lambda _: http(200, b"{}"))
    client = connect(EU_TRACK_URL)
    for _ in range(3):
        assert client.post_batch(BODY) == Answer(200, b"{}")
    tunnel, *posts = server.requests
    assert (tunnel.method, tunnel.path) == ("CONNECT", "track-eu.customer.io:443")
    assert "authorization" not in tunnel.headers
    assert [request.headers["authorization"] for request in posts] == [AUTHORIZATION] * 3


def test_an_unreachable_proxy_is_not_an_answer(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure names the proxy."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert connect(US_TRACK_URL).post_batch(BODY) == NoAnswer(
            "the proxy in HTTPS_PROXY refused the connection"
        )


def test_plain_http_never_uses_a_proxy(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP is for this machine only, and a proxy would see the credentials."""
    with Server(lambda _: http(200)) as proxy, Server(lambda _: http(200)) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert connect(server.url).post_batch(BODY) == Answer(200, b"")
    assert proxy.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "track.customer.io"])
def test_a_netrc_file_does_not_replace_the_credentials(
    connect: Connect, internet: Internet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str
) -> None:
    """Entries for the host in the user's netrc file are ignored."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {host} login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    world = internet(lambda _: http(200))
    with Server(lambda _: http(200)) as server:
        connect(server.url if host == "127.0.0.1" else US_TRACK_URL).post_batch(BODY)
    assert [*world.requests, *server.requests][-1].headers["authorization"] == AUTHORIZATION


def test_an_untrusted_certificate_is_refused(connect: Connect, certificate: Certificate) -> None:
    """No request is sent, so an eavesdropper learns nothing."""
    with (
        Server(lambda _: http(200), tls=certificate.context) as server,
        pytest.raises(ConfigError, match=r"unknown authority.*REQUESTS_CA_BUNDLE"),
    ):
        connect(f"https://{server.address}").post_batch(BODY)
    assert server.requests == []


@pytest.mark.parametrize("bundle", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_ca_bundle_from_the_environment_is_trusted(
    connect: Connect, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, bundle: str
) -> None:
    """Companies that inspect TLS provide one; an empty variable does not disable verification."""
    with Server(lambda _: http(200), tls=certificate.context) as server:
        monkeypatch.setenv(bundle, "")
        with pytest.raises(ConfigError, match="unknown authority"):
            connect(f"https://{server.address}").post_batch(BODY)
        monkeypatch.setenv(bundle, str(certificate.path))
        assert connect(f"https://{server.address}").post_batch(BODY) == Answer(200, b"")
    assert len(server.requests) == 1


def test_a_missing_ca_bundle_is_a_configuration_error(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No attempt can succeed, so none is retried."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match="REQUESTS_CA_BUNDLE"):
        connect(US_TRACK_URL)


def test_a_ca_bundle_that_disappears_is_a_configuration_error(
    connect: Connect, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is read again for every new connection."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate.path.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    client = connect(US_TRACK_URL)
    bundle.unlink()
    with pytest.raises(ConfigError, match="REQUESTS_CA_BUNDLE is gone"):
        client.post_batch(BODY)
