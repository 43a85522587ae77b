"""A descriptor is written to the end, whatever kind it is, or fails in one of two ways."""

from __future__ import annotations

import io
import os
import resource
import select
import socket
import threading

import pytest

from destination_customerio.descriptors import DescriptorWriter, StdoutError

# More than any pipe or socket takes at once.
TEXT = b"".join(b"%d\n" % number for number in range(500_000))


@pytest.mark.parametrize("kind", ["pipe", "socket"])
@pytest.mark.parametrize("is_blocking", [True, False])
def test_all_bytes_are_written_in_order(kind: str, *, is_blocking: bool) -> None:
    """A reader that comes late gets every byte, even if the descriptor is non-blocking."""
    reading, writing = os.pipe() if kind == "pipe" else (end.detach() for end in socket.socketpair())
    os.set_blocking(writing, is_blocking)
    written: list[int] = []

    def write() -> None:
        written.append(DescriptorWriter(writing).write(TEXT))
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    while select.select((), (writing,), (), 0)[1]:
        pass
    with os.fdopen(reading, "rb") as file:
        assert file.read() == TEXT
    thread.join()
    assert written == [len(TEXT)]


def test_a_descriptor_may_have_any_number() -> None:
    """Whoever starts the command may have handed down more than a thousand open files."""
    reading, low = os.pipe()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    writing = soft - 1
    if writing < 1_024:
        pytest.skip(f"This process may have {soft} files open only.")
    os.dup2(low, writing)
    os.close(low)
    os.set_blocking(writing, False)
    received = bytearray()

    def read() -> None:
        while chunk := os.read(reading, 1 << 16):
            received.extend(chunk)

    thread = threading.Thread(target=read)
    thread.start()
    DescriptorWriter(writing).write(TEXT)
    os.close(writing)
    thread.join()
    os.close(reading)
    assert received == TEXT


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_has_gone_is_a_broken_pipe(kind: str) -> None:
    """Whatever the descriptor is."""
    reading, writing = os.pipe() if kind == "pipe" else (end.detach() for end in socket.socketpair())
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        DescriptorWriter(writing).write(b"x")
    os.close(writing)


def test_any_other_failure_is_a_sentence() -> None:
    """It names the cause."""
    with open("/dev/full", "wb") as full, pytest.raises(StdoutError, match=r"\(No space left on device\)"):  # noqa: PTH123
        DescriptorWriter(full.fileno()).write(b"x")


def test_text_can_be_printed_to_it() -> None:
    """As `rejected` and `replay` do; a failure is raised once, and not again at the end of the process."""
    reading, writing = os.pipe()
    text = io.TextIOWrapper(DescriptorWriter(writing), "utf-8")  # type: ignore[type-var]
    print("é", file=text, flush=True)
    assert os.read(reading, 100) == "é\n".encode()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        print("x", file=text, flush=True)
    text.close()
    os.close(writing)
