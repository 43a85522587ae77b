"""Batches for syncs whose rows go to several endpoints.

A lane has an open batch for each endpoint, in the order in which they are sent. A row goes to the first batch of its endpoint
that is not sent before the earlier rows of the same person; if there is none, a new one is opened behind all others. So
rows stay in order, and requests are full even if people and their segments come interleaved.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from typing import TYPE_CHECKING

from destination_customerio.delivery.batch import Batch
from destination_customerio.mapping.endpoints import BATCH, Endpoint, SegmentMember, Several
from destination_customerio.mapping.limits import MAX_BODY_BYTES

if TYPE_CHECKING:
    from destination_customerio.ledger import Epoch
    from destination_customerio.mapping.identifiers import Order, OrderKey

# Enough for a lane's part of a thousand segments; the memory that they hold counts.
_MAX_OPEN = 1_000
# Python's own overhead for an open batch: its lists, and the keys by which its lane finds it.
_OPEN_BYTES = 1_500


class _Open:
    """An open batch: its number in the lane, the keys of its rows, and the rows of the lane since it was opened.

    rows  those until the next batch was opened. All of them are in this batch or in earlier ones, so they are settled once
          this one is.
    """

    __slots__ = ("batch", "keys", "number", "rows")

    def __init__(self, batch: Batch, number: int) -> None:
        self.batch = batch
        self.number = number
        self.keys: set[OrderKey] = set()
        self.rows = 0


class _Lane:
    """The open batches of one lane, in the order in which they are sent."""

    def __init__(self) -> None:
        self.opened: deque[_Open] = deque()
        self._of_endpoint: dict[Endpoint, deque[_Open]] = {}
        # The number of the last open batch with rows of a key.
        self._last_of: dict[OrderKey, int] = {}
        self._next_number = 1

    def find(self, endpoint: Endpoint, keys: tuple[OrderKey, ...]) -> _Open | None:
        """The first batch of an endpoint that is not sent before any row of these keys."""
        last_of = self._last_of
        first = max([last_of.get(key, 0) for key in keys])
        for found in self._of_endpoint.get(endpoint, ()):
            if found.number >= first:
                return found
        return None

    def open(self, batch: Batch) -> _Open:
        """Open a batch behind all others."""
        opened = _Open(batch, self._next_number)
        self._next_number += 1
        self.opened.append(opened)
        self._of_endpoint.setdefault(batch.endpoint, deque()).append(opened)
        return opened

    def record(self, to: _Open, keys: tuple[OrderKey, ...]) -> None:
        """A row of these keys was added to a batch."""
        to.keys.update(keys)
        for key in keys:
            self._last_of[key] = to.number
        self.opened[-1].rows += 1

    def seal_first(self) -> Batch:
        """Close and return the first batch."""
        sealed = self.opened.popleft()
        same_endpoint = self._of_endpoint[sealed.batch.endpoint]
        same_endpoint.popleft()
        if not same_endpoint:
            del self._of_endpoint[sealed.batch.endpoint]
        for key in sealed.keys:
            if self._last_of[key] == sealed.number:
                del self._last_of[key]
        sealed.batch.settled_rows = sealed.rows
        return sealed.batch


class EndpointBatcher:
    """Keeps open batches for several endpoints. Same methods as `Batcher`."""

    def __init__(
        self,
        lanes: int,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_rows: int = sys.maxsize,
        max_open: int = _MAX_OPEN,
    ) -> None:
        self._lanes = [_Lane() for _ in range(lanes)]
        self._max_body_bytes = max_body_bytes
        self._max_rows = max_rows
        self._max_open = max_open
        self._weight = 0

    @property
    def weight(self) -> int:
        """How many bytes of memory the open batches hold."""
        return self._weight

    def add(
        self,
        lane: int,
        entry: bytes | Several | SegmentMember,
        line: bytes,
        epoch: Epoch,
        now: float,
        order: Order,
    ) -> list[Batch]:
        """Add one row; returns the batches that had to be sealed to make room, in their order."""
        endpoint, content = (
            (entry.endpoint, entry.entry) if isinstance(entry, SegmentMember) else (BATCH, entry)
        )
        keys = order if isinstance(order, tuple) else (order,)
        open_in_lane = self._lanes[lane]
        sealed: list[Batch] = []
        while (found := open_in_lane.find(endpoint, keys)) is not None:
            if self._try_add(found.batch, content, line, epoch):
                open_in_lane.record(found, keys)
                return sealed
            # Full; what is sent before it has to leave too.
            while open_in_lane.opened and open_in_lane.opened[0].number <= found.number:
                sealed.append(self._seal_first(open_in_lane))
        if len(open_in_lane.opened) >= self._max_open:
            sealed.append(self._seal_first(open_in_lane))
        max_rows = min(self._max_rows, endpoint.max_entries)
        found = open_in_lane.open(Batch(lane, now, self._max_body_bytes, max_rows, endpoint))
        self._weight += _OPEN_BYTES
        if not self._try_add(found.batch, content, line, epoch):
            raise ValueError("the entry is larger than a request")
        open_in_lane.record(found, keys)
        return sealed

    def seal_lane(self, lane: int) -> list[Batch]:
        """Close and return the open batches of one lane."""
        return self._seal(self._lanes[lane], math.inf)

    def seal(self, opened_before: float = math.inf) -> list[Batch]:
        """Close and return the batches that were opened before a clock time; by default all."""
        return [batch for lane in self._lanes for batch in self._seal(lane, opened_before)]

    def oldest_opened_at(self) -> float | None:
        """When the oldest open batch got its first row; None if no batch is open."""
        return min((lane.opened[0].batch.opened_at for lane in self._lanes if lane.opened), default=None)

    def _try_add(self, batch: Batch, content: bytes | Several, line: bytes, epoch: Epoch) -> bool:
        before = batch.weight
        is_added = batch.add(content, line, epoch)
        self._weight += batch.weight - before
        return is_added

    def _seal(self, lane: _Lane, opened_before: float) -> list[Batch]:
        sealed = []
        while lane.opened and lane.opened[0].batch.opened_at < opened_before:
            sealed.append(self._seal_first(lane))
        return sealed

    def _seal_first(self, lane: _Lane) -> Batch:
        batch = lane.seal_first()
        self._weight -= batch.weight + _OPEN_BYTES
        return batch
