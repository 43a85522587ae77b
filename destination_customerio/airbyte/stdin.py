"""The coordinator's inbox: the one place where threads meet.

The reader of stdin posts blocks of lines, the lanes post what became of their batches, the uploader of dead letters its
files, the signal handler a request to stop. Only the reader can be too fast, so only the reader has to ask for a slot.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import queue
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from destination_customerio.airbyte.messages import LineReader
from destination_customerio.errors import ProtocolError, SyncError, unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 1 << 18
_SLOTS = 8


@dataclass(frozen=True, slots=True)
class Lines:
    """A block of whole lines from stdin, without the last newline."""

    block: bytes


@dataclass(frozen=True, slots=True)
class EndOfInput:
    """Nothing more will come from stdin."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The platform wants the process to end; `signal_number` is the signal it sent."""

    signal_number: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A thread met an error that ends the sync."""

    error: SyncError


@dataclass(frozen=True, slots=True)
class LaneEnded:
    """A lane has finished what it had under way, and takes nothing more."""


class Inbox:
    """Events for the coordinator, in the order in which they were posted."""

    def __init__(self) -> None:
        # Unlike queue.Queue, a SimpleQueue may be posted to from a signal handler.
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._slots = threading.Semaphore(_SLOTS)

    def post(self, event: object) -> None:
        """Add an event; any thread and any signal handler may."""
        self._events.put(event)

    def take(self, timeout_seconds: float) -> object | None:
        """The next event, waiting for it at most so long; None when there is none."""
        try:
            if timeout_seconds <= 0:
                return self._events.get_nowait()
            return self._events.get(timeout=timeout_seconds)
        except queue.Empty:
            return None

    def wait_for_slot(self) -> None:
        """Wait until the coordinator has worked off enough blocks to take one more."""
        self._slots.acquire()

    def free_slot(self) -> None:
        """A block is worked off."""
        self._slots.release()


def start_reading(descriptor: int, inbox: Inbox) -> None:
    """Read a file descriptor to its end in a thread of its own, posting blocks of whole lines."""
    _widen_pipe(descriptor)
    # A daemon: it may sit in a read for ever, and nothing it holds needs an orderly end.
    threading.Thread(target=_read_all, args=(descriptor, inbox), name="reader", daemon=True).start()


def _widen_pipe(descriptor: int) -> None:
    """Let a pipe hold a whole chunk, so that the threads take turns a quarter as often as with Linux's 64 KiB."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # no pipe, or more memory for pipes than this user may have
            if fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) < CHUNK_BYTES:
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, CHUNK_BYTES)


def _read_all(descriptor: int, inbox: Inbox) -> None:
    try:
        for block in _blocks(descriptor, inbox):
            inbox.post(Lines(block))
    except OSError as error:
        inbox.post(Failed(_unreadable(error)))
    except Exception as error:  # noqa: BLE001 - a reader that dies unheard would hang the sync
        inbox.post(Failed(unexpected(error)))
    else:
        inbox.post(EndOfInput())


def _blocks(descriptor: int, inbox: Inbox) -> Iterator[bytes]:
    lines = LineReader()
    inbox.wait_for_slot()
    for chunk in _chunks(descriptor):
        if (block := lines.feed(chunk)) is not None:
            yield block
            inbox.wait_for_slot()
    if (rest := lines.finish()) is not None:
        yield rest


def _chunks(descriptor: int) -> Iterator[bytes]:
    # All are read into one buffer. os.read() takes memory for a whole chunk each time, and gives back what was not filled;
    # glibc keeps small leftovers apart, so that the chunks around them never grow together: 70 MB in a sync of minutes.
    buffer = memoryview(bytearray(CHUNK_BYTES))
    file = io.FileIO(descriptor, closefd=False)
    while (size := file.readinto(buffer)) != 0:
        if size is None:  # nothing to be had now, which is not the end
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        yield bytes(buffer[:size])


def _unreadable(error: OSError) -> ProtocolError:
    return ProtocolError(
        f"The input could not be read to its end ({error.strerror}). Rows before the last acknowledged state are "
        "written; what came after it will be sent again. Check what is connected to the connector's standard input."
    )
