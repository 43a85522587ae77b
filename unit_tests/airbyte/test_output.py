"""Stdout carries protocol messages, each whole and at once."""

from __future__ import annotations

import io
import json
import os

import pytest

from destination_customerio.airbyte.output import Output, OutputClosed
from destination_customerio.errors import ConfigError, TransientError, unexpected

STATE = b'{"type":"STATE","state":{"type":"LEGACY","data":{}}}'


def messages(file: io.BytesIO) -> list[dict[str, object]]:
    """What was written."""
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_every_message_is_a_line_of_its_own() -> None:
    """Logs say how grave they are."""
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


def test_a_message_is_out_when_it_is_written() -> None:
    """Over a pipe nothing stays in a buffer until the end."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file, os.fdopen(reading, "rb", buffering=0) as reader:
        os.set_blocking(reading, False)
        Output(file).write_state(STATE, 0, 0)
        assert (reader.read(10_000) or b"nothing").endswith(b"}}}\n")


def test_a_reader_that_is_gone_is_told_apart_from_other_errors() -> None:
    """Whoever writes can then end quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(OutputClosed), os.fdopen(writing, "wb", buffering=0) as file:
        Output(file).info("anybody there?")


@pytest.mark.parametrize("error", [ConfigError("Mend it."), TransientError("Try again.", "detail")])
def test_an_error_is_one_trace_with_its_kind(error: ConfigError | TransientError) -> None:
    """Time in milliseconds, the sentence, and what developers want to know."""
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


def test_what_is_said_of_an_unforeseen_error_holds_nothing_of_its_text() -> None:
    """The places in the code, innermost first."""
    try:
        json.loads("c4nary")
    except ValueError as error:
        told = unexpected(error)
    assert "JSONDecodeError" in str(told)
    assert "c4nary" not in str(told) + told.internal_message
    assert told.internal_message.startswith("decoder.py:")
    assert "test_output.py" in told.internal_message


def test_a_message_is_one_write() -> None:
    """Nothing else can come between its bytes, and no reader sees half of it as a line."""

    class Writes(io.BytesIO):
        """A file that remembers the pieces it was given."""

        def __init__(self) -> None:
            super().__init__()
            self.pieces: list[bytes] = []

        def write(self, piece: object) -> int:
            """One piece."""
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


def test_a_name_that_is_no_valid_text_does_not_end_the_sync() -> None:
    """A column may be called by half a surrogate pair; a log line that names it is written with a replacement."""
    file = io.BytesIO()
    Output(file).warn("columns: \ud800, é")
    (message,) = messages(file)
    assert message == {"type": "LOG", "log": {"level": "WARN", "message": "columns: \ufffd, é"}}
