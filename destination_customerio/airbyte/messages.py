"""Messages of the Airbyte protocol, as lines of bytes.

A state is emitted with the exact bytes that it was received with, plus `destinationStats`. It is never parsed and encoded
again, which could change a float, drop an unknown key, or round a big integer.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import msgspec

from destination_customerio.exact_json.codec import (
    JsonObject,
    NestedTooDeeply,
    Raw,
    is_raw_text,
    parse,
)
from destination_customerio.exact_json.repair import repaired, unused_replacement
from destination_customerio.exact_json.spans import Member, is_object, members
from destination_customerio.exact_json.utf8 import is_valid_text

# A stream's namespace ("" if it has none) and name.
StreamKey = tuple[str, str]

# Messages that a destination ignores.
IGNORED_TYPES = frozenset(
    {"TRACE", "LOG", "CONTROL", "SPEC", "CONNECTION_STATUS", "CATALOG", "DESTINATION_CATALOG"}
)

_STATE_TYPES = frozenset({"STREAM", "GLOBAL", "LEGACY"})
_NULL = Raw(b"null")
# Anything may be in a state; no source has more rows between two states.
_MAX_SOURCE_ROWS = 10**15
# Far more columns than any object accepts. Each takes an object of its own, so more could take many times their memory.
MAX_MEMBERS = 50_000
# Types and names are short. A longer value is none, and is not parsed.
_MAX_NAME_BYTES = 1 << 16


class TooManyMembers(ValueError):  # noqa: N818 - it describes the text
    """An object has more members than `MAX_MEMBERS`."""


class Record(msgspec.Struct, gc=False):
    """The content of a RECORD; `data` is the row, whose columns are kept as the bytes they came in."""

    stream: str
    data: dict[str, Raw]
    namespace: str | None = None


class Message(msgspec.Struct, gc=False):
    """One message of the protocol, as far as a destination reads it."""

    type: str | None = None
    record: Record | None = None
    state: Raw = _NULL


class _RecordOutline(msgspec.Struct):
    data: Raw


class _Outline(msgspec.Struct):
    """A message of which only the place of the row is read."""

    record: _RecordOutline


_read_outline = msgspec.json.Decoder(_Outline).decode
read_message = msgspec.json.Decoder(Message).decode
# What it raises for a line that is not such a message, or not JSON, or nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def outer_members(text: bytes, start: int = 0) -> dict[str, Member]:
    """Where the members of the object at `start` are; none for another value. They may be nested to any depth.

    Raises:
        ValueError: the object is incomplete.
        TooManyMembers: it has too many of them.
    """
    if not is_object(text, start):
        return {}
    found: dict[str, Member] = {}
    for number, member in enumerate(members(text, start)):
        if number == MAX_MEMBERS:
            raise TooManyMembers("too many members")
        found[member.name] = member
    return found


def is_too_wide(line: bytes) -> bool:
    """Whether a line holds a row with more than `MAX_MEMBERS` columns; the line need not be JSON.

    Raises:
        TooManyMembers: the message has too many members elsewhere.
        NestedTooDeeply: the parser can't follow it.
    """
    # Each member has a colon, so most lines need no closer look.
    if line.count(b":") <= MAX_MEMBERS:
        return False
    try:
        data = _data_of(line)
        return data is not None and is_wide(data)
    except (TooManyMembers, NestedTooDeeply):
        raise
    except ValueError:  # not JSON, as the parser will find
        return False


def is_wide(text: bytes, start: int = 0) -> bool:
    """Whether the object at `start`, if there is one, has more than `MAX_MEMBERS` members."""
    return is_object(text, start) and any(islice(members(text, start), MAX_MEMBERS, None))


def _data_of(line: bytes) -> bytes | None:
    """The row that a line holds, as it is or repaired, if it holds one."""
    for read in (bytes, repaired):
        try:
            return bytes(_read_outline(read(line)).record.data)
        except RecursionError:
            raise NestedTooDeeply("nested too deeply") from None
        except msgspec.ValidationError:  # no row
            break
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    record = outer_members(line).get("record")
    data = outer_members(line, record.start).get("data") if record else None
    return line[data.start : data.end] if data else None


def value_of(text: bytes, member: Member | None) -> Any:
    """The value of a member; None for one that is missing or nested too deeply, and its bytes for one too long for a name."""
    if member is None:
        return None
    if member.end - member.start > _MAX_NAME_BYTES:
        return Raw(text[member.start : member.end])
    try:
        return parse(text[member.start : member.end])
    except ValueError:
        return None


def repaired_record(line: bytes) -> Record | None:
    """The RECORD that a line holds after repair; None if it holds none, or if a column's name has a lone surrogate.

    As in `unusual_row`, a column with a lone surrogate is text.
    """
    replacement = unused_replacement(line)
    fixed = repaired(line, replacement)
    if fixed == line:
        return None
    try:
        message = read_message(fixed)
    except UNREADABLE:
        return None
    record = message.record
    if message.type != "RECORD" or record is None:
        return None
    if replacement in fixed:
        if any("\ufffd" in name for name in record.data):
            return None
        record.data = {name: _with_surrogates(value, replacement) for name, value in record.data.items()}
    return record


def _with_surrogates(value: Raw, replacement: bytes) -> Any:
    # A longer one is no identifier, so nothing looks for one in it.
    if (
        not is_raw_text(value)
        or len(memoryview(value)) > _MAX_NAME_BYTES
        or replacement not in (text := bytes(value))
    ):
        return value
    return json.loads(text.replace(replacement, rb"\ud800"))


def unusual_row(text: bytes, start: int) -> JsonObject:
    """The row at `start`, in which JSON may have to be repaired, as `Record.data` has it.

    A column with a lone surrogate is text, not bytes, so that it is found where one is not allowed.
    """
    return {member.name: _unusual_column(text[member.start : member.end]) for member in members(text, start)}


def _unusual_column(value: bytes) -> Raw | str:
    if value[:1] == b'"':
        # In text, only the escapes of surrogates can need repair.
        return text if rb"\u" in value and not is_valid_text(text := json.loads(value)) else Raw(value)
    return Raw(repaired(value))


def stream_of_state(text: bytes, start: int = 0) -> StreamKey | None:
    """Which stream the STATE at `start` belongs to; None if it belongs to all (GLOBAL, LEGACY).

    Raises:
        ValueError: not a state of the protocol.
    """
    if not is_object(text, start):
        raise ValueError("not a state")
    content = outer_members(text, start)
    # The oldest clients send no type; their states are one blob for all streams.
    kind = value_of(text, content.get("type")) or "LEGACY"
    if not isinstance(kind, str) or kind not in _STATE_TYPES:
        raise ValueError("unknown type of state")
    if kind != "STREAM":
        return None
    descriptor: dict[str, Member] = {}
    if stream := content.get("stream"):
        found = outer_members(text, stream.start).get("stream_descriptor")
        descriptor = outer_members(text, found.start) if found else {}
    name = value_of(text, descriptor.get("name"))
    namespace = value_of(text, descriptor.get("namespace")) or ""
    if isinstance(name, str) and isinstance(namespace, str):
        return namespace, name
    raise ValueError("a STREAM state without a stream")


def source_rows(text: bytes, start: int = 0) -> int | None:
    """How many rows the source counted since its previous state; None if the STATE at `start` doesn't say."""
    stats = outer_members(text, start).get("sourceStats")
    if stats is None or not is_object(text, stats.start):
        return None
    count = value_of(text, outer_members(text, stats.start).get("recordCount"))
    return int(count) if type(count) in (int, float) and 0 <= count < _MAX_SOURCE_ROWS else None


def acknowledgement(line: bytes, delivered: int, rejected: int) -> bytes:
    """The STATE message of `line`, with the counts of rows since the stream's previous state; without a newline."""
    # If a name occurs twice, the last one counts, as for any parser.
    state = {member.name: member for member in members(line)}["state"]
    inside = [
        line[member.name_start : member.end]
        for member in members(line, state.start)
        if member.name != "destinationStats"
    ]
    inside.append(
        b'"destinationStats":{"recordCount":%d.0,"rejectedRecordCount":%d.0}' % (delivered, rejected)
    )
    return b"".join((line[: state.start], b"{", b",".join(inside), b"}", line[state.end :].rstrip()))
