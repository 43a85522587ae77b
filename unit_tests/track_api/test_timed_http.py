"""One attempt has one time to leave and one to be answered, however the other side spends it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from destination_customerio.config.model import US_TRACK_URL
from destination_customerio.track_api.verdict import Answer, NoAnswer
from unit_tests.track_api.loopback import Certificate, Reply, Request, Server, http

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from destination_customerio.track_api.client import TrackClient

    Connect = Callable[..., TrackClient]
    Internet = Callable[[Callable[[Request], Reply]], Server]

BODY = b'{"batch":[{"type":"person"}]}'

pytestmark = pytest.mark.usefixtures("plain_environment")


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
    assert found == NoAnswer("no answer in time")
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
def serving(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server of one connection, until the event is set, that takes little of a request at once; yields its address."""
    ended = threading.Event()

    def accept(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        serve(connection, ended)

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        thread.join()


@contextlib.contextmanager
def slow_reader(takes_bytes: int) -> Iterator[str]:
    """A server that takes so many bytes, at most 8 KiB every 30 ms, and then answers; yields its URL."""

    def serve(connection: socket.socket, ended: threading.Event) -> None:
        with connection, contextlib.suppress(OSError):
            taken = 0
            while taken < takes_bytes and not ended.wait(0.03):
                taken += len(connection.recv(8_192))
            if takes_bytes >= SLOW_BODY_BYTES:
                connection.sendall(http(200, b"{}").raw)
            ended.wait(60)

    with serving(serve) as address:
        yield f"http://{address}"


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


def early_server(reply: Reply, tls: ssl.SSLContext | None = None) -> AbstractContextManager[str]:
    """A server that answers before it has read the body of a request; yields its address."""

    def serve(connection: socket.socket, ended: threading.Event) -> None:
        with tls.wrap_socket(connection, server_side=True) if tls else connection as stream:
            stream.recv(1_024)
            stream.sendall(reply.raw)
            if reply.then == "hang":
                ended.wait(60)

    return serving(serve)


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
