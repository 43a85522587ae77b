"""The RECORD message of a replayed row, which records where the row came from.

`{"replay":{"row":12,"raw_id":"…"},"type":"RECORD","record":{…}}`: the first member is internal to the replay; the protocol
ignores it. When a row is rejected again, or needs an event id, its line alone says which row of the file it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from destination_customerio.dead_letters.row_format import json_string
from destination_customerio.exact_json.codec import parse
from destination_customerio.exact_json.spans import members
from destination_customerio.mapping.event_ids import from_column

if TYPE_CHECKING:
    from destination_customerio.airbyte.catalog import Stream


class RowOrigin(NamedTuple):
    """The row's index in its file, from 0, and the value that its event id is derived from."""

    row: int
    raw_id: str


class RecordMessages:
    """Builds the messages of one stream's rows."""

    def __init__(self, stream: Stream) -> None:
        namespace = b',"namespace":' + json_string(stream.namespace) if stream.namespace else b""
        self._middle = b'"type":"RECORD","record":{"stream":%b%b,' % (json_string(stream.name), namespace)

    def line(self, origin: RowOrigin, data: bytes, extracted_at: int | None) -> bytes:
        """One RECORD line.

        Args:
            origin: where the row comes from
            data: the row, a JSON text on one line
            extracted_at: when the source emitted it, in milliseconds since 1970; None when unknown
        """
        return b'{"replay":{"row":%d,"raw_id":%b},%b"emitted_at":%d,"data":%b}}' % (
            origin.row,
            json_string(origin.raw_id),
            self._middle,
            extracted_at or 0,
            data,
        )


def origin_of(line: bytes) -> RowOrigin:
    """Where the row of a line came from."""
    first = next(members(line))
    return RowOrigin(**parse(line[first.start : first.end]))


def replay_event_id(line: bytes) -> str:
    """The id of an event whose row has none: the same one however often the row is replayed."""
    return from_column(origin_of(line).raw_id, "")
