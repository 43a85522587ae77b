"""Files of rejected rows in JSON Lines, with or without flattening."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.dead_letters.reading.layout import (
    BYTE_ORDER_MARK,
    DeadLetter,
    check_values,
    milliseconds,
    split_reasons,
    sync_id_in,
    text_or_empty,
    with_reasons,
)
from destination_customerio.dead_letters.row_format import DATA, EXTRACTED_AT, META, RAW_ID, REJECTED_COLUMNS
from destination_customerio.exact_json.spans import members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from destination_customerio.dead_letters.reading.row_texts import RowText
    from destination_customerio.errors import Rejection


# Every row has at least one of these; a row that somebody wrote or copied may lack the others.
_MARKS = (RAW_ID, DATA, REJECTED_COLUMNS[0])
_OWN = frozenset((*_MARKS, EXTRACTED_AT, META))


def is_marked(text: bytes) -> bool:
    """Whether a text has a column that every rejected row has."""
    return any(b'"%b"' % mark.encode() in text for mark in _MARKS)


def holds_objects(start: bytes) -> bool:
    """Whether a line of this beginning of a file is an object that may be a rejected row; the others may be malformed."""
    return any(
        line.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"{" and is_marked(line)
        for line in start.split(b"\n")
    )


class JsonLinesLayout:
    """One row per line; see `Layout`."""

    header = b""

    def __init__(self, rows: Iterable[RowText]) -> None:
        self._rows = rows

    def texts(self) -> Iterator[RowText]:
        """See `Layout`."""
        for row in self._rows:
            text = row.text.removeprefix(BYTE_ORDER_MARK)
            if row.rest is not None or (text.endswith(b"\n") and not text.isspace()):
                yield row._replace(text=text)
            elif text.strip():
                yield row._replace(text=text + b"\n")

    def read(self, number: int, text: bytes) -> DeadLetter:
        """See `Layout`."""
        check_values(text)
        found = {member.name: member for member in members(text) if member.name in _OWN}
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
        inner = {member.name: member for member in members(text)}.get(DATA)  # the last, as for parsers
        if inner is None:
            return with_reasons(text.rstrip(), rejection) + b"\n"
        data = with_reasons(text[inner.start : inner.end], rejection)
        return b"".join((text[: inner.start], data, text[inner.end :]))
