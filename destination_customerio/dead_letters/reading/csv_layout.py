"""Files of rejected rows as CSV tables, with or without flattening. `reader` says what a flattened one can hold."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from destination_customerio.dead_letters.reading.layout import (
    BYTE_ORDER_MARK,
    DeadLetter,
    check_row,
    is_json,
    milliseconds,
    no_rejected_rows,
    split_reasons,
    sync_id_in,
    with_reasons,
)
from destination_customerio.dead_letters.reading.row_texts import UnusableFile
from destination_customerio.dead_letters.row_format import (
    DATA,
    EXTRACTED_AT,
    META,
    OUR_COLUMNS,
    RAW_ID,
    REJECTED_COLUMNS,
    json_string,
    name_in_row,
    quoted,
    utf8,
)
from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import as_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from destination_customerio.dead_letters.reading.layout import Layout
    from destination_customerio.dead_letters.reading.row_texts import RowText

# Far beyond any schema, in both; other files in the bucket may have no line ends, or nothing but commas.
MAX_HEADER_BYTES = 4 << 20
_MAX_COLUMNS = 100_000

_CELL = re.compile(rb'(?:"((?:[^"]++|"")*+)"|([^",\r\n][^,\r\n]*+|))(,|\r?\n?\Z)')
_BARE_JSON = re.compile(
    rb"true|false|null|NaN|-?Infinity|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
)


class _Header:
    """The columns of a table: finds the cells of a row by name."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.places = {name: place for place, name in enumerate(names)}

    def cells(self, text: bytes) -> list[bytes]:
        """The cells of a row, quotes included."""
        cells = list(islice(_split(text), len(self.names) + 1))
        if len(cells) != len(self.names):
            raise ValueError("the row has more or fewer cells than the header")
        return cells

    def content(self, cells: list[bytes], name: str) -> bytes:
        """The content of a cell; empty if the table has no such column."""
        place = self.places.get(name)
        return b"" if place is None else _unquoted(cells[place])


class _Contents(Protocol):
    """Where the row and the reasons are among the cells of a table."""

    def row_of(self, cells: list[bytes]) -> tuple[Rejection, bytes]: ...

    def put_reasons(self, cells: list[bytes], rejection: Rejection) -> None: ...


class _OneColumn:
    """The row and its reasons are one JSON object in one column."""

    def __init__(self, header: _Header) -> None:
        self._header = header

    def row_of(self, cells: list[bytes]) -> tuple[Rejection, bytes]:
        return split_reasons(self._header.content(cells, DATA))

    def put_reasons(self, cells: list[bytes], rejection: Rejection) -> None:
        cells[self._header.places[DATA]] = quoted(with_reasons(self._header.content(cells, DATA), rejection))


class _FlatColumns:
    """The row has a column for each of its own, one for the rest, and the reasons have three."""

    def __init__(self, header: _Header, properties: Mapping[str, Any]) -> None:
        self._header = header
        self._columns = [
            (place, json_string(own_name), _is_text_only(properties.get(own_name)))
            for place, name in enumerate(header.names)
            if name not in OUR_COLUMNS and name not in REJECTED_COLUMNS
            for own_name in (name_in_row(name, flattened=True),)
        ]

    def row_of(self, cells: list[bytes]) -> tuple[Rejection, bytes]:
        parts = [
            name + b":" + value
            for place, name, is_text in self._columns
            if (value := _value(cells[place], is_text=is_text))
        ]
        if outside_schema := self._header.content(cells, DATA).strip():
            _, rest = split_reasons(outside_schema, flattened=True)
            parts += [rest[1:-1]] if rest != b"{}" else []
        reasons = (self._header.content(cells, name).decode() for name in REJECTED_COLUMNS)
        data = b"{%b}" % b",".join(parts)
        check_row(data)
        return Rejection(*reasons), data

    def put_reasons(self, cells: list[bytes], rejection: Rejection) -> None:
        reasons = (rejection.reason, rejection.field, rejection.message)
        for name, words in zip(REJECTED_COLUMNS, reasons, strict=True):
            if name in self._header.places:
                cells[self._header.places[name]] = quoted(utf8(words))


class _Table:
    """See `Layout`."""

    def __init__(
        self, header_text: bytes, header: _Header, contents: _Contents, rows: Iterator[RowText]
    ) -> None:
        self.header = header_text
        self._header = header
        self._contents = contents
        self._rows = rows

    def texts(self) -> Iterator[RowText]:
        for row in self._rows:
            if row.rest is not None or (row.text.endswith(b"\n") and not row.text.isspace()):
                yield row
            elif row.text.strip():
                yield row._replace(text=row.text + b"\r\n")

    def read(self, number: int, text: bytes) -> DeadLetter:
        cells = self._header.cells(text)
        rejection, data = self._contents.row_of(cells)
        raw_id, extracted_at, meta = (
            self._header.content(cells, name) for name in (RAW_ID, EXTRACTED_AT, META)
        )
        return DeadLetter(
            number,
            text,
            raw_id.decode().strip(),
            milliseconds(extracted_at),
            sync_id_in(meta),
            rejection,
            data,
        )

    def with_reasons(self, text: bytes, rejection: Rejection) -> bytes:
        cells = self._header.cells(text)
        self._contents.put_reasons(cells, rejection)
        return b",".join(cells) + text[len(text.rstrip(b"\r\n")) :]


def open_table(rows: Iterator[RowText], properties: Mapping[str, Any]) -> Layout:
    """Start reading a table.

    Args:
        rows: its rows, the header first
        properties: the top-level properties of the stream's schema, if they are known

    Raises:
        UnusableFile: it is not a table of rejected rows.
    """
    texts = (row.text.removeprefix(BYTE_ORDER_MARK) for row in rows)
    text = next((text for text in texts if text.strip()), b"")
    try:
        names = [_unquoted(cell).decode() for cell in islice(_split(text), _MAX_COLUMNS + 1)]
    except ValueError:
        names = []
    if len(text) > MAX_HEADER_BYTES or len(names) > _MAX_COLUMNS:
        raise no_rejected_rows()
    if RAW_ID not in names or len(set(names)) < len(names):
        raise _unreadable_header(text)
    if not text.endswith(b"\n"):
        text += b"\r\n"
    header = _Header(names)
    if REJECTED_COLUMNS[0] in names:
        return _Table(text, header, _FlatColumns(header, properties), rows)
    if DATA not in names:
        raise _unreadable_header(text)
    return _Table(text, header, _OneColumn(header), rows)


def _unreadable_header(text: bytes) -> UnusableFile:
    if RAW_ID.encode() not in text:
        return no_rejected_rows()
    return UnusableFile(
        f"its first line is not a header of rejected rows; it needs the columns {RAW_ID} and {DATA} or {REJECTED_COLUMNS[0]}, each "
        "once, separated by commas, in double quotes or none"
    )


def _split(record: bytes) -> Iterator[bytes]:
    """The cells of a row, quotes included."""
    at = 0
    while cell := _CELL.match(record, at):
        yield record[cell.start() : cell.start(3)]
        at = cell.end()
        if cell[3] != b",":
            return
    raise ValueError("not a CSV row")


def _unquoted(cell: bytes) -> bytes:
    return cell[1:-1].replace(b'""', b'"') if cell[:1] == b'"' else cell


def _value(cell: bytes, *, is_text: bool) -> bytes:
    """A cell as JSON text; empty for an empty cell."""
    content = _unquoted(cell)
    if content[:1] in (b"{", b"[") and not is_text and is_json(content):
        return content
    if cell[:1] != b'"' and (not cell or _BARE_JSON.fullmatch(cell)):
        return cell
    return json_string(content.decode())


def _is_text_only(schema: object) -> bool:
    """Whether a column's schema allows text, and neither objects nor arrays."""
    kinds = (as_object(schema) or {}).get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return (
        isinstance(kinds, list)
        and "string" in kinds
        and not any(kind in kinds for kind in ("object", "array"))
    )
