"""Connections of a server on loopback, for tests."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_JOIN_SECONDS = 10


class Connections:
    """Accepts connections on loopback, each served in a thread of its own, until `close` ends all sockets and threads.

    accepted  how many there were
    """

    def __init__(self) -> None:
        self.accepted = 0
        self._listener = socket.socket()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def listen(self, serve: Callable[[socket.socket, int], None]) -> str:
        """Start to accept; returns the address, host:port. `serve` gets each connection and its number, from 0."""
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.run(self._accept, serve)
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self, target: Callable[..., None], *args: object) -> None:
        """Run a function in a thread that `close` waits for."""
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def own(self, connection: socket.socket) -> None:
        """Have `close` close another socket too."""
        self._sockets.append(connection)

    def close(self) -> None:
        """End everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        for connection in self._sockets:
            connection.close()
        self._listener.close()

    def _accept(self, serve: Callable[[socket.socket, int], None]) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.own(connection)
                self.run(serve, connection, self.accepted)
                self.accepted += 1
