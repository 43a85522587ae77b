"""A local Track API: a real HTTP server on loopback, to be used from a test or started as a process.

with LocalTrackApi() as api:
    requests.post(api.url + "/api/v2/batch", data=body, auth=(api.site_id, api.api_key), ...)
    assert api.world.person(email="ada@example.com")
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import traceback
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from tools.local_track_api.faults import Rule
from tools.local_track_api.handler import TrackHandler
from tools.local_track_api.service import TrackService

if TYPE_CHECKING:
    from types import TracebackType

    from tools.local_track_api.order import Violation
    from tools.local_track_api.traffic import Traffic
    from tools.local_track_api.world import World

_POLL_SECONDS = 0.02


class TrackServer(ThreadingHTTPServer):
    """Listens on loopback alone; a thread a connection. Ends them all when it is stopped."""

    # Closing the server waits for the threads, so that no socket outlives it.
    daemon_threads = False
    request_queue_size = 256

    def __init__(self, service: TrackService, port: int) -> None:
        super().__init__(("127.0.0.1", port), TrackHandler)
        self.service = service
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, then start its thread."""
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection, and close it."""
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's own
        """A client that hangs up is ordinary; anything else is this server's own failure, and reported as such."""
        error = sys.exception()
        if isinstance(error, ConnectionError | TimeoutError):
            return
        with self.service.lock:
            self.service.state.failures.append("".join(traceback.format_exception(error)))

    def stop(self) -> None:
        """Stop listening, end all connections, and wait for their threads. `serve_forever` must be running."""
        self.shutdown()
        with self._connections_lock:
            # A handler that waits or reads takes this for a client that hung up, and ends.
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class LocalTrackApi:
    """The server in a thread of this process, as a context manager.

    site_id, api_key  the only credentials it accepts
    region            `us` or `eu`
    port              0 for any free one
    region_answer     `current`, or `older`: with `data_center` instead of `region`
    """

    def __init__(
        self,
        site_id: str = "site",
        api_key: str = "key",
        region: str = "us",
        port: int = 0,
        region_answer: str = "current",
    ) -> None:
        self.site_id = site_id
        self.api_key = api_key
        self.service = TrackService(site_id, api_key, region, region_answer)
        self._server = TrackServer(self.service, port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="local-track-api"
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._thread.join()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a trailing slash."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"  # ignore-https-check: loopback

    @property
    def world(self) -> World:
        """The account's data. Not thread-safe: read it when no request is in flight."""
        return self.service.state.world

    @property
    def requests(self) -> Traffic:
        """What was counted, since the start or the last reset."""
        return self.service.state.traffic

    @property
    def order_violations(self) -> list[Violation]:
        """Each time a person's order was broken."""
        return self.service.state.order.violations

    def inject(self, *rules: dict[str, Any]) -> None:
        """Put these faults in force, replacing any others; none to end them all. See `faults` for the rules."""
        self.service.inject([Rule(**rule) for rule in rules])

    def configure(self, *, latency_seconds: float) -> None:
        """Delay the answer to each batch."""
        self.service.configure(latency_seconds=latency_seconds)

    def create_segment(self, segment_id: int) -> None:
        """Create an empty manual segment; its members are in `world.segments`, by its id as text."""
        self.service.create_segment(str(segment_id))

    def new_sync(self) -> None:
        """Let rows come again from an earlier state: sequences restart."""
        with self.service.lock:
            self.service.state.order.new_sync()

    def report(self) -> dict[str, Any]:
        """The same as GET /_control/report."""
        return self.service.report()

    def reset(self) -> None:
        """Forget everything, faults and settings included."""
        self.service.reset()
