r"""Reads the files of rejected rows that `dead_letter_format` writes, one row at a time.

Which of the four layouts a file has, and whether it is packed by gzip, is seen in the file itself: the configuration may
have been another one when it was written. A row comes back as the JSON text of the original row, without its
`rejected_*` columns, and as the bytes that it has in the file, in which new reasons can be put in place of the old ones
without touching anything else (`Layout.with_reasons`).

What comes back:

- JSON Lines, and CSV without flattening: the row as the source gave it, byte for byte between its values.
- JSON Lines with root level flattening: the same; columns that gave way to Airbyte's (`_from_row`) have their names again.
- CSV with root level flattening can't hold all that JSON can, so it comes back as well as the table tells:
  - A quoted cell was text, and a bare one a number, true or false. Programs that change the quotes when they save a
    table change that: 5 becomes the text "5", or the reverse. A bare cell that is no such value is text.
  - A quoted cell that holds a JSON object or array is that, except where the stream's schema says that the column is
    text.
  - Null and absent are both an empty cell, and come back as absent: the attribute is not touched then, where null
    would clear it. A bare `null`, which is never written, is null for whoever mends a row by hand.
  - The columns come in the order of the header, and a lone surrogate as the text of its escape.

A row that can't be read, as somebody mended it and broke it, has no data, and the reason `unreadable`.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from destination_customerio.dead_letter_format import (
    DATA,
    EXTRACTED_AT,
    META,
    OUR_COLUMNS,
    RAW_ID,
    REJECTED_COLUMNS,
    json_string,
    name_in_row,
    quoted,
    rejected_members,
    utf8,
)
from destination_customerio.errors import Rejection
from destination_customerio.json_spans import Member, members
from destination_customerio.json_text import NestedTooDeeply, as_object, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNREADABLE = "unreadable"

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A row is one line, but for line ends in quotes; one that never ends is a table with a quote too many.
_MAX_ROW_BYTES = 256 * 1024 * 1024
_CELL = re.compile(rb'(?:"((?:[^"]++|"")*+)"|([^",\r\n][^,\r\n]*+|))(,|\r?\n?\Z)')
_BARE_JSON = re.compile(
    rb"true|false|null|NaN|-?Infinity|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
)


class NotRejectedRows(ValueError):  # noqa: N818 - what is the matter with the file
    """The file holds no rejected rows, or is broken; the text says which, in half a sentence."""


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row of a file.

    number        its place in the file, from 0
    text          the row as it stands in the file, with its line end
    raw_id        its `_airbyte_raw_id`; "" when somebody took it out
    extracted_at  milliseconds since 1970; None when unknown
    sync_id       None when unknown
    data          the original row, a JSON text on one line; None when the row can't be read
    """

    number: int
    text: bytes
    raw_id: str
    extracted_at: int | None
    sync_id: int | None
    rejection: Rejection
    data: bytes | None


class Layout(Protocol):
    """How rows lie in a file; `header` is what the file begins with."""

    header: bytes

    def texts(self) -> Iterator[bytes]:
        """The rows as they stand in the file.

        Raises:
            NotRejectedRows: the file breaks off.
        """
        ...

    def read(self, number: int, text: bytes) -> RejectedRow:
        """Take a row apart.

        Raises:
            ValueError: it can't be.
        """
        ...

    def with_reasons(self, text: bytes, rejection: Rejection) -> bytes:
        """The same row with other reasons; it must be one that can be read."""
        ...


def layout_of(file: IO[bytes], properties: Mapping[str, Any] | None = None) -> Layout:
    """Begin to read a file.

    Args:
        file: the object's content, from its start
        properties: the top-level properties of the stream's schema, if they are known

    Raises:
        NotRejectedRows: something else lies there.
    """
    start = file.tell()
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(start)
    content = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if magic == _GZIP_MAGIC else file
    first = next(_lines(content), b"").removeprefix(_BYTE_ORDER_MARK)
    if first.lstrip()[:1] == b"{":
        content.seek(0 if content is not file else start)
        return _JsonLines(content)
    return _table(first, content, properties or {})


def read_rows(layout: Layout) -> Iterator[RejectedRow]:
    """All rows of a file, in the order in which they were written; those that can't be read included.

    Raises:
        NotRejectedRows: the file breaks off.
    """
    for number, text in enumerate(layout.texts()):
        try:
            row = layout.read(number, text)
        except ValueError:
            words = "The row is broken, so it can't be read. Mend it, or restore it from the source."
            row = RejectedRow(number, text, "", None, None, Rejection(UNREADABLE, "", words), None)
        yield row


class _JsonLines:
    header = b""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def texts(self) -> Iterator[bytes]:
        for line in _lines(self._file):
            text = line.removeprefix(_BYTE_ORDER_MARK)
            if text.strip():
                yield text if text.endswith(b"\n") else text + b"\n"

    def read(self, number: int, text: bytes) -> RejectedRow:
        found = {member.name: member for member in members(text)}
        if RAW_ID not in found:
            raise ValueError("no row of a rejected stream")
        raw_id, extracted_at, meta = (
            text[found[name].start : found[name].end] if name in found else b"null"
            for name in (RAW_ID, EXTRACTED_AT, META)
        )
        if DATA in found:
            inner = text[found[DATA].start : found[DATA].end]
            rejection, data = _taken_apart(inner)
        else:
            rejection, data = _taken_apart(text, flattened=True)
        return RejectedRow(
            number, text, _text_or_none(raw_id), _integer(extracted_at), _sync_id(meta), rejection, data
        )

    def with_reasons(self, text: bytes, rejection: Rejection) -> bytes:
        inner = next((member for member in members(text) if member.name == DATA), None)
        if inner is None:
            return _with_reasons(text.rstrip(), rejection) + b"\n"
        data = _with_reasons(text[inner.start : inner.end], rejection)
        return b"".join((text[: inner.start], data, text[inner.end :]))


class _Table:
    """CSV; `_row_of` knows where in it the row and its reasons are."""

    def __init__(self, header: bytes, names: list[str], file: IO[bytes]) -> None:
        self.header = header
        self._names = names
        self._places = {name: place for place, name in enumerate(names)}
        self._file = file

    def texts(self) -> Iterator[bytes]:
        for record in _records(_lines(self._file)):
            if record.strip():
                yield record if record.endswith(b"\n") else record + b"\r\n"

    def read(self, number: int, text: bytes) -> RejectedRow:
        cells = self._cells(text)
        rejection, data = self._row_of(cells)
        raw_id, extracted_at, meta = (self._content(cells, name) for name in (RAW_ID, EXTRACTED_AT, META))
        return RejectedRow(
            number, text, raw_id.decode().strip(), _integer(extracted_at), _sync_id(meta), rejection, data
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
        return _taken_apart(self._content(cells, DATA))

    def _put_reasons(self, cells: list[bytes], rejection: Rejection) -> None:
        cells[self._places[DATA]] = quoted(_with_reasons(self._content(cells, DATA), rejection))


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
            _, rest = _taken_apart(overflow, flattened=True)
            parts += [rest[1:-1]] if rest != b"{}" else []
        reasons = (self._content(cells, name).decode() for name in REJECTED_COLUMNS)
        data = b"{%b}" % b",".join(parts)
        _check(data)
        return Rejection(*reasons), data

    def _put_reasons(self, cells: list[bytes], rejection: Rejection) -> None:
        reasons = (rejection.reason, rejection.field, rejection.message)
        for name, words in zip(REJECTED_COLUMNS, reasons, strict=True):
            if name in self._places:
                cells[self._places[name]] = quoted(utf8(words))


def _table(first: bytes, file: IO[bytes], properties: Mapping[str, Any]) -> Layout:
    header = next(_records(_chained(first, file)), b"")
    try:
        names = [_unquoted(cell).decode() for cell in _split(header)]
    except ValueError:
        names = []
    if RAW_ID not in names or len(set(names)) < len(names):
        raise NotRejectedRows("it is no file of rejected rows")
    if not header.endswith(b"\n"):
        header += b"\r\n"
    if REJECTED_COLUMNS[0] in names:
        return _FlatTable(header, names, file, properties)
    if DATA not in names:
        raise NotRejectedRows("its table has neither the rows nor the reasons of their rejection")
    return _Table(header, names, file)


def _chained(first: bytes, file: IO[bytes]) -> Iterator[bytes]:
    yield first
    yield from _lines(file)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    try:
        while line := file.readline(_MAX_ROW_BYTES):
            if len(line) == _MAX_ROW_BYTES and not line.endswith(b"\n"):
                raise NotRejectedRows(f"it has a line of more than {_MAX_ROW_BYTES >> 20} MiB")
            yield line
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise NotRejectedRows("its compression is broken, or it breaks off") from None


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
        elif size > _MAX_ROW_BYTES:
            break
    if pieces:
        raise NotRejectedRows("a quote is opened in it and never closed")


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
    if content[:1] in (b"{", b"[") and not is_text and _is_json(content):
        return content
    if cell[:1] != b'"' and (not cell or _BARE_JSON.fullmatch(cell)):
        return cell
    return json_string(content.decode())


def _is_json(text: bytes) -> bool:
    try:
        parse(text)
    except NestedTooDeeply:
        return True
    except ValueError:
        return False
    return True


def _is_text_only(schema: object) -> bool:
    """Whether a column's schema lets it hold text, and neither objects nor arrays."""
    kinds = (as_object(schema) or {}).get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return (
        isinstance(kinds, list)
        and "string" in kinds
        and not any(kind in kinds for kind in ("object", "array"))
    )


def _taken_apart(text: bytes, *, flattened: bool = False) -> tuple[Rejection, bytes]:
    """The reasons in an object, and the JSON text of all else in it on one line.

    Args:
        text: a JSON object
        flattened: whether Airbyte's columns stand in it too, and the row's may have given way to them
    """
    words = dict.fromkeys(REJECTED_COLUMNS, "")
    kept: list[bytes] = []
    for member in members(text):
        if member.name in words:
            words[member.name] = _text_or_none(text[member.start : member.end])
        elif not flattened:
            kept.append(text[member.name_start : member.end])
        elif member.name not in OUR_COLUMNS:
            kept.append(_own_member(text, member))
    # A line end can only be space between values, and would end the message that the row becomes part of.
    data = b"{%b}" % b",".join(kept).replace(b"\r", b" ").replace(b"\n", b" ")
    _check(data)
    return Rejection(*words.values()), data


def _own_member(text: bytes, member: Member) -> bytes:
    name = name_in_row(member.name)
    if name == member.name:
        return text[member.name_start : member.end]
    return json_string(name) + b":" + text[member.start : member.end]


def _with_reasons(text: bytes, rejection: Rejection) -> bytes:
    kept = [
        text[member.name_start : member.end]
        for member in members(text)
        if member.name not in REJECTED_COLUMNS
    ]
    return b"{%b}" % b",".join([*kept, rejected_members(rejection)])


def _check(data: bytes) -> None:
    """Raise ValueError for what no sync would take for a row; what is only nested too deeply is one."""
    if not _is_json(data):
        raise ValueError("not a JSON object")


def _text_or_none(value: bytes) -> str:
    parsed = parse(value)
    return parsed if isinstance(parsed, str) else ""


def _integer(text: bytes) -> int | None:
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def _sync_id(meta: bytes) -> int | None:
    try:
        sync_id = (as_object(parse(meta)) or {}).get("sync_id")
    except ValueError:
        return None
    return sync_id if type(sync_id) is int else None
