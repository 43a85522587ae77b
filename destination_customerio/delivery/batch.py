"""Batches of entries, filled up to the size limit of a request; sizes are exact.

An entry is encoded once; the body of a request joins its entries. So every attempt of a request, and every part of a
split one, carries the same bytes for the same row, and the server can drop what it has already accepted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from destination_customerio.mapping.endpoints import BATCH, Endpoint, SegmentMember, Several
from destination_customerio.mapping.limits import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from destination_customerio.ledger import Epoch
    from destination_customerio.mapping.identifiers import Order

# Python's own overhead for a row in flight, in addition to its bytes: list slots, integers, object headers.
_ROW_OVERHEAD_BYTES = 150


class Batch:
    """Rows that are sent together, with what is needed to settle or reject each of them.

    Most rows have one entry. A row with several keeps them in one batch; if they are too many for a request, the row has
    the batch to itself, which then takes several requests.

    endpoint      where it is sent
    lines         each row's RECORD line as it was read, for the dead letters
    epochs        each row's epoch in the ledger
    opened_at     clock time of the first row
    settled_rows  how many of its lane's rows, in the order they were read, are settled once this batch is; None for its own
    """

    __slots__ = (
        "_entries",
        "_entry_bytes",
        "_line_bytes",
        "_max_entry_bytes",
        "_max_rows",
        "_rows",
        "endpoint",
        "epochs",
        "lane",
        "lines",
        "opened_at",
        "settled_rows",
    )

    def __init__(
        self,
        lane: int,
        opened_at: float,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_rows: int = sys.maxsize,
        endpoint: Endpoint = BATCH,
    ) -> None:
        self.endpoint = endpoint
        # A comma counts for each entry, also for the last, which has none.
        self._max_entry_bytes = max_body_bytes - len(endpoint.opening) - len(endpoint.closing) + len(b",")
        self._max_rows = max_rows
        self.lane = lane
        self.opened_at = opened_at
        self.lines: list[bytes] = []
        self.epochs: list[Epoch] = []
        self.settled_rows: int | None = None
        self._line_bytes = 0
        self._entries: list[bytes] = []
        self._entry_bytes = 0
        # The row of each entry, once a row has several.
        self._rows: list[int] = []

    def __len__(self) -> int:
        """How many rows it holds."""
        return len(self.lines)

    @property
    def weight(self) -> int:
        """How many bytes of memory it holds, for the budget."""
        return self._entry_bytes + self._line_bytes + len(self._entries) * _ROW_OVERHEAD_BYTES

    def add(self, entry: bytes | Several, line: bytes, epoch: Epoch) -> bool:
        """Append one row if the batch stays within its limits; returns whether it was appended."""
        if not isinstance(entry, bytes):
            return self._add_several(entry.entries, line, epoch)
        entry_bytes = self._entry_bytes + len(entry) + len(b",")
        if entry_bytes > self._max_entry_bytes or len(self.lines) >= self._max_rows:
            return False
        if self._rows:
            self._rows.append(len(self.lines))
        self._entries.append(entry)
        self._entry_bytes = entry_bytes
        self.lines.append(line)
        self.epochs.append(epoch)
        self._line_bytes += len(line)
        return True

    def requests(self) -> list[range]:
        """The entries of each request that sends the batch: one request, unless a row has too many entries for one."""
        if self._entry_bytes <= self._max_entry_bytes:
            return [range(len(self._entries))]
        parts = []
        start = size = 0
        for index, entry in enumerate(self._entries):
            size += len(entry) + len(b",")
            if size > self._max_entry_bytes:
                parts.append(range(start, index))
                start, size = index, len(entry) + len(b",")
        return [*parts, range(start, len(self._entries))]

    @property
    def body_bytes(self) -> int:
        """The exact size of all bodies that send the whole batch."""
        around = len(self.endpoint.opening) + len(self.endpoint.closing) - len(b",")
        return self._entry_bytes + around * len(self.requests())

    def body_of(self, entries: Iterable[int]) -> bytes:
        """The request body that sends these entries, by their index."""
        content = b",".join([self._entries[entry] for entry in entries])
        return b"".join((self.endpoint.opening, content, self.endpoint.closing))

    def row_of(self, entry: int) -> int:
        """The row that an entry belongs to."""
        return self._rows[entry] if self._rows else entry

    def without(self, rows: Container[int], entries: Sequence[int]) -> Sequence[int]:
        """The entries that belong to none of these rows; the same sequence if that is all of them."""
        kept = [entry for entry in entries if self.row_of(entry) not in rows]
        return kept if len(kept) < len(entries) else entries

    def count_rows(self, entries: Sequence[int]) -> int:
        """How many rows these entries belong to."""
        return len({self._rows[entry] for entry in entries}) if self._rows else len(entries)

    def _add_several(self, entries: Sequence[bytes], line: bytes, epoch: Epoch) -> bool:
        """Append a row of several entries; a batch without rows takes it even if it exceeds a request."""
        entry_bytes = self._entry_bytes + sum(map(len, entries)) + len(b",") * len(entries)
        if self.lines and (entry_bytes > self._max_entry_bytes or len(self.lines) >= self._max_rows):
            return False
        self._rows = self._rows or list(range(len(self.lines)))
        self._rows.extend([len(self.lines)] * len(entries))
        self._entries.extend(entries)
        self._entry_bytes = entry_bytes
        self.lines.append(line)
        self.epochs.append(epoch)
        self._line_bytes += len(line)
        return True


class Batcher:
    """Keeps one open batch per lane. Checks whether an entry fits before adding it."""

    def __init__(self, lanes: int, max_body_bytes: int = MAX_BODY_BYTES, max_rows: int = sys.maxsize) -> None:
        self._open: list[Batch | None] = [None] * lanes
        self._max_body_bytes = max_body_bytes
        self._max_rows = max_rows

    @property
    def weight(self) -> int:
        """How many bytes of memory the open batches hold."""
        return sum(batch.weight for batch in self._open if batch is not None)

    def add(
        self,
        lane: int,
        entry: bytes | Several | SegmentMember,
        line: bytes,
        epoch: Epoch,
        now: float,
        order: Order = "",  # noqa: ARG002 - a lane with one open batch keeps the order anyway
    ) -> Sequence[Batch]:
        """Add one row; returns the batch that had to be sealed to make room, if any.

        Raises:
            ValueError: the entry is larger than a request, which the limit on entries rules out.
            TypeError: the entry goes to another endpoint, for which there is `EndpointBatcher`.
        """
        if isinstance(entry, SegmentMember):
            raise TypeError("a Batcher has batches for one endpoint only")
        batch = self._open[lane]
        if batch is not None and batch.add(entry, line, epoch):
            return ()
        self._open[lane] = fresh = Batch(lane, now, self._max_body_bytes, self._max_rows)
        if not fresh.add(entry, line, epoch):
            raise ValueError("the entry is larger than a request")
        return (batch,) if batch else ()

    def seal_lane(self, lane: int) -> Sequence[Batch]:
        """Close and return the open batch of one lane, if it has one."""
        batch, self._open[lane] = self._open[lane], None
        return (batch,) if batch else ()

    def seal(self, opened_before: float = float("inf")) -> list[Batch]:
        """Close and return the batches that were opened before a clock time; by default all."""
        sealed = []
        for lane, batch in enumerate(self._open):
            if batch is not None and batch.opened_at < opened_before:
                self._open[lane] = None
                sealed.append(batch)
        return sealed

    def oldest_opened_at(self) -> float | None:
        """When the oldest open batch got its first row; None if no batch is open."""
        return min((batch.opened_at for batch in self._open if batch is not None), default=None)
