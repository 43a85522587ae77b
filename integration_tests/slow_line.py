"""A slow line in front of a server: all connections together carry so many bytes a second upstream."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE_BYTES = 4_096
# Little of a request hides in the line: what the line has taken is nearly at the server.
_BUFFER_BYTES = 16_384


class _Line:
    def __init__(self, bytes_per_second: float, patience_seconds: float, target: tuple[str, int]) -> None:
        self._bytes_per_second = bytes_per_second
        self._patience_seconds = patience_seconds
        self._target = target
        # When the request under way began, by the socket that it comes from.
        self._began_at: dict[socket.socket, float] = {}
        self._upstream = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.threads: list[threading.Thread] = []

    def accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += client, server
                for source, sink, is_slow in ((client, server, True), (server, client, False)):
                    thread = threading.Thread(
                        target=self._carry, args=(source, sink), kwargs={"is_slow": is_slow}
                    )
                    self.threads.append(thread)
                    thread.start()

    def _carry(self, source: socket.socket, sink: socket.socket, *, is_slow: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE_BYTES):
                if is_slow:
                    began_at = self._began_at.setdefault(source, time.monotonic())
                    if time.monotonic() - began_at > self._patience_seconds:
                        break
                    with self._upstream:
                        time.sleep(len(piece) / self._bytes_per_second)
                else:
                    self._began_at.pop(sink, None)
                sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for end in self._sockets:
            end.close()


@contextlib.contextmanager
def slow_line(url: str, bytes_per_second: float, patience_seconds: float = math.inf) -> Iterator[str]:
    """A way to the server at `url` that carries so many bytes a second upstream; yields its own URL.

    patience_seconds  a request that takes longer to come is cut off, as gateways do
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    line = _Line(bytes_per_second, patience_seconds, (parts.hostname, parts.port))
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        accepting = threading.Thread(target=line.accept, args=(listener,))
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            line.close()
