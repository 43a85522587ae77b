"""Cuts a file of rejected rows into its rows, in memory that is bounded whatever the file holds.

Anybody can put a file into the bucket: a quote that is never closed makes one row of the rest of a table, and a small
compressed file can hold any number of bytes. So of a row only as many bytes are held as the largest row may have; what
follows of a longer one is passed on piece by piece.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import zlib
from itertools import chain
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# One and a half times the largest rows of warehouses (20 MB), for the quotes that CSV doubles. Customer.io accepts 32 KB;
# only of the columns that a mapping leaves out may a row have more.
MAX_ROW_BYTES = 32 << 20
# Twenty times the largest file that a sync writes.
MAX_UNPACKED_BYTES = 4 << 30


class UnusableFile(ValueError):  # noqa: N818 - the state of the file
    """The file is left alone: it holds no rejected rows, is broken, or gone; the text says which, in half a sentence."""


class RowText(NamedTuple):
    """A row as it is in the file.

    line  the number of its first line, from 1
    text  the row with its line end; of a row that is too long only as much as a row may have
    rest  what follows in a row that is too long, to be read before the next row; None for all other rows
    """

    line: int
    text: bytes
    rest: Iterator[bytes] | None = None


class RowTexts:
    """Iterates over the rows of a file.

    file                its content, from its start
    spans_lines         whether a row continues while a quote is open, as in a table
    max_row_bytes       the length beyond which a row is too long
    max_unpacked_bytes  the length beyond which the file is unusable
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        spans_lines: bool,
        max_row_bytes: int = MAX_ROW_BYTES,
        max_unpacked_bytes: float = math.inf,
    ) -> None:
        self._file = file
        self._spans_lines = spans_lines
        self._max_row_bytes = max_row_bytes
        self._max_unpacked_bytes = max_unpacked_bytes
        self._line = 1
        self._bytes = 0

    def __iter__(self) -> Iterator[RowText]:
        """The rows in their order.

        Raises:
            UnusableFile: the file is truncated, unpacks to too much, or has a quote that is never closed.
        """
        while True:
            line = self._line
            pieces = self._pieces()
            text, most = self._joined(pieces), self._max_row_bytes
            if not text:
                return
            if len(text) <= most:
                yield RowText(line, text)
            else:
                yield RowText(line, text[:most], chain([text[most:]], pieces))
                for _ in pieces:  # whatever of the row nobody wanted
                    pass

    def _joined(self, pieces: Iterator[bytes]) -> bytes:
        """The whole row, or as many of its pieces as make it too long."""
        text = next(pieces, b"")
        if len(text) > self._max_row_bytes or (following := next(pieces, None)) is None:
            return text
        # Not a list: a million pieces may be of one byte each.
        held = bytearray(text + following)
        while len(held) <= self._max_row_bytes and (piece := next(pieces, None)) is not None:
            held += piece
        return bytes(held)

    def _pieces(self) -> Iterator[bytes]:
        """The next row in pieces: whole lines, or parts of a long one."""
        first = self._line
        is_open = False
        with decompressing():
            while piece := self._file.readline(self._max_row_bytes + 1):
                self._bytes += len(piece)
                if self._bytes > self._max_unpacked_bytes:
                    raise UnusableFile(f"it decompresses to more than {self._max_unpacked_bytes:,} bytes")
                ends_line = piece.endswith(b"\n")
                self._line += ends_line
                if self._spans_lines and piece.count(b'"') & 1:
                    is_open = not is_open
                yield piece
                if ends_line and not is_open:
                    return
        if is_open:
            raise UnusableFile(f"the row on line {first} has a quote that is never closed")


@contextlib.contextmanager
def decompressing() -> Iterator[None]:
    """For the time in which a file is read that may be compressed.

    Raises:
        UnusableFile: it is truncated.
    """
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise UnusableFile("its compression is broken, or it is truncated") from None
