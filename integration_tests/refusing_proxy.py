"""An HTTP proxy that opens no tunnel, and says why in its own words."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def refusing_proxy(status: int, words: str) -> Iterator[int]:
    """A proxy that answers every request with a status, and with words as reason, headers and page; yields its port."""
    line = words.encode("latin-1", "replace").replace(b"\r", b" ").replace(b"\n", b" ")
    head = b"HTTP/1.1 %d %b\r\nServer: %b\r\nVia: 1.1 %b\r\nConnection: close\r\n" % (
        status,
        line,
        line,
        line,
    )
    answer = b'%bProxy-Authenticate: Basic realm="%b"\r\nContent-Length: %d\r\n\r\n%b' % (
        head,
        line,
        len(line),
        line,
    )

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            with contextlib.suppress(OSError):
                self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
