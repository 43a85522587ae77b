"""One attempt is one request, to the right host, with the credentials, and every outcome is an `Answer` or `NoAnswer`."""

from __future__ import annotations

import base64
import contextlib
import gzip
import queue
import socket
import threading
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio import __version__
from destination_customerio.config.model import EU_TRACK_URL, US_TRACK_URL, Credentials
from destination_customerio.errors import ConfigError
from destination_customerio.track_api.answer_memory import AnswerMemory
from destination_customerio.track_api.client import TrackClient
from destination_customerio.track_api.verdict import Answer, NoAnswer
from unit_tests.track_api.loopback import Certificate, Reply, Request, Server, http

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Connect = Callable[..., TrackClient]
    Internet = Callable[[Callable[[Request], Reply]], Server]

CREDENTIALS = Credentials.model_validate({"siteId": "site", "apiKey": "schlüssel"})
AUTHORIZATION = "Basic " + base64.b64encode("site:schlüssel".encode()).decode()
BODY = b'{"batch":[{"type":"person"}]}'
LONG_TIMEOUT_SECONDS = 20.0

pytestmark = pytest.mark.usefixtures("plain_environment")


@pytest.fixture
def connect() -> Iterator[Callable[..., TrackClient]]:
    """A factory of clients, which are closed after the test."""
    clients = []

    def make(url: str, read_timeout_seconds: float = LONG_TIMEOUT_SECONDS, **more: Any) -> TrackClient:
        clients.append(TrackClient(url, CREDENTIALS, read_timeout_seconds, **more))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


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
    "beginning", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_silent_server_times_out(connect: Connect, beginning: bytes) -> None:
    """The timeout applies before the answer and in the middle of it."""
    with Server(lambda _: Reply(beginning, "hang")) as server:
        assert isinstance(connect(server.url, 0.1).post_batch(BODY), NoAnswer)
    assert len(server.requests) == 1


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"", repeated=CONTINUE),
        Reply(b"", repeated=CONTINUE * 1_000),
        Reply(b"", repeated=HINTS),
        Reply(b"HTTP/1.1 200 OK\r\n", repeated=b"A: b\r\n"),
        Reply(b"HTTP/1.1 200 OK\r\nA: ", repeated=b"x"),
        Reply(HEAD, repeated=b" "),
        Reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", repeated=b"1\r\n \r\n"),
    ],
    ids=["100", "a flood of 100", "103", "headers", "a header", "a body", "chunks"],
)
def test_an_answer_without_an_end_times_out(connect: Connect, reply: Reply) -> None:
    """The timeout is for the whole answer, however often a part of it comes."""
    with Server(lambda _: reply) as server:
        found = connect(server.url, 0.3).post_batch(BODY)
    assert isinstance(found, NoAnswer)
    assert found.kind in ("no answer in time", "the connection was refused or lost")
    assert len(server.requests) == 1


@pytest.mark.parametrize("interim", [CONTINUE, HINTS, HINTS * 3 + CONTINUE, b"HTTP/1.1 199 x\r\n\r\n"])
def test_interim_answers_are_skipped(connect: Connect, interim: bytes) -> None:
    """The answer is the one that follows, on the same connection."""
    with Server(lambda _: Reply(interim + http(207, b"{}").raw)) as server:
        client = connect(server.url)
        assert [client.post_batch(BODY) for _ in range(3)] == [Answer(207, b"{}")] * 3
    assert server.connections == 1


def test_a_proxy_that_never_ends_its_answer_to_connect_times_out(
    connect: Connect, internet: Internet
) -> None:
    """The time for connecting is for all of it."""
    server = internet(lambda _: http(200))
    server.connect_reply = Reply(b"HTTP/1.1 200 Connected\r\n", repeated=b"A: b\r\n")
    assert isinstance(connect(US_TRACK_URL, 0.3).post_batch(BODY), NoAnswer)
    assert [request.method for request in server.requests] == ["CONNECT"]


SLOW_BODY_BYTES = 400_000


@contextlib.contextmanager
def slow_reader(takes_bytes: int) -> Iterator[str]:
    """A server that takes so many bytes, at most 8 KiB every 30 ms, and then answers; yields its URL."""
    stopping = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            taken = 0
            while taken < takes_bytes and not stopping.wait(0.03):
                taken += len(connection.recv(8_192))
            if takes_bytes >= SLOW_BODY_BYTES:
                connection.sendall(http(200, b"{}").raw)
            stopping.wait(60)

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stopping.set()
        thread.join()


def test_a_request_that_makes_progress_is_not_cut_off(connect: Connect) -> None:
    """The timeout is for a piece of the request, then for the answer; how long it took to send is known."""
    with slow_reader(SLOW_BODY_BYTES) as url:
        found = connect(url, 1.0).post_batch(bytes(SLOW_BODY_BYTES))
    assert found == Answer(200, b"{}")
    assert found.sending_seconds > 0.5


def test_a_request_that_makes_no_progress_times_out(connect: Connect) -> None:
    """Also if the operating system has taken all of it."""
    with slow_reader(10_000) as url:
        found = connect(url, 1.0).post_batch(bytes(SLOW_BODY_BYTES))
    assert found == NoAnswer("the request could not be sent in time")
    assert found.timed_out


def test_a_request_has_a_time_for_all_of_it(connect: Connect) -> None:
    """However small the progress that it makes."""
    with slow_reader(SLOW_BODY_BYTES) as url:
        found = connect(url, 1.0, send_timeout_seconds=0.2).post_batch(bytes(50 * SLOW_BODY_BYTES))
    assert found == NoAnswer("the request could not be sent in time")


@contextlib.contextmanager
def early_server(reply: Reply, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that answers before it has read the body of a request; yields its address."""
    answered = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with tls.wrap_socket(connection, server_side=True) if tls else connection as stream:
            stream.recv(1_024)
            stream.sendall(reply.raw)
            if reply.then == "hang":
                answered.wait(60)

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        answered.set()
        thread.join()


@pytest.fixture(params=["plain", "tls"])
def tls(
    request: pytest.FixtureRequest, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    """Servers with and without TLS."""
    if request.param == "plain":
        return None
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    return certificate.context


EARLY = "an answer before the whole request had been sent"


@pytest.mark.parametrize("then", ["close", "hang"])
@pytest.mark.parametrize("size", [SLOW_BODY_BYTES, 50 * SLOW_BODY_BYTES])
def test_a_success_before_the_whole_request_was_sent_is_none(
    connect: Connect, tls: ssl.SSLContext | None, then: str, size: int
) -> None:
    """Whoever gives it does not know the rows, and nothing else is sent over its connection."""
    with early_server(http(200, b"{}", then), tls) as address:
        found = connect(f"{'https' if tls else 'http'}://{address}", 1.0).post_batch(bytes(size))
    # A connection that is closed with unread bytes may lose the answer too.
    assert found in [NoAnswer(EARLY)] + [NoAnswer("the connection was lost")] * (then == "close")


@pytest.mark.parametrize("size", [SLOW_BODY_BYTES, 50 * SLOW_BODY_BYTES])
def test_a_refusal_before_the_whole_request_was_sent_is_read(
    connect: Connect, tls: ssl.SSLContext | None, size: int
) -> None:
    """A gateway may refuse a request for its length alone."""
    with early_server(http(413, b"{}", "hang"), tls) as address:
        found = connect(f"{'https' if tls else 'http'}://{address}", 1.0).post_batch(bytes(size))
    assert found == Answer(413, b"{}")


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


def test_large_answers_are_read_one_at_a_time(connect: Connect) -> None:
    """The next one waits until the first has been judged, at no cost to its own timeout; small ones don't wait."""
    memory = AnswerMemory()
    body = bytes(8 * 1024 * 1024)
    answers: queue.SimpleQueue[Answer | NoAnswer] = queue.SimpleQueue()
    with Server(lambda request: http(200, body if request.body else b"{}")) as server:
        first, second, third = (connect(server.url, seconds, memory=memory) for seconds in (20.0, 1.0, 20.0))
        held = first.post_batch(BODY)
        thread = threading.Thread(target=lambda: answers.put(second.post_batch(BODY)))
        thread.start()
        thread.join(1.5)
        assert thread.is_alive()
        assert third.get_region() == Answer(200, b"{}")
        held.release()
        assert answers.get(timeout=60) == Answer(200, body)
        thread.join()


def test_an_answer_that_is_given_up_frees_its_memory(connect: Connect) -> None:
    """Whether it was too long, cut off, or too slow."""
    memory = AnswerMemory()
    replies = iter(
        [
            http(200, bytes(64 * 1024 * 1024)),
            Reply(HEAD + bytes(900_000), "close"),
            Reply(HEAD + bytes(900_000), "hang"),
        ]
    )
    with Server(lambda _: next(replies)) as server:
        client = connect(server.url, 1.0, memory=memory)
        for _ in range(3):
            assert isinstance(client.post_batch(BODY), NoAnswer)
    memory.reserve()


@pytest.mark.parametrize("is_compressed", [True, False])
def test_an_oversized_answer_is_not_read_to_the_end(connect: Connect, is_compressed: bool) -> None:
    """Memory is bounded, whether the answer is compressed or not."""
    body = bytes(64 * 1024 * 1024)
    reply = http(200, gzip.compress(body, 1), Content_Encoding="gzip") if is_compressed else http(200, body)
    with Server(lambda _: reply) as server:
        assert connect(server.url).post_batch(BODY) == NoAnswer("the answer was too long")


@pytest.mark.parametrize("value", [b"{}", b"[]", b'""', b'{"batch_index":0}'])
def test_an_answer_of_very_many_values_is_not_parsed(connect: Connect, value: bytes) -> None:
    """It would take many times its length."""
    body = b'{"errors":[' + b",".join([value] * (31_000_000 // (len(value) + 1))) + b"]}"
    with Server(lambda _: http(207, body)) as server:
        assert connect(server.url).post_batch(BODY) == NoAnswer("the answer was too long")


def test_an_answer_about_every_row_is_read(connect: Connect) -> None:
    """A 207 that rejects thousands of rows takes megabytes."""
    body = b'{"errors":[' + b",".join([b'{"message":"' + b"x" * 500 + b'"}'] * 10_000) + b"]}"
    with Server(lambda _: http(207, body)) as server:
        assert connect(server.url).post_batch(BODY) == Answer(207, body)


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
