"""From lines to batches: each row is assembled, assigned to a lane and added to the lane's open batch.

Reading a block yields its results in order: batches that were sealed to make room, barriers to set before the results that
follow, and rows that can't be sent. States go to the ledger, and so do rows that are skipped: these are settled at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from destination_customerio.airbyte.line_errors import not_a_message, unknown_stream, without_data
from destination_customerio.airbyte.messages import (
    IGNORED_TYPES,
    read_envelope,
    stream_of_record,
    stream_of_state,
)
from destination_customerio.delivery.batch import Batch, Batcher
from destination_customerio.delivery.partitioner import Barrier
from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import (
    JsonObject,
    NestedTooDeeply,
    as_object,
    may_hold_long_numbers,
    parse,
    parse_exactly,
    parse_ordinary,
)
from destination_customerio.foreign_text import known_code
from destination_customerio.mapping.airbyte_columns import Skipped
from destination_customerio.mapping.identifiers import ExactDigitsNeeded
from destination_customerio.mapping.limits import nested_too_deeply
from destination_customerio.sync.stream_index import StreamIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from destination_customerio.delivery.partitioner import Order, Partitioner
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

    name  the type, if it is made of known words; otherwise ""
    """

    name: str


Made: TypeAlias = Batch | Barrier | RejectedRow | SkippedType

# Newer versions of the protocol have a few new types; anything beyond that is not worth a log line.
_MAX_REPORTED_TYPES = 20


class Intake:
    """Reads blocks of lines. Not thread-safe; owned by the coordinator thread."""

    def __init__(
        self, streams: Sequence[StreamSync], ledger: Ledger, batcher: Batcher, partitioner: Partitioner
    ) -> None:
        self._streams = StreamIndex(streams)
        self._ledger = ledger
        self._batcher = batcher
        self._partitioner = partitioner
        self._lines_read = 0
        self._skipped_types: set[str] = set()

    def read_block(self, block: bytes, now: float) -> Iterator[Made]:
        """Read a block of whole lines at clock time `now`; yields the results in order.

        Raises:
            ProtocolError: a line is not a message of a configured stream; the lines before it have been read.
        """
        read = parse if may_hold_long_numbers(block) else parse_ordinary
        for line in block.split(b"\n"):
            self._lines_read += 1
            try:
                message = read(line)
                kind = message["type"]
                if kind == "RECORD":
                    record = message["record"]
                    sync = self._streams[stream_of_record(record)]
                    data = record["data"]
            except (ValueError, KeyError, TypeError, AttributeError):
                yield from self._read_unusual(line)
                continue
            if kind == "RECORD":
                if made := self._add_row(sync, data, line, now):
                    yield from made
            elif kind == "STATE":
                self._add_state(message, line)
            elif type(kind) is not str or kind not in IGNORED_TYPES:
                yield from self._skip(kind)

    def _add_row(self, sync: StreamSync, data: Any, line: bytes, now: float) -> Sequence[Made]:
        if type(data) is not dict:
            raise without_data(self._lines_read, sync.stream, is_null=data is None)
        epoch = self._ledger.add_record(sync.queue)
        sync.counts.read += 1
        try:
            outcome = self._assemble(sync, data, line)
        except Rejection as rejection:
            return (RejectedRow(sync, epoch, line, rejection),)
        if isinstance(outcome, Skipped):
            sync.counts.skipped[outcome] += 1
            self._ledger.settle(epoch, delivered=1)
            return ()
        order, entry = outcome
        lane, barrier = self._partitioner.assign(order)
        made = self._set_barrier(barrier) if barrier else ()
        sealed = self._batcher.add(lane, entry, line, epoch, now)
        return (*made, sealed) if sealed else made

    def _set_barrier(self, barrier: Barrier) -> Sequence[Made]:
        """The barrier, after the open batches of its two lanes, whose rows were read before it."""
        sealed = (self._batcher.seal_lane(barrier.lane), self._batcher.seal_lane(barrier.awaited))
        return (*(batch for batch in sealed if batch), barrier)

    def _assemble(self, sync: StreamSync, data: JsonObject, line: bytes) -> tuple[Order, bytes] | Skipped:
        try:
            return sync.assembler.assemble(data, line)
        except ExactDigitsNeeded:
            return sync.assembler.assemble(_exact_data(line), line)

    def _add_state(self, message: JsonObject, line: bytes) -> None:
        try:
            key = stream_of_state(message.get("state"))
        except (ValueError, TypeError):
            raise not_a_message(self._lines_read, "it is a STATE of unknown form") from None
        if key is None:
            self._ledger.add_global_state(line)
            return
        try:
            sync = self._streams[key]
        except KeyError:
            raise unknown_stream(self._lines_read, "state", *key, self._streams.candidates(key[1])) from None
        self._ledger.add_stream_state(sync.queue, line)

    def _skip(self, kind: Any) -> Iterator[SkippedType]:
        """Skip a message that is neither a RECORD nor a STATE."""
        if type(kind) is not str or not kind:
            raise not_a_message(self._lines_read, "it has no type")
        if kind in IGNORED_TYPES:
            return
        if kind.strip().upper() in ("RECORD", "STATE"):  # skipping it would lose a row
            raise not_a_message(self._lines_read, "its type is not spelled RECORD or STATE, in capitals")
        # A line that is no message may have a type all the same, such as a row that the source printed.
        name = known_code(kind, "")
        if name not in self._skipped_types and len(self._skipped_types) < _MAX_REPORTED_TYPES:
            self._skipped_types.add(name)
            yield SkippedType(name)

    def _read_unusual(self, line: bytes) -> Iterator[Made]:
        """Read a line that is blank, nested beyond the parsers, or wrong."""
        if not line.strip():
            return
        try:
            message = parse(line)
        except NestedTooDeeply:
            yield from self._read_deep(line)
        except ValueError:
            raise self._not_json() from None
        else:
            raise self._unusable(message)

    def _read_deep(self, line: bytes) -> Iterator[Made]:
        try:
            message = read_envelope(line)
        except ValueError:
            raise self._not_json() from None
        match message.get("type"):
            case "RECORD":
                yield self._deep_row(message, line)
            case "STATE":
                self._add_state(message, line)
            case kind:
                yield from self._skip(kind)

    def _deep_row(self, message: JsonObject, line: bytes) -> RejectedRow:
        try:
            record = message["record"]
            sync, data = self._streams[stream_of_record(record)], record["data"]
        except (KeyError, TypeError, AttributeError):
            raise self._unusable(message) from None
        if type(data) is not dict:
            raise without_data(self._lines_read, sync.stream, is_null=data is None)
        sync.counts.read += 1
        return RejectedRow(sync, self._ledger.add_record(sync.queue), line, nested_too_deeply())

    def _unusable(self, message: Any) -> ProtocolError:
        """Why a message that is JSON is neither a RECORD of a configured stream nor of another type."""
        envelope = as_object(message) or {}
        if "type" not in envelope:
            return not_a_message(self._lines_read, "it has no type")
        record = as_object(envelope.get("record")) or {}
        name, namespace = record.get("stream"), record.get("namespace") or ""
        if not isinstance(name, str) or not isinstance(namespace, str):
            return not_a_message(self._lines_read, "it is a RECORD that names no stream")
        try:
            sync = self._streams[namespace, name]
        except KeyError:
            return unknown_stream(self._lines_read, "row", namespace, name, self._streams.candidates(name))
        return without_data(self._lines_read, sync.stream, is_null=False)

    def _not_json(self) -> ProtocolError:
        return not_a_message(self._lines_read, "it is not valid JSON")


def _exact_data(line: bytes) -> JsonObject:
    """The row of a RECORD with all its digits."""
    try:
        data: JsonObject = parse_exactly(line)["record"]["data"]
    except NestedTooDeeply:  # the depth limit of the exact parser is slightly lower than that of the fast one
        raise nested_too_deeply() from None
    return data
