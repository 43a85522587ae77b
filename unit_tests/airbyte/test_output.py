"""Stdout carries protocol messages, each written whole and flushed immediately."""

from __future__ import annotations

import io
import json
import os

import pytest

from destination_customerio.airbyte.output import Output, OutputClosed
from destination_customerio.errors import ConfigError, TransientError, unexpected

STATE = b'{"type":"STATE","state":{"type":"LEGACY","data":{}}}'


def messages(file: io.BytesIO) -> list[dict[str, object]]:
    """The messages that were written."""
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_every_message_is_one_line() -> None:
    """Log messages have a level, and states have counts."""
    file = io.BytesIO()
    output = Output(file)
    output.info("all is\nwell")
    output.warn("look here")
    output.write_state(STATE, 2, 1)
    assert messages(file) == [
        {"type": "LOG", "log": {"level": "INFO", "message": "all is\nwell"}},
        {"type": "LOG", "log": {"level": "WARN", "message": "look here"}},
        {
            "type": "STATE",
            "state": {
                "type": "LEGACY",
                "data": {},
                "destinationStats": {"recordCount": 2.0, "rejectedRecordCount": 1.0},
            },
        },
    ]


def test_every_message_is_flushed() -> None:
    """A reader of the pipe sees a message as soon as it is written."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file, os.fdopen(reading, "rb", buffering=0) as reader:
        os.set_blocking(reading, False)
        Output(file).write_state(STATE, 0, 0)
        assert (reader.read(10_000) or b"nothing").endswith(b"}}}\n")


def test_a_closed_stdout_raises_output_closed() -> None:
    """The caller can end the command without an error message."""
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(OutputClosed), os.fdopen(writing, "wb", buffering=0) as file:
        Output(file).info("anybody there?")


@pytest.mark.parametrize("error", [ConfigError("Fix it."), TransientError("Try again.", "detail")])
def test_an_error_is_one_trace_with_its_failure_type(error: ConfigError | TransientError) -> None:
    """The trace has the time in milliseconds, the message and the internal message."""
    file = io.BytesIO()
    Output(file, wall_clock=lambda: 1.5).trace_error(error)
    assert messages(file) == [
        {
            "type": "TRACE",
            "trace": {
                "type": "ERROR",
                "emitted_at": 1500,
                "error": {
                    "message": str(error),
                    "internal_message": error.internal_message,
                    "failure_type": error.failure_type,
                },
            },
        }
    ]


def test_an_unexpected_error_is_reported_without_its_text() -> None:
    """The internal message lists the code locations, innermost first."""
    try:
        json.loads("c4nary")
    except ValueError as error:
        reported = unexpected(error)
    assert "JSONDecodeError" in str(reported)
    assert "c4nary" not in str(reported) + reported.internal_message
    assert reported.internal_message.startswith("decoder.py:")
    assert "test_output.py" in reported.internal_message


def test_a_message_is_one_write() -> None:
    """No other output can come between the bytes of a message."""

    class Writes(io.BytesIO):
        """A file that records each write."""

        def __init__(self) -> None:
            super().__init__()
            self.pieces: list[bytes] = []

        def write(self, piece: object) -> int:
            """Record one write."""
            assert isinstance(piece, bytes)
            self.pieces.append(piece)
            return len(piece)

    file = Writes()
    output = Output(file)
    output.info("x" * 100_000)
    output.write_state(STATE, 1, 0)
    output.trace_error(TransientError("Try again."))
    assert [piece.count(b"\n") for piece in file.pieces] == [1, 1, 1]
    assert all(piece.endswith(b"\n") for piece in file.pieces)


def test_an_invalid_surrogate_in_a_log_line_is_replaced() -> None:
    """A column name with half a surrogate pair does not end the sync."""
    file = io.BytesIO()
    Output(file).warn("columns: \ud800, é")
    (message,) = messages(file)
    assert message == {"type": "LOG", "log": {"level": "WARN", "message": "columns: \ufffd, é"}}
