"""Reads stdin to the end in its own thread, in blocks of whole lines.

The reader can be faster than the coordinator, so it waits for a slot before it passes a block on (back-pressure): the
pipe then fills, and the source waits.
"""

from __future__ import annotations

import contextlib
import io
import select
import sys
import threading
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from destination_customerio.errors import SYNC_RESUMES, ProtocolError, SyncError, unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Lines:
    """A block of whole lines from stdin, without the last newline."""

    block: bytes


@dataclass(frozen=True, slots=True)
class EndOfInput:
    """Stdin has ended."""


@dataclass(frozen=True, slots=True)
class InputFailed:
    """Reading stdin failed; no more lines will arrive."""

    error: SyncError


class Receiver(Protocol):
    """Accepts events from the reader."""

    def post(self, event: Lines | EndOfInput | InputFailed) -> None:
        """Accept an event; called by the reader's thread."""
        ...

    def wait_for_slot(self) -> None:
        """Block until one more block may be posted."""
        ...


class LineReader:
    """Assembles chunks of any size into blocks of whole lines. Does no I/O.

    A byte order mark before the first line is dropped: programs of Windows put one there.
    """

    def __init__(self) -> None:
        self._mark = BOM_UTF8
        self._pieces: list[bytes | memoryview] = []

    def feed(self, chunk: bytes) -> bytes | None:
        """Add a chunk; returns the lines that it completes, without the final newline, or None if there are none."""
        end = chunk.rfind(b"\n")
        if end < 0:
            self._pieces.append(chunk)
            return None
        self._pieces.append(memoryview(chunk)[:end])
        block = self._joined()
        self._pieces = [chunk[end + 1 :]]
        return block

    def finish(self) -> bytes | None:
        """The last line, if the input does not end in a newline."""
        rest = self._joined()
        self._pieces = []
        return rest or None

    def _joined(self) -> bytes:
        block = b"".join(self._pieces).removeprefix(self._mark)
        self._mark = b""
        return block


def start_reading(descriptor: int, receiver: Receiver) -> None:
    """Read a file descriptor to the end in its own thread."""
    _widen_pipe(descriptor)
    # A daemon thread: it may block in a read forever, and it holds nothing that needs cleanup.
    threading.Thread(target=_read_all, args=(descriptor, receiver), name="reader", daemon=True).start()


def _widen_pipe(descriptor: int) -> None:
    """Enlarge a pipe to a whole chunk, for a quarter of the thread switches that Linux's default of 64 KiB needs."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # not a pipe, or beyond this user's limit on pipe memory
            if fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) < CHUNK_BYTES:
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, CHUNK_BYTES)


def _read_all(descriptor: int, receiver: Receiver) -> None:
    try:
        for lines in map(Lines, _blocks(descriptor, receiver)):
            receiver.post(lines)
            del lines  # as in `_blocks`
    except OSError as error:
        receiver.post(InputFailed(_unreadable(error)))
    except Exception as error:  # noqa: BLE001 - a reader that died silently would hang the sync
        receiver.post(InputFailed(unexpected(error)))
    else:
        receiver.post(EndOfInput())


def _blocks(descriptor: int, receiver: Receiver) -> Iterator[bytes]:
    lines = LineReader()
    receiver.wait_for_slot()
    for chunk in _chunks(descriptor):
        if (block := lines.feed(chunk)) is not None:
            yield block
            # A long one would otherwise be kept until the next one is complete.
            del block
            receiver.wait_for_slot()
    if (rest := lines.finish()) is not None:
        yield rest


def _chunks(descriptor: int) -> Iterator[bytes]:
    # Everything is read into one buffer. os.read() allocates a whole chunk each time and frees what was not filled; glibc
    # keeps the small remainders separate, so that the chunks around them never coalesce: 70 MB within minutes.
    buffer = memoryview(bytearray(CHUNK_BYTES))
    file = io.FileIO(descriptor, closefd=False)
    while (size := file.readinto(buffer)) != 0:
        if size is None:
            # The flag is not ours to clear: whoever set it shares the descriptor.
            select.select((descriptor,), (), ())
        else:
            yield bytes(buffer[:size])


def _unreadable(error: OSError) -> ProtocolError:
    return ProtocolError(
        f"The input could not be read to the end ({error.strerror}). {SYNC_RESUMES} Check what is connected to the "
        "connector's standard input."
    )
