"""A proxy before S3 and STS that keeps what passes, and may refuse or change it.

moto grants everything to everybody; what AWS would refuse is refused here.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESET = "a reset connection instead of an answer"
_STATUS_OF = {
    "NoSuchBucket": HTTPStatus.NOT_FOUND,
    "ExpiredToken": HTTPStatus.BAD_REQUEST,
    "SlowDown": HTTPStatus.SERVICE_UNAVAILABLE,
    "InternalError": HTTPStatus.INTERNAL_SERVER_ERROR,
    "NotImplemented": HTTPStatus.NOT_IMPLEMENTED,
}
CONDITIONS = frozenset({"if-match", "if-none-match"})
_NOT_FORWARDED = frozenset({"connection", "transfer-encoding", "expect", "content-length"})


@dataclass(frozen=True)
class Request:
    """One request as it passed."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def signed_by(self) -> str:
        """The access key id of its signature."""
        return self.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]


@dataclass
class Proxy:
    """What passes, and what is done to it.

    refuse        names the S3 error that answers a request, or `RESET`
    change        rewrites the body of an answer
    upload        rewrites the body of a request
    headers       rewrites the headers of an answer
    date          the Date of answers; "" for the time
    header_name   rewrites the names of an answer's headers
    ignored       headers of writes that the store doesn't know
    midway        is called when half of an answer's body is sent
    is_kept_alive whether a connection may have several requests; it is open until the client ends then
    connections   the ports that requests came from
    """

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    refuse: Callable[[Request], str | None] = lambda _: None
    change: Callable[[Request, bytes], bytes] = lambda _, body: body
    upload: Callable[[Request], bytes] = lambda request: request.body
    headers: Callable[[Request, dict[str, str]], dict[str, str]] = lambda _, headers: headers
    date: str = ""
    header_name: Callable[[str], str] = lambda name: name
    ignored: frozenset[str] = frozenset()
    midway: Callable[[Request], None] = lambda _: None
    is_kept_alive: bool = False
    connections: set[int] = field(default_factory=set)


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, proxy: Proxy, target: str) -> None:
        self.proxy = proxy
        self.target = target
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no failure of the proxy's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._pass_on()

    def do_HEAD(self) -> None:
        self._pass_on()

    def do_PUT(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def do_DELETE(self) -> None:
        self._pass_on()

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """See `BaseHTTPRequestHandler`."""
        return self.server.proxy.date or super().date_time_string(timestamp)

    def _pass_on(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        proxy.requests.append(request)
        proxy.connections.add(self.client_address[1])
        code = proxy.refuse(request)
        if code == RESET:
            # With nothing to wait for, closing sends a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if code:
            refusal = f"<Error><Code>{code}</Code><Message>refused by the test</Message></Error>"
            self._answer(request, _STATUS_OF.get(code, HTTPStatus.FORBIDDEN), {}, refusal.encode())
            return
        ignored = proxy.ignored if self.command not in ("GET", "HEAD") else frozenset()
        passed = {name: value for name, value in headers.items() if name not in _NOT_FORWARDED | ignored}
        with contextlib.closing(HTTPConnection(self.server.target, timeout=30)) as connection:
            connection.request(self.command, self.path, proxy.upload(request), passed)
            answer = connection.getresponse()
            content = proxy.change(request, answer.read())
            headers = {proxy.header_name(name): value for name, value in answer.getheaders()}
            if self.command == "HEAD":
                headers["Content-Length"] = answer.getheader("Content-Length", "0")
            self._answer(request, answer.status, proxy.headers(request, headers), content)

    def _answer(self, request: Request, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _NOT_FORWARDED | {"server", "date"}:
                self.send_header(name, value)
        self.send_header(
            "Content-Length", headers.get("Content-Length", str(len(body))) if not body else str(len(body))
        )
        if not self.server.proxy.is_kept_alive:
            # Nothing is left open when the proxy ends.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.server.proxy.midway(request)
        self.wfile.write(body[len(body) // 2 :])


@contextlib.contextmanager
def proxy_to(url: str) -> Iterator[Proxy]:
    """A proxy to the server at `url`, for as long as the context is open."""
    proxy = Proxy()
    with _Server(proxy, urlsplit(url).netloc) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
