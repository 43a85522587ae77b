"""The way of a row, from its line to its open batch; and of a state, from its line to the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from destination_customerio.airbyte.messages import (
    IGNORED_TYPES,
    StreamKey,
    read_envelope,
    stream_of_record,
    stream_of_state,
)
from destination_customerio.errors import ProtocolError, Rejection
from destination_customerio.exact_json.codec import (
    JsonObject,
    NestedTooDeeply,
    may_hold_long_integers,
    parse,
    parse_exactly,
    parse_ordinary,
)
from destination_customerio.mapping.identifiers import ExactDigitsNeeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from destination_customerio.delivery.batch import Batch, Batcher
    from destination_customerio.delivery.partitioner import Order, Placement
    from destination_customerio.ledger import Epoch, Ledger
    from destination_customerio.sync.stream_sync import StreamSync


class Intake:
    """Reads blocks of lines. Made for the coordinator's thread.

    placement         says which lane a row goes through
    send              takes a batch that was sealed to make room for a row
    reject            takes a row that can't be sent: its stream, its ticket, its line, and why
    state_bytes_read  how many bytes of states were handed to the ledger
    """

    def __init__(
        self,
        streams: Sequence[StreamSync],
        ledger: Ledger,
        batcher: Batcher,
        placement: Placement,
        send: Callable[[Batch], None],
        reject: Callable[[StreamSync, Epoch, bytes, Rejection], None],
    ) -> None:
        self._by_key: dict[StreamKey, StreamSync] = {
            (sync.stream.namespace or "", sync.stream.name): sync for sync in streams
        }
        self._ledger = ledger
        self._batcher = batcher
        self._placement = placement
        self._send = send
        self._reject = reject
        self._lines_read = 0
        self.state_bytes_read = 0

    def read_block(self, block: bytes, now: float) -> None:
        """Take in a block of whole lines at a time of the clock.

        Raises:
            ProtocolError: a line is no message of a configured stream; those before it are taken in.
        """
        read = parse if may_hold_long_integers(block) else parse_ordinary
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
                self._read_unusual(line)
                continue
            if kind == "RECORD":
                self._add_row(sync, data, line, now)
            elif kind == "STATE":
                self._add_state(message, line)
            elif type(kind) is not str or kind not in IGNORED_TYPES:
                raise self._not_a_message()

    def _add_row(self, sync: StreamSync, data: Any, line: bytes, now: float) -> None:
        if type(data) is not dict:
            raise self._not_a_message()
        epoch = self._ledger.add_record(sync.track)
        sync.counts.read += 1
        try:
            order, entry = self._assemble(sync, data, line)
        except Rejection as rejection:
            self._reject(sync, epoch, line, rejection)
            return
        lane = self._placement.lane_of(order)
        sealed = self._batcher.add(lane, entry, line, epoch, now)
        if sealed is not None:
            self._send(sealed)

    def _assemble(self, sync: StreamSync, data: JsonObject, line: bytes) -> tuple[Order, bytes]:
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
                self._ledger.add_stream_state(self._by_key[key].track, line)
        except (ValueError, KeyError, TypeError):
            raise self._not_a_message() from None
        self.state_bytes_read += len(line)

    def _read_unusual(self, line: bytes) -> None:
        """A line that is not a message of a configured stream: blank, nested beyond the parsers, or wrong."""
        if not line.strip():
            return
        try:
            parse(line)
        except NestedTooDeeply:
            self._read_deep(line)
        except ValueError:
            raise self._not_a_message() from None
        else:
            raise self._not_a_message()

    def _read_deep(self, line: bytes) -> None:
        try:
            message = read_envelope(line)
            if message["type"] == "STATE":
                self._add_state(message, line)
                return
            sync = self._by_key[stream_of_record(message["record"])]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._not_a_message() from None
        sync.counts.read += 1
        self._reject(sync, self._ledger.add_record(sync.track), line, _nested_too_deeply())

    def _not_a_message(self) -> ProtocolError:
        return ProtocolError(
            f"Line {self._lines_read:,} of the input is not a message of the Airbyte protocol for a stream of the "
            "configured catalog. Nothing after it was written; rows before it were. Check that the source and this "
            "destination were given the same catalog, and that nothing else writes to the input."
        )


def _exact_data(line: bytes) -> JsonObject:
    """The row of a RECORD with all its digits."""
    try:
        data: JsonObject = parse_exactly(line)["record"]["data"]
    except NestedTooDeeply:  # the exact parser gives up a little sooner than the fast one
        raise _nested_too_deeply() from None
    return data


def _nested_too_deeply() -> Rejection:
    return Rejection("invalid", "", "The row's objects are nested too deeply to be sent.")
