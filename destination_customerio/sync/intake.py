"""From lines to batches: each row is assembled, assigned to a lane and added to the lane's open batch.

Reading a block yields its results in order: batches that were sealed to make room, barriers to set before the results that
follow, and rows that can't be sent. States go to the ledger, and so do rows that are skipped: these are settled at once.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from destination_customerio.airbyte.line_errors import not_a_message, unknown_stream, without_data
from destination_customerio.airbyte.messages import (
    IGNORED_TYPES,
    MAX_MEMBERS,
    UNREADABLE,
    TooManyMembers,
    is_too_wide,
    is_wide,
    outer_members,
    read_message,
    repaired_record,
    source_rows,
    stream_of_state,
    unusual_row,
    value_of,
)
from destination_customerio.delivery.batch import Batch
from destination_customerio.delivery.partitioner import Barrier
from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import (
    JsonObject,
    NestedTooDeeply,
    check,
    without_oversized,
)
from destination_customerio.exact_json.spans import Member, is_object
from destination_customerio.exact_json.utf8 import is_utf8
from destination_customerio.foreign_text import known_code
from destination_customerio.mapping.airbyte_columns import Skipped
from destination_customerio.mapping.limits import (
    MAX_COLUMN_BYTES,
    MAX_NESTED_BYTES,
    nested_too_deeply,
    too_many_columns,
)
from destination_customerio.sync.stream_index import StreamIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from destination_customerio.delivery.batch import Batcher
    from destination_customerio.delivery.endpoint_batcher import EndpointBatcher
    from destination_customerio.delivery.partitioner import Partitioner
    from destination_customerio.errors import ProtocolError
    from destination_customerio.ledger import Epoch, Ledger
    from destination_customerio.sync.stream_sync import StreamSync


class RejectedRow(NamedTuple):
    """A row that can't be sent: its RECORD line as received, and why."""

    sync: StreamSync
    epoch: Epoch
    line: bytes
    rejection: Rejection


class SkippedType(NamedTuple):
    """Messages of a type that the connector does not know are skipped; reported once for each type.

    name  the type, if it consists of known words; otherwise ""
    """

    name: str


class SourceCount(NamedTuple):
    """A state says how many rows the source has counted since the previous one."""

    rows: int


Made: TypeAlias = Batch | Barrier | RejectedRow | SkippedType | SourceCount

# Newer versions of the protocol have a few new types; anything beyond that is not worth a log line.
_MAX_REPORTED_TYPES = 20
# Lines that are longer are read with care: what they hold could take many times their memory.
_LONG_BYTES = 1 << 20


class Intake:
    """Reads blocks of lines. Not thread-safe; owned by the coordinator thread.

    lines_read  how many lines it has read, the one that it reads now included
    """

    def __init__(
        self,
        streams: Sequence[StreamSync],
        ledger: Ledger,
        batcher: Batcher | EndpointBatcher,
        partitioner: Partitioner,
    ) -> None:
        self._streams = StreamIndex(streams)
        self._ledger = ledger
        self._batcher = batcher
        self._partitioner = partitioner
        self.lines_read = 0
        self._skipped_types: set[str] = set()

    def read_block(self, block: bytes, now: float) -> Iterator[Made]:
        """Read a block of whole lines at clock time `now`; yields the results in order.

        Raises:
            ProtocolError: a line is not a message of a configured stream; the lines before it have been read.
        """
        is_valid = is_utf8(block)
        read_line = self._read_line if len(block) <= _LONG_BYTES else self._read_long_line
        lines = block.split(b"\n")
        del block  # a long line is then kept once
        try:
            for line in lines:
                self.lines_read += 1
                if not (is_valid or is_utf8(line)):
                    raise self._not_json()
                if made := read_line(line, now):
                    yield from made
        except TooManyMembers:
            raise not_a_message(self.lines_read, "one of its objects has too many members") from None

    def _read_line(self, line: bytes, now: float) -> Sequence[Made]:
        try:
            message = read_message(line)
        except UNREADABLE:
            return self._read_unusual(line, now)
        kind, record = message.type, message.record
        if kind == "RECORD" and record is not None:
            try:
                sync = self._streams[record.namespace or "", record.stream]
            except (KeyError, TypeError):
                return self._read_unusual(line, now)
            return self._add_row(sync, record.data, line, now)
        if kind == "STATE":
            return self._add_state(bytes(message.state), 0, line)
        return self._read_unusual(line, now) if kind == "RECORD" else self._skip(kind)

    def _read_long_line(self, line: bytes, now: float) -> Sequence[Made]:
        """Read a line that may be long; a row with too many columns is rejected before they become objects."""
        try:
            is_wide = len(line) > _LONG_BYTES and is_too_wide(line)
        except NestedTooDeeply:
            return self._read_unusual(line, now)
        return (
            self._read_unusual(line, now, too_many_columns(MAX_MEMBERS))
            if is_wide
            else self._read_line(line, now)
        )

    def _add_row(self, sync: StreamSync, data: JsonObject, line: bytes, now: float) -> Sequence[Made]:
        epoch = self._ledger.add_record(sync.queue)
        sync.counts.read += 1
        if len(line) > MAX_NESTED_BYTES:
            data = without_oversized(data, MAX_NESTED_BYTES, MAX_COLUMN_BYTES)
        try:
            outcome = sync.assembler.assemble(data, line)
        except Rejection as rejection:
            # Its traceback would keep everything derived from the row, which may be 31 MB, until the garbage collector runs.
            return (RejectedRow(sync, epoch, line, rejection.with_traceback(None)),)
        if isinstance(outcome, Skipped):
            sync.counts.skipped[outcome] += 1
            self._ledger.settle(epoch, delivered=1)
            return ()
        order, entry = outcome
        lane, barriers = self._partitioner.assign(order)
        made = self._set_barriers(barriers) if barriers else ()
        sealed = self._batcher.add(lane, entry, line, epoch, now, order)
        return (*made, *sealed) if sealed else made

    def _set_barriers(self, barriers: Iterable[Barrier]) -> Sequence[Made]:
        """Each barrier, after the open batches of its two lanes, whose rows were read before it."""
        made: list[Made] = []
        for barrier in barriers:
            made += [batch for lane in barrier for batch in self._batcher.seal_lane(lane)]
            made.append(barrier)
        return made

    def _add_state(self, text: bytes, start: int, line: bytes) -> Sequence[Made]:
        try:
            key = stream_of_state(text, start)
            rows = source_rows(text, start)
        except TooManyMembers:
            raise
        except ValueError:
            raise not_a_message(self.lines_read, "it is a STATE of unknown form") from None
        made = () if rows is None else (SourceCount(rows),)
        if key is None:
            self._ledger.add_global_state(line)
            return made
        try:
            sync = self._streams[key]
        except KeyError:
            raise unknown_stream(self.lines_read, "state", *key, self._streams.candidates(key[1])) from None
        self._ledger.add_stream_state(sync.queue, line)
        return made

    def _skip(self, kind: Any) -> Sequence[SkippedType]:
        """Skip a message that is neither a RECORD nor a STATE."""
        if type(kind) is not str or not kind:
            raise not_a_message(self.lines_read, "it has no type")
        if kind in IGNORED_TYPES:
            return ()
        if kind.strip().upper() in ("RECORD", "STATE"):  # skipping it would lose a row
            raise not_a_message(self.lines_read, "its type is not spelled RECORD or STATE, in capitals")
        # A line that is no message may have a type all the same, such as a row that the source printed.
        name = known_code(kind, "")
        if name in self._skipped_types or len(self._skipped_types) >= _MAX_REPORTED_TYPES:
            return ()
        self._skipped_types.add(name)
        return (SkippedType(name),)

    def _read_unusual(self, line: bytes, now: float, fault: Rejection | None = None) -> Sequence[Made]:
        """Read a line that is blank, nested beyond the parser, in need of repair, or wrong.

        fault  what is known to be wrong with the row in it, if it holds one
        """
        if not line.strip():
            return ()
        if fault is None and (record := repaired_record(line)):
            with contextlib.suppress(KeyError):
                sync = self._streams[record.namespace or "", record.stream]
                return self._add_row(sync, record.data, line, now)
        is_deep = False
        try:
            check(line)
        except NestedTooDeeply:
            is_deep = True
        except ValueError:
            raise self._not_json() from None
        try:
            message = outer_members(line)
        except TooManyMembers:
            raise
        except ValueError:  # brackets that are never closed, too many for the parser
            raise self._not_json() from None
        match value_of(line, message.get("type")):
            case "RECORD":
                return self._read_unusual_record(message.get("record"), line, now, fault, is_deep=is_deep)
            case "STATE":
                state = message.get("state")
                return self._add_state(line, state.start if state else len(line), line)
            case kind:
                return self._skip(kind)

    def _read_unusual_record(
        self, place: Member | None, line: bytes, now: float, fault: Rejection | None, *, is_deep: bool
    ) -> Sequence[Made]:
        record = outer_members(line, place.start) if place else {}
        name, namespace = value_of(line, record.get("stream")), value_of(line, record.get("namespace")) or ""
        if not isinstance(name, str) or not isinstance(namespace, str):
            raise not_a_message(self.lines_read, "it is a RECORD that names no stream")
        try:
            sync = self._streams[namespace, name]
        except KeyError:
            candidates = self._streams.candidates(name)
            raise unknown_stream(self.lines_read, "row", namespace, name, candidates) from None
        data = record.get("data")
        if data is None or not is_object(line, data.start):
            is_null = data is not None and line[data.start : data.end] == b"null"
            raise without_data(self.lines_read, sync.stream, is_null=is_null)
        if fault is None and is_deep and _is_deep(line[data.start : data.end]):
            fault = nested_too_deeply()
        if fault is None and len(line) > _LONG_BYTES and is_wide(line, data.start):
            fault = too_many_columns(MAX_MEMBERS)
        if fault:
            sync.counts.read += 1
            epoch = self._ledger.add_record(sync.queue)
            return (RejectedRow(sync, epoch, line, fault),)
        return self._add_row(sync, unusual_row(line, data.start), line, now)

    def _not_json(self) -> ProtocolError:
        return not_a_message(self.lines_read, "it is not valid JSON")


def _is_deep(text: bytes) -> bool:
    try:
        check(text)
    except NestedTooDeeply:
        return True
    return False
