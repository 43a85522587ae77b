"""Connections of `requests` that keep to an `AttemptTimer`.

`requests` and `urllib3` let an adapter choose the classes of connections and answers; nothing of theirs is replaced.
"""

from __future__ import annotations

import contextlib
import io
import math
import ssl
import struct
import sys
from functools import partial
from http.client import HTTPResponse, RemoteDisconnected
from typing import TYPE_CHECKING, Any, ClassVar

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import wait_for_read

if sys.platform != "win32":
    import fcntl
    import termios

if TYPE_CHECKING:
    import socket

    from urllib3.response import HTTPResponse as Urllib3Response

    from destination_customerio.track_api.attempt_timer import AttemptTimer

# A TLS record.
_PIECE_BYTES = 16 * 1024
_INTERIM = range(100, 200)
# The other side has closed the connection; over TLS, OpenSSL calls that a protocol error.
_CLOSED = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class TimedAdapter(HTTPAdapter):
    """Sends over connections that keep to the time of the attempt."""

    def __init__(self, timer: AttemptTimer) -> None:
        http = type("TimedHttp", (_TimedHttp,), {"timer": timer})
        https = type("TimedHttps", (_TimedHttps,), {"timer": timer})
        self._pools: dict[str, Any] = {
            "http": type("HttpPool", (HTTPConnectionPool,), {"ConnectionCls": http}),
            "https": type("HttpsPool", (HTTPSConnectionPool,), {"ConnectionCls": https}),
        }
        # Retries belong to the lanes, which know the budget and the order.
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """See `HTTPAdapter`."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """See `HTTPAdapter`."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _TimedHttp(HTTPConnection):
    timer: ClassVar[AttemptTimer]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.response_class: Any = partial(_TimedResponse, self.timer)  # urllib3 and http.client only call it
        self._is_connecting = False

    def connect(self) -> None:
        self.timer.connects(within_seconds=self.timeout or math.inf)
        self._is_connecting = True
        try:
            super().connect()
        finally:
            self._is_connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self._is_connecting:
            super().send(data)
            return
        whole = memoryview(data)  # whose pieces are not copied
        for start in range(0, len(whole), _PIECE_BYTES):
            self.sock.settimeout(self.timer.seconds_to_send())
            try:
                super().send(whole[start : start + _PIECE_BYTES])
            except _CLOSED:
                raise self._cut_off() from None
            except TimeoutError:
                if wait_for_read(self.sock, timeout=0):
                    raise self._cut_off() from None
                raise self.timer.sending_failed() from None

    def _cut_off(self) -> BrokenPipeError:
        """The other side accepts no more of the request; it may have answered, which urllib3 looks for after this error."""
        self.timer.request_cut_off()
        return BrokenPipeError()

    def getresponse(self) -> Urllib3Response:  # type: ignore[override] # as in urllib3
        self.timer.awaits_answer()
        return super().getresponse()


class _TimedHttps(_TimedHttp, HTTPSConnection):
    pass


class _TimedResponse(HTTPResponse):
    """An answer with one deadline for all of it, interim answers included, which are skipped."""

    def __init__(self, timer: AttemptTimer, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._timer = timer
        self._connection = sock
        self._reader = _TimedReader(timer, sock, self.fp)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        self._begin_one()
        while self.status in _INTERIM:
            self.headers = self.msg = None  # type: ignore[assignment] # as before the first one
            self._begin_one()
        if not self._timer.answer_began(_unreceived_bytes(self._connection)):
            # What is left of the request would be read as the beginning of the next one.
            self.will_close = True

    def _begin_one(self) -> None:
        """Read one head. Without its last line, http.client would take what is missing for absent."""
        super().begin()
        if self._reader.has_ended:
            raise RemoteDisconnected("the head of the answer was cut off")


class _TimedReader(io.RawIOBase):
    """Reads from a socket until the time of the attempt is over.

    opened     what the socket has been opened as; as long as that is open, the socket is not closed
    has_ended  whether the other side has closed the connection
    """

    def __init__(self, timer: AttemptTimer, connection: socket.socket, opened: Any) -> None:
        self.has_ended = False
        self._timer = timer
        self._connection = connection
        self._opened = opened

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            self._connection.settimeout(self._timer.seconds_to_read())
            try:
                received = self._connection.recv_into(buffer)
            except TimeoutError:
                self._timer.nothing_came(_unreceived_bytes(self._connection))
            else:
                self.has_ended = not received
                return received

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._opened.close()


def _unreceived_bytes(connection: socket.socket) -> int:
    """How many sent bytes the other side has not acknowledged; 0 where the operating system does not say."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            (found,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
            return int(found)
    return 0
