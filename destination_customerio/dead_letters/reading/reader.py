r"""Reads the files of rejected rows that `row_format` writes, one row at a time.

Which of the four layouts a file has, and whether it is compressed, is detected from the file itself: the configuration
may have been different when it was written. A row comes back as the JSON text of the original row, without its
`rejected_*` columns, and as the bytes that it has in the file, in which new reasons can replace the old ones without
touching anything else (`Layout.with_reasons`).

What comes back:

- JSON Lines, and CSV without flattening: the row as the source sent it, byte for byte between its values. In all
  layouts, columns that were renamed (`_from_row`) have their names again.
- CSV with root level flattening: columns outside the schema, which are JSON in `_airbyte_data`, come back exactly. A
  table can't hold all that JSON can, so the others come back as far as it says:
  - A quoted cell was text, and a bare one a number, true or false. Programs that change the quotes when they save a
    table change that: 5 becomes the text "5", or the reverse. A bare cell with any other content is text.
  - A quoted cell that holds a JSON object or array is that, except where the stream's schema says that the column is
    text.
  - Null and absent are both an empty cell, and come back as absent: the attribute is not touched then, where null
    would clear it. A bare `null`, which is never written, is null for whoever edits a row by hand.
  - The columns come in the order of the header, and a lone surrogate as the text of its escape.

  Older versions gave columns outside the schema a column of their own in a longer header; those are read too.

A row that somebody edited and broke has no data, and the reason `unreadable`. So has one that is longer than 32 MiB, or
has more than a million values: it is neither held in memory nor parsed.
"""

from __future__ import annotations

import gzip
import math
from typing import IO, TYPE_CHECKING, Any, cast

from destination_customerio.dead_letters.reading.csv_layout import MAX_HEADER_BYTES, open_table
from destination_customerio.dead_letters.reading.jsonl_layout import (
    JsonLinesLayout,
    holds_objects,
    is_marked,
)
from destination_customerio.dead_letters.reading.layout import (
    BYTE_ORDER_MARK,
    UNREADABLE,
    DeadLetter,
    TooLarge,
    no_rejected_rows,
)
from destination_customerio.dead_letters.reading.row_texts import (
    MAX_ROW_BYTES,
    MAX_UNPACKED_BYTES,
    RowTexts,
    UnusableFile,
    decompressing,
)
from destination_customerio.errors import Rejection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from destination_customerio.dead_letters.reading.layout import Layout

GZIP_MAGIC = b"\x1f\x8b"
_COMPRESSED = "it is compressed with {}; decompress it, or compress it with gzip"
_UTF_16 = "it is encoded in UTF-16 or UTF-32; save it in UTF-8"
# By the first bytes.
_OTHER_FORMATS = {
    b"BZh": _COMPRESSED.format("bzip2"),
    b"\xfd7zXZ\x00": _COMPRESSED.format("xz"),
    b"\x28\xb5\x2f\xfd": _COMPRESSED.format("Zstandard"),
    b"\x04\x22\x4d\x18": _COMPRESSED.format("LZ4"),
    b"\xff\x06\x00\x00sNaPpY": _COMPRESSED.format("Snappy"),
    GZIP_MAGIC: "it is compressed with gzip twice; decompress it once",
    b"PK\x03\x04": "it is a spreadsheet or a ZIP archive; upload the CSV or JSON Lines file itself",
    b"\xff\xfe": _UTF_16,
    b"\xfe\xff": _UTF_16,
    b"\x00\x00\xfe\xff": _UTF_16,
}


def layout_of(
    file: IO[bytes],
    properties: Mapping[str, Any] | None = None,
    max_row_bytes: int = MAX_ROW_BYTES,
    max_unpacked_bytes: int = MAX_UNPACKED_BYTES,
) -> Layout:
    """Start reading a file.

    Args:
        file: the object's content, from its start
        properties: the top-level properties of the stream's schema, if they are known
        max_row_bytes: the length beyond which a row can't be read
        max_unpacked_bytes: the length beyond which a compressed file can't be read

    Raises:
        UnusableFile: it is not a file of rejected rows.
    """
    is_compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    content = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_compressed else file
    start = _start_of(content).removeprefix(BYTE_ORDER_MARK)
    for magic, cause in _OTHER_FORMATS.items():
        if start.startswith(magic):
            raise UnusableFile(cause)

    def rows(*, spans_lines: bool) -> RowTexts:
        content.seek(0)
        return RowTexts(
            content,
            spans_lines=spans_lines,
            max_row_bytes=max_row_bytes,
            max_unpacked_bytes=max_unpacked_bytes if is_compressed else math.inf,
        )

    if start.lstrip()[:1] not in (b"{", b"["):
        if len(start) >= MAX_HEADER_BYTES - len(BYTE_ORDER_MARK) and b"\n" not in start:
            raise no_rejected_rows()
        try:
            return open_table(iter(rows(spans_lines=True)), properties or {})
        except UnusableFile:
            if not holds_objects(start):
                raise
    # Lines before the first good row may be malformed: a replay leaves those that can't be read.
    if holds_objects(start):
        return JsonLinesLayout(rows(spans_lines=False))
    if is_marked(start):
        raise UnusableFile("its rows are not on lines of their own; write each row on one line")
    raise no_rejected_rows()


def _start_of(content: IO[bytes]) -> bytes:
    """As much as a header may have; less of a file that breaks off, as the rows before that can be read.

    Raises:
        UnusableFile: it breaks off in its first line.
    """
    start = bytearray()
    try:
        with decompressing():
            while len(start) < MAX_HEADER_BYTES and (
                piece := content.readline(MAX_HEADER_BYTES - len(start))
            ):
                start += piece
    except UnusableFile:
        if not start:
            raise
    return bytes(start)


def read_rows(layout: Layout) -> Iterator[DeadLetter]:
    """All rows of a file in the order in which they were written, those that can't be read included.

    Raises:
        UnusableFile: the file is truncated, or has a quote that is never closed.
    """
    for number, (line, text, rest) in enumerate(layout.texts()):
        if rest is not None:
            yield _unreadable(number, text, line, f"longer than {len(text):,} bytes", rest)
            continue
        try:
            row = layout.read(number, text)
        except TooLarge as error:
            row = _unreadable(number, text, line, str(error))
        except ValueError:
            row = _unreadable(number, text, line, "malformed")
        yield row


def _unreadable(
    number: int, text: bytes, line: int, fault: str, rest: Iterator[bytes] | None = None
) -> DeadLetter:
    words = "The row can't be read. Correct it, or restore it from the source."
    rejection = Rejection(UNREADABLE, "", words)
    return DeadLetter(number, text, "", None, None, rejection, None, f"line {line}: {fault}", rest)
