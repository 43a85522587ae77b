"""Files of rejected rows in JSON Lines, with or without flattening."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from destination_customerio.dead_letters.reading.layout import (
    BYTE_ORDER_MARK,
    MAX_ROW_BYTES,
    DeadLetter,
    lines_of,
    milliseconds,
    split_reasons,
    sync_id_in,
    text_or_empty,
    with_reasons,
)
from destination_customerio.dead_letters.row_format import DATA, EXTRACTED_AT, META, RAW_ID, REJECTED_COLUMNS
from destination_customerio.exact_json.spans import members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from destination_customerio.errors import Rejection


# Every row has at least one of these; a row that somebody wrote or copied may lack the others.
_MARKS = (RAW_ID, DATA, REJECTED_COLUMNS[0])


def may_be_rejected_rows(start: bytes) -> bool:
    """Whether a file of JSON objects with this beginning may hold rejected rows, even if some are malformed."""
    return any(b'"%b"' % mark.encode() in start for mark in _MARKS)


class JsonLinesLayout:
    """One row per line; see `Layout`."""

    header = b""

    def __init__(self, file: IO[bytes], max_row_bytes: int = MAX_ROW_BYTES) -> None:
        self._file = file
        self._max_row_bytes = max_row_bytes

    def texts(self) -> Iterator[bytes]:
        """See `Layout`."""
        for line in lines_of(self._file, self._max_row_bytes):
            text = line.removeprefix(BYTE_ORDER_MARK)
            if text.strip():
                yield text if text.endswith(b"\n") else text + b"\n"

    def read(self, number: int, text: bytes) -> DeadLetter:
        """See `Layout`."""
        found = {member.name: member for member in members(text)}
        if not any(mark in found for mark in _MARKS):
            raise ValueError("not a rejected row")
        raw_id, extracted_at, meta = (
            text[found[name].start : found[name].end] if name in found else b"null"
            for name in (RAW_ID, EXTRACTED_AT, META)
        )
        if DATA in found:
            inner = text[found[DATA].start : found[DATA].end]
            rejection, data = split_reasons(inner)
        else:
            rejection, data = split_reasons(text, flattened=True)
        return DeadLetter(
            number, text, text_or_empty(raw_id), milliseconds(extracted_at), sync_id_in(meta), rejection, data
        )

    def with_reasons(self, text: bytes, rejection: Rejection) -> bytes:
        """See `Layout`."""
        inner = next((member for member in members(text) if member.name == DATA), None)
        if inner is None:
            return with_reasons(text.rstrip(), rejection) + b"\n"
        data = with_reasons(text[inner.start : inner.end], rejection)
        return b"".join((text[: inner.start], data, text[inner.end :]))
