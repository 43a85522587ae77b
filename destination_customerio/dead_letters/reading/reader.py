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

A row that somebody edited and broke has no data, and the reason `unreadable`.
"""

from __future__ import annotations

import gzip
from typing import IO, TYPE_CHECKING, Any, cast

from destination_customerio.dead_letters.reading.csv_layout import open_table
from destination_customerio.dead_letters.reading.jsonl_layout import JsonLinesLayout, may_be_rejected_rows
from destination_customerio.dead_letters.reading.layout import (
    BYTE_ORDER_MARK,
    MAX_ROW_BYTES,
    UNREADABLE,
    DeadLetter,
    decompressing,
    no_rejected_rows,
)
from destination_customerio.errors import Rejection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from destination_customerio.dead_letters.reading.layout import Layout

GZIP_MAGIC = b"\x1f\x8b"
# Far beyond what 2,000 columns need; other files in the bucket may have no line ends.
_MAX_HEADER_BYTES = 4 * 1024 * 1024


def layout_of(
    file: IO[bytes], properties: Mapping[str, Any] | None = None, max_row_bytes: int = MAX_ROW_BYTES
) -> Layout:
    """Start reading a file.

    Args:
        file: the object's content, from its start
        properties: the top-level properties of the stream's schema, if they are known
        max_row_bytes: the length beyond which a row counts as broken

    Raises:
        UnusableFile: it is not a file of rejected rows.
    """
    start = file.tell()
    magic = file.read(len(GZIP_MAGIC))
    file.seek(start)
    content = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if magic == GZIP_MAGIC else file
    with decompressing():
        first = content.readline(_MAX_HEADER_BYTES).removeprefix(BYTE_ORDER_MARK)
    if first.lstrip()[:1] == b"{" and may_be_rejected_rows(first):
        content.seek(0 if content is not file else start)
        return JsonLinesLayout(content, max_row_bytes)
    if len(first) >= _MAX_HEADER_BYTES:
        raise no_rejected_rows()
    return open_table(first, content, properties or {}, max_row_bytes)


def read_rows(layout: Layout) -> Iterator[DeadLetter]:
    """All rows of a file in the order in which they were written, malformed ones included.

    Raises:
        UnusableFile: the file is truncated.
    """
    for number, text in enumerate(layout.texts()):
        try:
            row = layout.read(number, text)
        except ValueError:
            words = "The row is malformed. Correct it, or restore it from the source."
            row = DeadLetter(number, text, "", None, None, Rejection(UNREADABLE, "", words), None)
        yield row
