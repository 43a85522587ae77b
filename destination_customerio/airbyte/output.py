"""Stdout: protocol messages only, from one writer, each flushed immediately."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from destination_customerio.airbyte.messages import acknowledgement
from destination_customerio.exact_json.codec import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.errors import SyncError


class OutputClosed(Exception):  # noqa: N818 - an event, not an error
    """Stdout has no reader any more, so states can't be acknowledged."""


class ByteSink(Protocol):
    """Where messages go: a binary file, or a descriptor."""

    def write(self, data: bytes, /) -> object:
        """Write all bytes."""
        ...

    def flush(self) -> None:
        """Let the reader have them now."""
        ...


class Output:
    """Writes Airbyte messages, one per line. Not thread-safe; owned by the coordinator thread."""

    def __init__(self, file: ByteSink, wall_clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._wall_clock = wall_clock

    def write_line(self, line: bytes) -> None:
        """Write an encoded message.

        Raises:
            OutputClosed: the reader has closed stdout.
            StdoutError: writing failed; a state that was not written whole is not acknowledged.
        """
        try:
            self._file.write(line + b"\n")
            self._file.flush()
        except BrokenPipeError:
            raise OutputClosed from None

    def write(self, message: dict[str, Any]) -> None:
        """Write a message."""
        self.write_line(encode(message))

    def write_state(self, line: bytes, delivered: int, rejected: int) -> None:
        """Acknowledge the STATE message `line`, with the counts of rows since the previous state."""
        self.write_line(acknowledgement(line, delivered, rejected))

    def info(self, text: str) -> None:
        """Log progress."""
        self._log("INFO", text)

    def warn(self, text: str) -> None:
        """Log something unusual; nothing is lost."""
        self._log("WARN", text)

    def _log(self, level: str, text: str) -> None:
        self.write({"type": "LOG", "log": {"level": level, "message": text}})

    def trace_error(self, error: SyncError) -> None:
        """Write the one TRACE ERROR that a failed command ends with."""
        self.write(
            {
                "type": "TRACE",
                "trace": {
                    "type": "ERROR",
                    "emitted_at": int(self._wall_clock() * 1000),
                    "error": {
                        "message": str(error),
                        "internal_message": error.internal_message,
                        "failure_type": error.failure_type,
                    },
                },
            }
        )
