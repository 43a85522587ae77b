"""Messages of the Airbyte protocol, as lines of bytes.

A state is emitted with the exact bytes that it was received with, plus `destinationStats`. It is never parsed and encoded
again, which could change a float, drop an unknown key, or round a big integer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.codec import JsonObject, as_object, parse_ordinary
from destination_customerio.exact_json.spans import members

if TYPE_CHECKING:
    from collections.abc import Mapping

# A stream's namespace ("" if it has none) and name.
StreamKey = tuple[str, str]

# Messages that a destination ignores.
IGNORED_TYPES = frozenset(
    {"TRACE", "LOG", "CONTROL", "SPEC", "CONNECTION_STATUS", "CATALOG", "DESTINATION_CATALOG"}
)

_STATE_TYPES = frozenset({"STREAM", "GLOBAL", "LEGACY"})
# Down to a state's `stream.stream_descriptor.name`, the deepest that routing needs to read.
_ENVELOPE_DEPTH = 4


def read_envelope(line: bytes) -> JsonObject:
    """Read the outer levels of a message that is nested too deeply for any parser; deeper values are left out.

    Raises:
        ValueError: not a JSON object.
    """
    return _read_levels(line, 0, _ENVELOPE_DEPTH)


def _read_levels(text: bytes, start: int, levels: int) -> JsonObject:
    found: JsonObject = {}
    for member in members(text, start):
        match text[member.start : member.start + 1]:
            case b"{" if levels > 1:
                found[member.name] = _read_levels(text, member.start, levels - 1)
            case b"{" | b"[":
                continue
            case _:
                found[member.name] = parse_ordinary(text[member.start : member.end])
    return found


def stream_of_record(record: Mapping[str, Any]) -> StreamKey:
    """Which stream a RECORD's row belongs to.

    Raises:
        KeyError, TypeError: it names no stream.
    """
    return record.get("namespace") or "", record["stream"]


def stream_of_state(state: Any) -> StreamKey | None:
    """Which stream a STATE belongs to; None if it belongs to all (GLOBAL, LEGACY).

    Raises:
        ValueError: not a state of the protocol.
    """
    state = as_object(state)
    if state is None:
        raise ValueError("not a state")
    # The oldest clients send no type; their states are one blob for all streams.
    kind = state.get("type") or "LEGACY"
    if kind not in _STATE_TYPES:
        raise ValueError("unknown type of state")
    if kind != "STREAM":
        return None
    stream = as_object(state.get("stream")) or {}
    descriptor = as_object(stream.get("stream_descriptor")) or {}
    name, namespace = descriptor.get("name"), descriptor.get("namespace") or ""
    if isinstance(name, str) and isinstance(namespace, str):
        return namespace, name
    raise ValueError("a STREAM state without a stream")


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
