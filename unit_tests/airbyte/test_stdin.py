"""The reader posts whole lines, and never reads far ahead of the coordinator."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import threading
from codecs import BOM_UTF8
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.stdin import (
    CHUNK_BYTES,
    EndOfInput,
    InputFailed,
    LineReader,
    Lines,
    start_reading,
)
from destination_customerio.sync.events import Inbox

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


# A byte order mark before the first line has tests of its own.
lines = st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=8).filter(
    lambda lines: not lines or not lines[0].startswith(BOM_UTF8)
)


def read_all(chunks: list[bytes]) -> list[bytes]:
    """The lines that a reader assembles from chunks, including the end of the input."""
    reader = LineReader()
    found: list[bytes] = []
    for chunk in chunks:
        if (block := reader.feed(chunk)) is not None:
            found += block.split(b"\n")
    if (rest := reader.finish()) is not None:
        found += rest.split(b"\n")
    return found


@given(lines=lines, with_final_newline=st.booleans(), data=st.data())
def test_lines_are_whole_for_any_chunking(
    lines: list[bytes], with_final_newline: bool, data: st.DataObject
) -> None:
    """Empty lines are kept, so that lines can be counted, and the last line needs no newline."""
    text = b"\n".join(lines)
    if lines and (with_final_newline or not lines[-1]):
        text += b"\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read_all(chunks) == lines
    assert read_all([bytes([byte]) for byte in text]) == lines


@pytest.mark.parametrize("text", [b"a\nb\n", b"a\nb", b"a", b"\nb\n"])
@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_byte_order_mark_before_the_first_line_is_dropped(text: bytes, cut: int) -> None:
    """Wherever the chunks are cut, and whether or not the first line ends in a newline."""
    marked = BOM_UTF8 + text
    assert read_all([marked[:cut], marked[cut:]]) == text.removesuffix(b"\n").split(b"\n")


def test_only_the_first_mark_is_dropped() -> None:
    """A line of the input may have any content."""
    assert read_all([b"a\n", BOM_UTF8 + b"b\n"]) == [b"a", BOM_UTF8 + b"b"]
    assert read_all([BOM_UTF8 + BOM_UTF8 + b"a"]) == [BOM_UTF8 + b"a"]


def test_a_long_line_is_put_together_once() -> None:
    """A line of many chunks comes out when its newline does, and not before."""
    reader = LineReader()
    for _ in range(1_000):
        assert reader.feed(b"x" * 100) is None
    block = reader.feed(b"y\nz")
    assert block == b"x" * 100_000 + b"y"
    assert reader.finish() == b"z"
    assert reader.finish() is None


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_lines_are_posted_as_they_arrive_and_then_the_end(pipe: tuple[int, int]) -> None:
    """Complete lines don't wait for the next chunk."""
    inbox = Inbox()
    reading, writing = pipe
    start_reading(reading, inbox)
    os.write(writing, b"one\ntwo\nthr")
    assert inbox.take(PATIENCE_SECONDS) == Lines(b"one\ntwo")
    inbox.free_slot()
    os.write(writing, b"ee\n\nlast")
    assert inbox.take(PATIENCE_SECONDS) == Lines(b"three\n")
    inbox.free_slot()
    os.close(writing)
    assert inbox.take(PATIENCE_SECONDS) == Lines(b"last")
    assert inbox.take(PATIENCE_SECONDS) == EndOfInput()


def test_an_empty_input_posts_only_its_end(pipe: tuple[int, int]) -> None:
    """Without a line no block is posted."""
    inbox = Inbox()
    reading, writing = pipe
    os.close(writing)
    start_reading(reading, inbox)
    assert inbox.take(PATIENCE_SECONDS) == EndOfInput()


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux allows setting the size of a pipe.")
@pytest.mark.parametrize(("before", "after"), [(1 << 16, CHUNK_BYTES), (1 << 19, 1 << 19)])
def test_a_pipe_holds_a_whole_chunk(pipe: tuple[int, int], before: int, after: int) -> None:
    """A small pipe is enlarged; a larger one, which somebody chose, is left alone."""
    import fcntl

    inbox = Inbox()
    reading, writing = pipe
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, before)
    start_reading(reading, inbox)
    assert fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ) == after
    os.close(writing)
    assert inbox.take(PATIENCE_SECONDS) == EndOfInput()


def test_read_ahead_is_bounded(pipe: tuple[int, int]) -> None:
    """A coordinator that processes nothing stops the reader, and thereby the writer."""
    inbox = Inbox()
    reading, writing = pipe
    start_reading(reading, inbox)
    os.set_blocking(writing, False)
    written, before = 0, -1
    # Until the reader had time to read more, and did not.
    while written != before:
        before = written
        threading.Event().wait(0.2)
        with contextlib.suppress(BlockingIOError):
            while written < 17 << 20:
                written += os.write(writing, b"x" * 1_000 + b"\n")
    assert written < 16 << 20
    blocks = 0
    while blocks < 100 and isinstance(inbox.take(0.2), Lines):
        blocks += 1
    assert 0 < blocks <= 8
    os.close(writing)


def test_an_input_that_cannot_be_read_fails_the_sync() -> None:
    """The reader posts the error instead of ending silently."""
    inbox = Inbox()
    reading, writing = os.pipe()
    # The writing end can't be read from.
    start_reading(writing, inbox)
    failed = inbox.take(PATIENCE_SECONDS)
    assert isinstance(failed, InputFailed)
    assert failed.error.failure_type == "system_error"
    assert "could not be read" in str(failed.error)
    assert inbox.take(0.01) is None
    os.close(reading)
    os.close(writing)


def test_an_empty_non_blocking_input_is_not_the_end(pipe: tuple[int, int]) -> None:
    """Whoever shares the descriptor may have set the flag; the reader waits for more all the same."""
    inbox = Inbox()
    reading, writing = pipe
    os.set_blocking(reading, False)
    start_reading(reading, inbox)
    for line in (b"one", b"two"):
        # An empty pipe must have been noticed, as far as that can be brought about.
        assert inbox.take(0.05) is None
        os.write(writing, line + b"\n")
        assert inbox.take(PATIENCE_SECONDS) == Lines(line)
    os.close(writing)
    assert inbox.take(PATIENCE_SECONDS) == EndOfInput()


_READING_PROCESS = r"""
from destination_customerio.airbyte.stdin import Lines, start_reading
from destination_customerio.sync.events import Inbox
from integration_tests.process_memory import peak_kib

inbox = Inbox()
start_reading(0, inbox)
blocks = before = 0
while isinstance(event := inbox.take(60.0), Lines):
    event.block.split(b"\n")
    inbox.free_slot()
    blocks += 1
    if blocks == 100:
        before = peak_kib("self")
assert blocks > 1_000
print(peak_kib("self") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux reports the peak memory of a process.")
def test_memory_does_not_grow_while_reading() -> None:
    """Writes of any size make reads end just short of a whole chunk, which must not fragment the heap."""
    rng = random.Random(20_261_124)  # noqa: S311 - the same sizes every time is the point
    line = b"x" * 399 + b"\n"
    command = [sys.executable, "-c", _READING_PROCESS]
    with subprocess.Popen(  # noqa: S603 - ours
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(3_000):
            process.stdin.write(line * rng.randrange(400, 600))
            process.stdin.flush()
        process.stdin.close()
        grown_kib = int(process.stdout.read())
    assert process.returncode == 0
    assert grown_kib < 20 * 1024


def test_an_unexpected_error_of_the_reader_is_posted(pipe: tuple[int, int]) -> None:
    """The error is posted without the text of the exception."""

    class Broken(Inbox):
        """An inbox without slots."""

        def wait_for_slot(self) -> None:
            """Fail."""
            raise LookupError("c4nary")

    inbox = Broken()
    start_reading(pipe[0], inbox)
    failed = inbox.take(PATIENCE_SECONDS)
    assert isinstance(failed, InputFailed)
    assert "LookupError" in str(failed.error)
    assert "c4nary" not in str(failed.error) + failed.error.internal_message
    os.close(pipe[1])


def test_nothing_more_is_read_while_a_long_block_waits() -> None:
    """A few long lines would otherwise take many times the memory of eight usual blocks."""
    inbox = Inbox(max_waiting_bytes=100)
    waited: list[int] = []

    def read() -> None:
        for size in (10, 200, 10):
            inbox.wait_for_slot()
            waited.append(size)
            inbox.post(Lines(b"x" * size))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(0.2)
    assert waited == [10, 200]
    inbox.free_slot()
    reader.join(0.2)
    assert waited == [10, 200]
    inbox.free_slot()
    reader.join(PATIENCE_SECONDS)
    assert waited == [10, 200, 10]


def test_an_open_inbox_lets_nobody_wait() -> None:
    """A reader ends although its blocks are not processed any more."""
    inbox = Inbox(slots=1)
    inbox.post(Lines(b"x"))
    inbox.open()
    inbox.wait_for_slot()
