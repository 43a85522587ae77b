"""Ids for replayed events without one, the same however often a row is replayed.

Each is made of the row's `_airbyte_raw_id`. The pipeline assembles rows one by one, in the order in which they were
posted, and asks its ledger for a ticket before each: so `RowLedger` knows when the next row's turn has come.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from destination_customerio.ledger import Ledger
from destination_customerio.mapping.event_ids import from_column

if TYPE_CHECKING:
    from destination_customerio.ledger import Epoch, Track


class RowIds:
    """Ids for events without one: each is made of the raw id of the row whose turn it is."""

    def __init__(self) -> None:
        self._coming: deque[str] = deque()
        self._current = ""

    def __call__(self, line: bytes) -> str:
        """The id for the row whose turn it is; the same one however often it is asked for."""
        del line
        return from_column(self._current, "")

    def expect(self, raw_id: str) -> None:
        """One more row is about to be posted."""
        self._coming.append(raw_id)

    def next_row(self) -> None:
        """The next row's turn has come."""
        self._current = self._coming.popleft()

    def forget(self) -> None:
        """The pipeline has ended; no row is awaited any more."""
        self._coming.clear()


class RowLedger(Ledger):
    """Gives the next row its turn when it is counted in, which is before it is assembled."""

    def __init__(self, row_ids: RowIds) -> None:
        super().__init__()
        self._row_ids = row_ids

    def add_record(self, track: Track) -> Epoch:
        """See `Ledger`."""
        self._row_ids.next_row()
        return super().add_record(track)
