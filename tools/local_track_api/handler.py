"""HTTP/1.1 around the service: one handler a connection, kept alive."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tools.local_track_api.answers import JSON_TYPE, Answer, answer
from tools.local_track_api.control import PREFIX, control
from tools.local_track_api.segments import segment_request
from tools.local_track_api.service import Exchange, Head

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.local_track_api.faults import Rule
    from tools.local_track_api.server import TrackServer

BATCH_PATH = "/api/v2/batch"
REGION_PATH = "/api/v1/accounts/region"

# A larger body is not read to the end: the server answers and closes the connection.
_MAX_READ_BYTES = 16_000_000
_NOTICE_SECONDS = 0.02
# Linger for no time: close() then sends a reset, and drops what is unsent.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_TRUNCATED_BYTES = 100
_EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
_ENDLESS = {
    "interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "drip": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
}


class TrackHandler(BaseHTTPRequestHandler):
    """Answers the paths of the Track API, and the control endpoints."""

    server: TrackServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def parse_request(self) -> bool:
        """Note when the request's first line came, then read its head."""
        self._arrived_at = time.monotonic()
        return super().parse_request()

    def do_GET(self) -> None:
        """The region, or a control endpoint."""
        self._dispatch()

    def do_POST(self) -> None:
        """A batch, or a control endpoint."""
        self._dispatch()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        """Stay quiet: what happened is in the report."""

    def _dispatch(self) -> None:
        path = urlsplit(self.path).path
        if (self.command, path) == ("POST", BATCH_PATH):
            self._take("batch", self.server.service.batch_answer)
        elif self.command == "POST" and (call := segment_request(self.path)) is not None:
            self._take("segments", partial(self.server.service.segment_answer, call))
        elif (self.command, path) == ("GET", REGION_PATH):
            self._region()
        elif isinstance(body := self._read_body(), Answer):
            self._send(body)
        elif path.startswith(PREFIX):
            self._send(control(self.server.service, self.command, path, body))
        else:
            self._send(answer(HTTPStatus.NOT_FOUND, {"message": "no such path"}))

    def _region(self) -> None:
        service = self.server.service
        exchange = service.begin(self._head("region"))
        if service.fault_before_body(exchange):
            self._reset()
            return
        if isinstance(body := self._read_body(), Answer):
            self._send(body)
            return
        rule = service.fault(exchange, body)
        self._finish(exchange, service.region_answer(exchange, rule), rule)

    def _take(self, path: str, answer_to: Callable[[Exchange, bytes, Rule | None], Answer]) -> None:
        service = self.server.service
        exchange = service.begin(self._head(path))
        rule = service.fault_before_body(exchange)
        sent: Answer | None = None
        try:
            if rule is None:
                body = self._read_body(required=True)
                if isinstance(body, Answer):
                    sent = body
                else:
                    rule = service.fault(exchange, body)
                    sent = answer_to(exchange, body, rule)
        finally:
            # No answer: a reset before the body, or a client that hung up within it.
            if sent is None:
                service.end(exchange, None, rule)
        if sent is not None:
            self._finish(exchange, sent, rule)
        elif rule is not None and rule.early is not None:
            self.close_connection = True
            self.wfile.write(rule.early.encode("latin-1"))
        else:
            self._reset()

    def _finish(self, exchange: Exchange, sent: Answer, rule: Rule | None) -> None:
        """Send the answer, as late and as broken as the fault asks for."""
        service = self.server.service
        latency_seconds = exchange.state.latency_seconds if exchange.head.path != "region" else 0.0
        if rule is not None:
            latency_seconds += rule.delay_seconds + (rule.hang_seconds or 0.0)
        self._wait(latency_seconds)
        if rule is not None and (rule.hang_seconds is not None or rule.reset_after_apply):
            service.end(exchange, None, rule)
            self.close_connection = True
            if rule.reset_after_apply:
                self._reset()
            return
        if self._client_is_gone():
            service.end(exchange, None, rule)
            self.close_connection = True
            return
        service.end(exchange, sent, rule)
        if rule is not None:
            self.wfile.write(_EARLY_HINTS * rule.early_hints)
            if rule.endless is not None:
                self._send_without_end(*_ENDLESS[rule.endless])
                return
            if rule.raw is not None:
                self.close_connection = True
                self.wfile.write(rule.raw.encode("latin-1"))
                return
        self._send(sent, missing_bytes=_TRUNCATED_BYTES if rule is not None and rule.truncate else 0)

    def _send_without_end(self, beginning: bytes, repeated: bytes) -> None:
        """Send the same bytes again and again, until the client hangs up."""
        self.close_connection = True
        self.wfile.write(beginning)
        while not self._client_is_gone():
            self.wfile.write(repeated)
            time.sleep(_NOTICE_SECONDS)

    def _head(self, path: str) -> Head:
        return Head(
            path=path,
            connection=self.client_address[1],
            authorization=self.headers.get("Authorization", ""),
            content_type=self.headers.get("Content-Type", ""),
            user_agent=self.headers.get("User-Agent", ""),
            arrived_at=self._arrived_at,
            client_is_gone=self._client_is_gone,
        )

    def _read_body(self, *, required: bool = False) -> bytes | Answer:
        """The request's body, or what to answer when it can't be had."""
        length = self.headers.get("Content-Length")
        if "Transfer-Encoding" in self.headers or (length is None and required):
            self.close_connection = True
            return answer(HTTPStatus.LENGTH_REQUIRED, {"message": "Content-Length is required"})
        if length is None:
            return b""
        if not (length.isascii() and length.isdigit()) or int(length) > _MAX_READ_BYTES:
            self.close_connection = True
            return answer(HTTPStatus.BAD_REQUEST, {"message": "Content-Length is out of bounds"})
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionAbortedError("the client hung up within its request")
        return body

    def _send(self, sent: Answer, missing_bytes: int = 0) -> None:
        """Write one answer in one piece; with `missing_bytes`, promise more than comes, and hang up."""
        headers = {"Content-Type": JSON_TYPE, **sent.headers}
        headers["Content-Length"] = str(len(sent.body) + missing_bytes)
        self.close_connection = self.close_connection or missing_bytes > 0
        if self.close_connection:
            headers["Connection"] = "close"
        phrase = HTTPStatus(sent.status).phrase if sent.status in _STATUSES else ""
        lines = [f"HTTP/1.1 {sent.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + sent.body)

    def _wait(self, seconds: float) -> None:
        """Let time pass, but not once the connection has ended, from either side."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._client_is_gone():
            time.sleep(min(left, _NOTICE_SECONDS))

    def _client_is_gone(self) -> bool:
        """Whether the client has closed its end. Any thread may ask."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _reset(self) -> None:
        """End the connection with a TCP reset."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        # The reader shares the socket: both must be closed for the reset to leave now.
        self.rfile.close()
        self.connection.close()


_STATUSES = frozenset(status.value for status in HTTPStatus)
