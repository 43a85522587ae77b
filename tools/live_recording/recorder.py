"""A server on loopback that forwards requests to the Track API, and remembers both sides.

The connector is pointed at it with `track_api_url`. It starts with the host for US accounts, and continues with the one that
the answer to the question for the region names, as the connector would. Another server, for tests, keeps all requests.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

import requests

from destination_customerio.config.model import EU_TRACK_URL, US_TRACK_URL
from tools.live_recording.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_HOSTS = (US_TRACK_URL, EU_TRACK_URL)
_REGION_PATH = "/api/v1/accounts/region"
_TIMEOUT_SECONDS = 30
_POLL_SECONDS = 0.02


class Recorder(ThreadingHTTPServer):
    """Records all exchanges, scrubbed, in the order in which their answers came.

    scrub     makes an exchange fit for others to see; nothing else is kept
    upstream  scheme and host to forward to
    """

    daemon_threads = False

    def __init__(self, scrub: Callable[[Exchange], Exchange], upstream: str = US_TRACK_URL) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.exchanges: list[Exchange] = []
        self.upstream = upstream
        self._scrub = scrub
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), name="recorder")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a trailing slash."""
        return f"http://127.0.0.1:{self.server_address[1]}"  # ignore-https-check: loopback

    def keep(self, exchange: Exchange) -> None:
        """Remember an exchange. Thread-safe."""
        with self._lock:
            self.exchanges.append(self._scrub(exchange))
            if self.upstream in _HOSTS and exchange.path == _REGION_PATH and exchange.status == 200:
                self.upstream = _host_of(exchange.answer) or self.upstream


class _Handler(BaseHTTPRequestHandler):
    """Forwards one request, over a connection of its own."""

    server: Recorder

    def do_GET(self) -> None:
        """Forward a request without a body."""
        self._forward(b"")

    def do_POST(self) -> None:
        """Forward a request with a body."""
        self._forward(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        """Stay quiet: what happened is in the recording."""

    def _forward(self, body: bytes) -> None:
        passed_on = ("Authorization", "Content-Type", "User-Agent", "Accept")
        headers = {name: self.headers[name] for name in passed_on if name in self.headers}
        try:
            answer = self._ask(body, headers)
        except requests.RequestException:
            # The connector retries, and says what to check; there is no answer to record.
            self.send_error(502)
            return
        retry_after = answer.headers.get("Retry-After")
        self.server.keep(
            Exchange(
                self.command,
                self.path,
                body.decode(errors="replace"),
                answer.status_code,
                answer.content.decode(errors="replace"),
                retry_after,
            )
        )
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(answer.content)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(answer.content)

    def _ask(self, body: bytes, headers: dict[str, str]) -> requests.Response:
        with requests.Session() as session:
            # Credentials in the machine's .netrc must not replace those of the request.
            session.auth = _as_given
            return session.request(
                self.command,
                self.server.upstream + self.path,
                data=body or None,
                headers=headers,
                timeout=_TIMEOUT_SECONDS,
                allow_redirects=False,
            )


def _as_given(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _host_of(answer: str) -> str | None:
    """The Track API's host that an answer names; no other host ever gets the credentials."""
    try:
        url = str(json.loads(answer)["url"]).rstrip("/")
    except (ValueError, KeyError, TypeError):
        return None
    return url if url in _HOSTS else None
