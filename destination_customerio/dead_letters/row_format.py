r"""Turns a rejected row into one line of a dead-letter file, and names the columns of these files.

The files are the data itself, made to be corrected and replayed, so values are copied from the record's own text and
never parsed: digits, floats as written, duplicate keys, escapes of lone surrogates and any depth are preserved. Each row
gets Airbyte's four columns (raw id, extraction time, meta, generation), its data, and three columns that say why it was
rejected.

Without flattening the data is one JSON object, `_airbyte_data`, with the reasons among its members. With root level
flattening its members are beside Airbyte's columns. A row's column that would have the name of another column beside it
gets `_from_row` appended to its name (as does `rejected_reason_from_row`, and so on), so that neither hides the other. A
replay gives it its name again.

CSV: CRLF, a header, strings quoted, numbers and booleans bare, objects and arrays as quoted JSON, null and absent empty.

- A cell that a spreadsheet would run as a formula (`=`, `+`, `-`, `@` first) is written unchanged: `+44...` is an
  ordinary phone number, and a quote put before it would be replayed with it. Import these files as text.
- Flattened, the columns are the properties of the stream's schema. What a row has beside them is one JSON object in the
  column `_airbyte_data`, so the header of a stream never changes, whatever columns its rows bring.
- Of several members with the same name a flattened row keeps the last, as every JSON parser does.
- A lone surrogate has no UTF-8 form; flattened, its escape is written as text (`\ud83d`).
"""

from __future__ import annotations

import io
import json
import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

import orjson

from destination_customerio.airbyte.emitted_at import json_in_milliseconds
from destination_customerio.config.storage import CsvFormat, JsonlFormat
from destination_customerio.exact_json.spans import members

if TYPE_CHECKING:
    from collections.abc import Iterable

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.errors import Rejection

# Airbyte's own columns, and those that say why a row was rejected.
RAW_ID, EXTRACTED_AT, META, GENERATION_ID, DATA = OUR_COLUMNS = (
    "_airbyte_raw_id",
    "_airbyte_extracted_at",
    "_airbyte_meta",
    "_airbyte_generation_id",
    "_airbyte_data",
)
REJECTED_COLUMNS = ("rejected_reason", "rejected_field", "rejected_message")
_RESERVED_PREFIXES = ("_airbyte_", "rejected_")
_FROM_ROW = "_from_row"
# One that a reserved name may have: an underscore, or a lower-case letter.
_ESCAPED_LETTER = re.compile(rb"\\u00[567]")


class RowEncoder(Protocol):
    """Encodes the rejected rows of one stream.

    header   what every file of the stream begins with
    """

    @property
    def header(self) -> bytes: ...  # noqa: D102 - see the class

    def encode(self, line: bytes, rejection: Rejection, raw_id: str) -> bytes:
        """One whole line of the file.

        Args:
            line: the RECORD message as it came
            rejection: why the row could not be sent
            raw_id: a uuid
        """
        ...


def row_encoder(file_format: CsvFormat | JsonlFormat, stream: Stream) -> RowEncoder:
    """The encoder for a stream, in the format of the configuration."""
    flattened = file_format.flattening == "Root level flattening"
    if isinstance(file_format, JsonlFormat):
        return JsonLines(stream, flattened=flattened)
    return FlatCsv(stream) if flattened else Csv(stream)


class JsonLines:
    """One JSON object per line."""

    header = b""

    def __init__(self, stream: Stream, *, flattened: bool) -> None:
        self._stream = stream
        self._flattened = flattened

    def encode(self, line: bytes, rejection: Rejection, raw_id: str) -> bytes:
        """See `RowEncoder`."""
        record = RecordParts.of(line)
        head = (
            b'{"_airbyte_raw_id":"%b","_airbyte_extracted_at":%b,"_airbyte_meta":%b,"_airbyte_generation_id":%d,'
            % (
                raw_id.encode(),
                record.emitted_at,
                _meta(self._stream, record),
                self._stream.generation_id,
            )
        )
        opening, closing = (b"", b"}\n") if self._flattened else (b'"_airbyte_data":{', b"}}\n")
        data = _members_text(record.data, flattened=self._flattened)
        del record  # a row may be long, so it is kept no more often than necessary
        return b"".join((head, opening, data, b"," if data else b"", rejected_members(rejection), closing))


class Csv:
    """A table with the row as JSON in one column."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.header = _header(OUR_COLUMNS)

    def encode(self, line: bytes, rejection: Rejection, raw_id: str) -> bytes:
        """See `RowEncoder`."""
        record = RecordParts.of(line)
        cells = _our_cells(self._stream, record, raw_id)
        data = _members_text(record.data, flattened=False)
        del record  # as above
        data = _escaped(data)
        reasons = _escaped(rejected_members(rejection))
        return b"".join((cells, b',"{', data, b"," if data else b"", reasons, b'}"\r\n'))


class FlatCsv:
    """A table with one column for each property of the stream's schema, and one for everything else."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        names = [name_in_file(name, flattened=True) for name in stream.properties]
        self._columns = {name: place for place, name in enumerate(names)}
        self.header = _header((*OUR_COLUMNS[:-1], *names, DATA, *REJECTED_COLUMNS))

    def encode(self, line: bytes, rejection: Rejection, raw_id: str) -> bytes:
        """See `RowEncoder`."""
        record = RecordParts.of(line)
        columns = self._columns
        our_cells = _our_cells(self._stream, record, raw_id)
        cells = [b""] * len(columns)
        outside_schema: dict[str, bytes] = {}
        for member in members(record.data):
            name = member.name
            if name.startswith(_RESERVED_PREFIXES):
                name = name_in_file(name, flattened=True)
            if name in columns:
                cells[columns[name]] = _cell(record.data[member.start : member.end])
            else:
                outside_schema[name] = record.data[member.start : member.end]
        del record  # as above
        cells.append(_object_cell(outside_schema))
        outside_schema.clear()
        cells += [quoted(utf8(text)) for text in (rejection.reason, rejection.field, rejection.message)]
        return b",".join((our_cells, *cells[:-1], cells[-1] + b"\r\n"))


class RecordParts(NamedTuple):
    """The parts of a record that are kept, as the bytes of its JSON values."""

    data: bytes
    emitted_at: bytes
    changes: bytes

    @classmethod
    def of(cls, line: bytes) -> RecordParts:
        """Find them in the line of a RECORD message, which a parser has accepted or found too deeply nested."""
        data, emitted_at, changes = b"{}", b"null", b"[]"
        # Of several members with the same name the last counts, as for the parser that routed the row.
        record = deque((member.start for member in members(line) if member.name == "record"), maxlen=1)[0]
        for member in members(line, record):
            if member.name == "data":
                data = line[member.start : member.end]
            elif member.name == "emitted_at":
                emitted_at = json_in_milliseconds(line[member.start : member.end])
            elif member.name == "meta":
                changes = _changes(line[member.start : member.end])
        if b"\r" in data:  # can only be whitespace between values; some readers would end the line here
            data = data.replace(b"\r", b" ")
        return cls(data, emitted_at, changes)


def _changes(meta: bytes) -> bytes:
    if meta[:1] != b"{":
        return b"[]"
    changes = b"[]"
    for member in members(meta):
        if member.name == "changes":
            value = meta[member.start : member.end]
            changes = value if value[:1] == b"[" else b"[]"
    return changes


def _members_text(data: bytes, *, flattened: bool) -> bytes:
    """The members of an object without the braces, under their names in the file."""
    special = b"rejected_" in data or (flattened and b"_airbyte_" in data)
    # Such a name may be written with escapes; a row with escaped letters in values only takes the slow path too.
    if not special and not _ESCAPED_LETTER.search(data):
        return data[1:-1].strip()
    # What is between such names is copied in one piece, as a row may have millions of columns.
    kept = io.BytesIO()
    copied = 1
    for member in members(data):
        if not member.name.startswith(_RESERVED_PREFIXES):
            continue
        if (name := name_in_file(member.name, flattened=flattened)) != member.name:
            kept.write(data[copied : member.name_start])
            kept.write(json_string(name) + b":")
            copied = member.start
    kept.write(memoryview(data)[copied:-1])
    return kept.getvalue().strip()


def _meta(stream: Stream, record: RecordParts) -> bytes:
    return b'{"sync_id":%d,"changes":%b}' % (stream.sync_id, record.changes)


def rejected_members(rejection: Rejection) -> bytes:
    """The three members of a JSON object that say why a row was rejected, without braces."""
    return b'"rejected_reason":%b,"rejected_field":%b,"rejected_message":%b' % (
        json_string(rejection.reason),
        json_string(rejection.field),
        json_string(rejection.message),
    )


def _our_cells(stream: Stream, record: RecordParts, raw_id: str) -> bytes:
    return b'"%b",%b,%b,%d' % (
        raw_id.encode(),
        _cell(record.emitted_at),
        quoted(_meta(stream, record)),
        stream.generation_id,
    )


def _header(names: Iterable[str]) -> bytes:
    return b",".join(quoted(utf8(name)) for name in names) + b"\r\n"


def _cell(value: bytes) -> bytes:
    """A JSON value as a CSV cell."""
    match value[:1]:
        case b'"' if b"\\" not in value:
            return value
        case b'"':
            return quoted(utf8(json.loads(value.decode())))
        case b"{" | b"[":
            return quoted(value)
        case b"n":
            return b""
    return value


def _object_cell(values: dict[str, bytes]) -> bytes:
    """JSON values by name as one JSON object; empty when there are none."""
    if not values:
        return b""
    members_text = b",".join(json_string(name) + b":" + value for name, value in values.items())
    return b"".join((b'"{', _escaped(members_text), b'}"'))


def quoted(text: bytes) -> bytes:
    """A text as a CSV cell."""
    return b'"%b"' % _escaped(text)


def _escaped(text: bytes) -> bytes:
    return text.replace(b'"', b'""')


def utf8(text: str) -> bytes:
    """A text in UTF-8; a lone surrogate as its escape."""
    return text.encode("utf-8", "backslashreplace")


def json_string(text: str) -> bytes:
    """A text as a JSON string."""
    try:
        return orjson.dumps(text)
    except TypeError:  # a lone surrogate, which the standard library escapes
        return json.dumps(text).encode()


def name_in_file(name: str, *, flattened: bool) -> str:
    """The name of a row's column among the columns of a file. Different names stay different."""
    return name + _FROM_ROW if _is_reserved(name, flattened=flattened) else name


def name_in_row(name: str, *, flattened: bool) -> str:
    """The reverse of `name_in_file`: the name that the column has in the row."""
    return name.removesuffix(_FROM_ROW) if _is_reserved(name, flattened=flattened) else name


def _is_reserved(name: str, *, flattened: bool) -> bool:
    """Whether a name is that of a column beside those of the row, with any number of `_from_row`."""
    while name.endswith(_FROM_ROW):
        name = name.removesuffix(_FROM_ROW)
    return name in REJECTED_COLUMNS or (flattened and name in OUR_COLUMNS)
