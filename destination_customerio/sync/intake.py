"""From lines to batches: each row is assembled, assigned to a lane and added to the lane's open batch.

Reading a block yields its results in order: batches that were sealed to make room, barriers to set before the results that
follow, and rows that can't be sent. States go to the ledger, and so do rows that are skipped: these are settled at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from destination_customerio.airbyte.messages import (
    IGNORED_TYPES,
    StreamKey,
    read_envelope,
    stream_of_record,
    stream_of_state,
)
from destination_customerio.delivery.batch import Batch, Batcher
from destination_customerio.delivery.partitioner import Barrier
from destination_customerio.errors import ProtocolError, Rejection
from destination_customerio.exact_json.codec import (
    JsonObject,
    NestedTooDeeply,
    may_hold_long_numbers,
    parse,
    parse_exactly,
    parse_ordinary,
)
from destination_customerio.mapping.airbyte_columns import Skipped
from destination_customerio.mapping.identifiers import ExactDigitsNeeded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from destination_customerio.delivery.partitioner import Order, Partitioner
    from destination_customerio.ledger import Epoch, Ledger
    from destination_customerio.sync.stream_sync import StreamSync


class RejectedRow(NamedTuple):
    """A row that can't be sent: its RECORD line as received, and why."""

    sync: StreamSync
    epoch: Epoch
    line: bytes
    rejection: Rejection


Made: TypeAlias = Batch | Barrier | RejectedRow


class Intake:
    """Reads blocks of lines. Not thread-safe; owned by the coordinator thread."""

    def __init__(
        self, streams: Sequence[StreamSync], ledger: Ledger, batcher: Batcher, partitioner: Partitioner
    ) -> None:
        self._by_key: dict[StreamKey, StreamSync] = {
            (sync.stream.namespace or "", sync.stream.name): sync for sync in streams
        }
        self._ledger = ledger
        self._batcher = batcher
        self._partitioner = partitioner
        self._lines_read = 0

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
                    sync = self._by_key[stream_of_record(record)]
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
                raise self._not_a_message()

    def _add_row(self, sync: StreamSync, data: Any, line: bytes, now: float) -> Sequence[Made]:
        if type(data) is not dict:
            raise self._not_a_message()
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
            if key is None:
                self._ledger.add_global_state(line)
            else:
                self._ledger.add_stream_state(self._by_key[key].queue, line)
        except (ValueError, KeyError, TypeError):
            raise self._not_a_message() from None

    def _read_unusual(self, line: bytes) -> Iterator[Made]:
        """Read a line that is not a message of a configured stream: blank, nested beyond the parsers, or wrong."""
        if not line.strip():
            return
        try:
            parse(line)
        except NestedTooDeeply:
            yield from self._read_deep(line)
        except ValueError:
            raise self._not_a_message() from None
        else:
            raise self._not_a_message()

    def _read_deep(self, line: bytes) -> Iterator[Made]:
        try:
            message = read_envelope(line)
            if message["type"] == "STATE":
                self._add_state(message, line)
                return
            sync = self._by_key[stream_of_record(message["record"])]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._not_a_message() from None
        sync.counts.read += 1
        yield RejectedRow(sync, self._ledger.add_record(sync.queue), line, _nested_too_deeply())

    def _not_a_message(self) -> ProtocolError:
        return ProtocolError(
            f"Line {self._lines_read:,} of the input is not a message of the Airbyte protocol for a stream of the "
            "configured catalog. Rows before it were delivered; nothing after it was processed. Check that the source and "
            "this destination were given the same catalog, and that nothing else writes to the input."
        )


def _exact_data(line: bytes) -> JsonObject:
    """The row of a RECORD with all its digits."""
    try:
        data: JsonObject = parse_exactly(line)["record"]["data"]
    except NestedTooDeeply:  # the depth limit of the exact parser is slightly lower than that of the fast one
        raise _nested_too_deeply() from None
    return data


def _nested_too_deeply() -> Rejection:
    return Rejection("invalid", "", "The row's objects are nested too deeply to be sent.")
