"""Files of rejected rows as tables, with or without flattening. What a flattened one can hold: `reader`."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, Any

from destination_customerio.dead_letters.reading.layout import (
    MAX_ROW_BYTES,
    RejectedRow,
    UnusableFile,
    check_row,
    integer,
    is_json,
    lines_of,
    no_rejected_rows,
    sync_id_in,
    taken_apart,
    with_reasons,
)
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

_CELL = re.compile(rb'(?:"((?:[^"]++|"")*+)"|([^",\r\n][^,\r\n]*+|))(,|\r?\n?\Z)')
_BARE_JSON = re.compile(
    rb"true|false|null|NaN|-?Infinity|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
)


class _Table:
    """CSV; `_row_of` knows where in it the row and its reasons are."""

    def __init__(self, header: bytes, names: list[str], file: IO[bytes]) -> None:
        self.header = header
        self._names = names
        self._places = {name: place for place, name in enumerate(names)}
        self._file = file

    def texts(self) -> Iterator[bytes]:
        for record in _records(lines_of(self._file)):
            if record.strip():
                yield record if record.endswith(b"\n") else record + b"\r\n"

    def read(self, number: int, text: bytes) -> RejectedRow:
        cells = self._cells(text)
        rejection, data = self._row_of(cells)
        raw_id, extracted_at, meta = (self._content(cells, name) for name in (RAW_ID, EXTRACTED_AT, META))
        return RejectedRow(
            number, text, raw_id.decode().strip(), integer(extracted_at), sync_id_in(meta), rejection, data
        )

    def with_reasons(self, text: bytes, rejection: Rejection) -> bytes:
        cells = self._cells(text)
        self._put_reasons(cells, rejection)
        return b",".join(cells) + text[len(text.rstrip(b"\r\n")) :]

    def _cells(self, text: bytes) -> list[bytes]:
        cells = list(_split(text))
        if len(cells) != len(self._names):
            raise ValueError("the row is not as wide as the table")
        return cells

    def _content(self, cells: list[bytes], name: str) -> bytes:
        place = self._places.get(name)
        return b"" if place is None else _unquoted(cells[place])

    def _row_of(self, cells: list[bytes]) -> tuple[Rejection, bytes]:
        return taken_apart(self._content(cells, DATA))

    def _put_reasons(self, cells: list[bytes], rejection: Rejection) -> None:
        cells[self._places[DATA]] = quoted(with_reasons(self._content(cells, DATA), rejection))


class _FlatTable(_Table):
    def __init__(
        self, header: bytes, names: list[str], file: IO[bytes], properties: Mapping[str, Any]
    ) -> None:
        super().__init__(header, names, file)
        self._columns = [
            (place, json_string(name_in_row(name)), _is_text_only(properties.get(name_in_row(name))))
            for place, name in enumerate(names)
            if name not in OUR_COLUMNS and name not in REJECTED_COLUMNS
        ]

    def _row_of(self, cells: list[bytes]) -> tuple[Rejection, bytes]:
        parts = [
            name + b":" + value
            for place, name, is_text in self._columns
            if (value := _value(cells[place], is_text=is_text))
        ]
        if overflow := self._content(cells, DATA).strip():
            _, rest = taken_apart(overflow, flattened=True)
            parts += [rest[1:-1]] if rest != b"{}" else []
        reasons = (self._content(cells, name).decode() for name in REJECTED_COLUMNS)
        data = b"{%b}" % b",".join(parts)
        check_row(data)
        return Rejection(*reasons), data

    def _put_reasons(self, cells: list[bytes], rejection: Rejection) -> None:
        reasons = (rejection.reason, rejection.field, rejection.message)
        for name, words in zip(REJECTED_COLUMNS, reasons, strict=True):
            if name in self._places:
                cells[self._places[name]] = quoted(utf8(words))


def open_table(first: bytes, file: IO[bytes], properties: Mapping[str, Any]) -> Layout:
    """Begin to read a table.

    Args:
        first: its first line
        file: what comes after that
        properties: the top-level properties of the stream's schema, if they are known

    Raises:
        UnusableFile: something else lies there.
    """
    header = next(_records(_chained(first, file)), b"")
    try:
        names = [_unquoted(cell).decode() for cell in _split(header)]
    except ValueError:
        names = []
    if RAW_ID not in names or len(set(names)) < len(names):
        raise no_rejected_rows()
    if not header.endswith(b"\n"):
        header += b"\r\n"
    if REJECTED_COLUMNS[0] in names:
        return _FlatTable(header, names, file, properties)
    if DATA not in names:
        raise UnusableFile("its table has neither the rows nor the reasons of their rejection")
    return _Table(header, names, file)


def _chained(first: bytes, file: IO[bytes]) -> Iterator[bytes]:
    yield first
    yield from lines_of(file)


def _records(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The rows of a table: whole lines, put together as long as a quote is open."""
    pieces: list[bytes] = []
    size = 0
    is_open = False
    for line in lines:
        pieces.append(line)
        size += len(line)
        is_open ^= bool(line.count(b'"') & 1)
        if not is_open:
            yield b"".join(pieces)
            pieces, size = [], 0
        elif size > MAX_ROW_BYTES:
            break
    if pieces:
        raise UnusableFile("a quote is opened in it and never closed")


def _split(record: bytes) -> Iterator[bytes]:
    """The cells of a row as they are written."""
    at = 0
    while cell := _CELL.match(record, at):
        yield record[cell.start() : cell.start(3)]
        at = cell.end()
        if cell[3] != b",":
            return
    raise ValueError("not a row of a table")


def _unquoted(cell: bytes) -> bytes:
    return cell[1:-1].replace(b'""', b'"') if cell[:1] == b'"' else cell


def _value(cell: bytes, *, is_text: bool) -> bytes:
    """A cell as JSON text; empty when there is nothing in it."""
    content = _unquoted(cell)
    if content[:1] in (b"{", b"[") and not is_text and is_json(content):
        return content
    if cell[:1] != b'"' and (not cell or _BARE_JSON.fullmatch(cell)):
        return cell
    return json_string(content.decode())


def _is_text_only(schema: object) -> bool:
    """Whether a column's schema lets it hold text, and neither objects nor arrays."""
    kinds = (as_object(schema) or {}).get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return (
        isinstance(kinds, list)
        and "string" in kinds
        and not any(kind in kinds for kind in ("object", "array"))
    )
