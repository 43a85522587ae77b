"""Files of rejected rows in JSON Lines, with or without flattening."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from destination_customerio.dead_letters.reading.layout import (
    BYTE_ORDER_MARK,
    RejectedRow,
    integer,
    lines_of,
    sync_id_in,
    taken_apart,
    text_or_empty,
    with_reasons,
)
from destination_customerio.dead_letters.row_format import DATA, EXTRACTED_AT, META, RAW_ID, REJECTED_COLUMNS
from destination_customerio.exact_json.spans import members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from destination_customerio.errors import Rejection


# One of these is in every row: a row that somebody has written or copied may lack the others.
_MARKS = (RAW_ID, DATA, REJECTED_COLUMNS[0])


def may_be_rejected_rows(start: bytes) -> bool:
    """Whether a file of JSON objects that starts so may be one of rejected rows, some of them broken even."""
    return any(b'"%b"' % mark.encode() in start for mark in _MARKS)


class JsonLinesLayout:
    """One row a line; see `Layout`."""

    header = b""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def texts(self) -> Iterator[bytes]:
        """See `Layout`."""
        for line in lines_of(self._file):
            text = line.removeprefix(BYTE_ORDER_MARK)
            if text.strip():
                yield text if text.endswith(b"\n") else text + b"\n"

    def read(self, number: int, text: bytes) -> RejectedRow:
        """See `Layout`."""
        found = {member.name: member for member in members(text)}
        if not any(mark in found for mark in _MARKS):
            raise ValueError("no row of a rejected stream")
        raw_id, extracted_at, meta = (
            text[found[name].start : found[name].end] if name in found else b"null"
            for name in (RAW_ID, EXTRACTED_AT, META)
        )
        if DATA in found:
            inner = text[found[DATA].start : found[DATA].end]
            rejection, data = taken_apart(inner)
        else:
            rejection, data = taken_apart(text, flattened=True)
        return RejectedRow(
            number, text, text_or_empty(raw_id), integer(extracted_at), sync_id_in(meta), rejection, data
        )

    def with_reasons(self, text: bytes, rejection: Rejection) -> bytes:
        """See `Layout`."""
        inner = next((member for member in members(text) if member.name == DATA), None)
        if inner is None:
            return with_reasons(text.rstrip(), rejection) + b"\n"
        data = with_reasons(text[inner.start : inner.end], rejection)
        return b"".join((text[: inner.start], data, text[inner.end :]))
