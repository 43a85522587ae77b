"""The descriptors that a command is started with: stdin, stdout and stderr, each of which may be closed, full or stuck."""

from __future__ import annotations

import contextlib
import io
import os
import select
from typing import TYPE_CHECKING

from destination_customerio.errors import SyncError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDIN, STDOUT, STDERR = 0, 1, 2
NOTHING_IS_LOST = (
    "Nothing is lost: a sync resumes from the last state that was written, and a replay can be run again."
)
# Unusable in the same way as a closed one: reading from this stdin, and writing to this stdout, fails with EBADF.
_UNUSABLE = ((STDIN, os.O_WRONLY), (STDOUT, os.O_RDONLY), (STDERR, os.O_WRONLY))


class StdoutError(SyncError):
    """Stdout can't be written, for another reason than that its reader has gone."""


def fill_missing() -> None:
    """Occupy the numbers of closed standard descriptors, so that no socket or file opened later is taken for one."""
    for descriptor, mode in _UNUSABLE:
        try:
            os.fstat(descriptor)
        except OSError:
            os.dup2(opened := os.open(os.devnull, mode), descriptor)
            if opened != descriptor:
                os.close(opened)


class DescriptorWriter(io.RawIOBase):
    """Writes to a descriptor until all is written, also where it is non-blocking. Buffers nothing; never closes it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: ReadableBuffer) -> int:
        """Write all bytes; returns their number.

        Raises:
            BrokenPipeError: the reader has gone.
            StdoutError: writing failed.
        """
        rest = memoryview(data)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:
                    # The flag is not ours to clear: whoever set it shares the descriptor.
                    self._wait()
        except ConnectionError:
            raise BrokenPipeError from None
        except OSError as error:
            raise StdoutError(
                f"Standard output could not be written ({error.strerror}), so the command has ended. {NOTHING_IS_LOST} "
                "Check what standard output is connected to."
            ) from None
        return memoryview(data).nbytes

    def _wait(self) -> None:
        # Not select(), which fails for a descriptor above 1,023.
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLOUT)
        waiting.poll()

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)


def restore_terminal(patience_seconds: float) -> None:
    """Clear the line and show the cursor, if stdout is a terminal: a bar that was cut off leaves it hidden."""
    with contextlib.suppress(OSError, ValueError):
        if os.isatty(STDOUT) and select.select((), (STDOUT,), (), patience_seconds)[1]:
            os.write(STDOUT, b"\r\x1b[2K\x1b[?25h")


def say_on_stderr(text: str, patience_seconds: float = 1.0) -> None:
    """Write a line to stderr; if it is closed, full or stuck for so long, there is nobody left to say that to."""
    with contextlib.suppress(OSError, ValueError):
        if select.select((), (STDERR,), (), patience_seconds)[1]:
            os.write(STDERR, text.encode(errors="backslashreplace") + b"\n")
