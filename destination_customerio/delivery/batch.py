"""Batches of entries, filled up to the size limit of a request; sizes are exact.

An entry is encoded once; the body of a request joins its entries. So every attempt of a request, and every part of a
split one, carries the same bytes for the same row, and the server can drop what it has already accepted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from destination_customerio.mapping.endpoints import BATCH, Endpoint, Member, Several
from destination_customerio.mapping.limits import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from destination_customerio.ledger import Epoch
    from destination_customerio.mapping.identifiers import Order

# Python's own overhead for a row in flight, in addition to its bytes: list slots, integers, object headers.
_ROW_OVERHEAD_BYTES = 150


class Batch:
    """Entries that are sent together, with what is needed to settle or reject each of their rows.

    endpoint     where it is sent
    lines        each row's RECORD line as it was read, for the dead letters
    epochs       each row's epoch in the ledger
    opened_at    clock time of the first row
    """

    __slots__ = (
        "_counts",
        "_entries",
        "_entry_bytes",
        "_line_bytes",
        "_max_entry_bytes",
        "_max_rows",
        "endpoint",
        "epochs",
        "lane",
        "lines",
        "opened_at",
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
        self._line_bytes = 0
        self._entries: list[bytes] = []
        self._entry_bytes = 0
        # How many entries a row has, where it has several.
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        """How many rows it holds."""
        return len(self._entries)

    @property
    def body_bytes(self) -> int:
        """The exact size of the body that sends the whole batch."""
        trailing_comma = 1 if self._entries else 0
        return len(self.endpoint.opening) + self._entry_bytes - trailing_comma + len(self.endpoint.closing)

    @property
    def weight(self) -> int:
        """How many bytes of memory it holds, for the budget."""
        return self._entry_bytes + self._line_bytes + len(self._entries) * _ROW_OVERHEAD_BYTES

    def add(self, entry: bytes, line: bytes, epoch: Epoch, count: int = 1) -> bool:
        """Append one row, of `count` entries joined by commas, if the batch stays within its limits; returns whether it was appended."""
        entry_bytes = self._entry_bytes + len(entry) + len(b",")
        if entry_bytes > self._max_entry_bytes or len(self._entries) >= self._max_rows:
            return False
        if count > 1:
            self._counts[len(self._entries)] = count
        self._entries.append(entry)
        self._entry_bytes = entry_bytes
        self.lines.append(line)
        self.epochs.append(epoch)
        self._line_bytes += len(line)
        return True

    def body_of(self, rows: Iterable[int]) -> bytes:
        """The request body that sends these rows, by their index."""
        entries = b",".join([self._entries[row] for row in rows])
        return b"".join((self.endpoint.opening, entries, self.endpoint.closing))

    def rows_of(self, rows: Sequence[int]) -> Sequence[int]:
        """The row of each entry in a request that sends these rows."""
        if not self._counts:
            return rows
        return [row for row in rows for _ in range(self._counts.get(row, 1))]


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
        entry: bytes | Several | Member,
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
        count = 1
        if not isinstance(entry, bytes):
            if isinstance(entry, Member):
                raise TypeError("a Batcher has batches for one endpoint only")
            entry, count = entry
        batch = self._open[lane]
        if batch is not None and batch.add(entry, line, epoch, count):
            return ()
        self._open[lane] = fresh = Batch(lane, now, self._max_body_bytes, self._max_rows)
        if not fresh.add(entry, line, epoch, count):
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
