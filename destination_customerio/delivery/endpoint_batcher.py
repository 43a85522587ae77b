"""Batches for syncs whose rows go to several endpoints.

A lane has an open batch for each endpoint, in the order in which they are sent. A row goes to the first batch of its endpoint
that is not sent before the earlier rows of the same person; if there is none, a new one is opened behind all others. So
rows stay in order, and requests are full even if people and their segments come interleaved.
"""

from __future__ import annotations

import math
import sys
from itertools import chain
from typing import TYPE_CHECKING

from destination_customerio.delivery.batch import Batch
from destination_customerio.mapping.endpoints import BATCH, Endpoint, Member, Several
from destination_customerio.mapping.limits import MAX_BODY_BYTES

if TYPE_CHECKING:
    from destination_customerio.ledger import Epoch
    from destination_customerio.mapping.identifiers import Order, OrderKey

_MAX_OPEN = 16


class _Open:
    """An open batch, and the keys of its rows."""

    __slots__ = ("batch", "keys")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.keys: set[OrderKey] = set()


class EndpointBatcher:
    """Keeps open batches for several endpoints. Same methods as `Batcher`."""

    def __init__(self, lanes: int, max_body_bytes: int = MAX_BODY_BYTES, max_rows: int = sys.maxsize) -> None:
        self._open: list[list[_Open]] = [[] for _ in range(lanes)]
        self._max_body_bytes = max_body_bytes
        self._max_rows = max_rows
        self._max_open = _MAX_OPEN

    @property
    def weight(self) -> int:
        """How many bytes of memory the open batches hold."""
        return sum(opened.batch.weight for opened in chain.from_iterable(self._open))

    def add(
        self,
        lane: int,
        entry: bytes | Several | Member,
        line: bytes,
        epoch: Epoch,
        now: float,
        order: Order,
    ) -> list[Batch]:
        """Add one row; returns the batches that had to be sealed to make room, in their order."""
        endpoint, content, count = _addressed(entry)
        keys = order if isinstance(order, tuple) else (order,)
        if isinstance(order, tuple):
            # Rows that join keys are pinned to lanes, and pins settle in the order of the rows.
            self._max_open = 1
        opened = self._open[lane]
        first = self._first_after(opened, keys)
        found = next(
            (index for index in range(first, len(opened)) if opened[index].batch.endpoint is endpoint), None
        )
        if found is not None:
            if opened[found].batch.add(content, line, epoch, count):
                opened[found].keys.update(keys)
                return []
            # Full; what is sent before it has to leave too.
            return self._seal_first(lane, found + 1) + self.add(lane, entry, line, epoch, now, order)
        sealed = self._seal_first(lane, len(opened) - self._max_open + 1)
        fresh = _Open(
            Batch(lane, now, self._max_body_bytes, min(self._max_rows, endpoint.max_entries), endpoint)
        )
        if not fresh.batch.add(content, line, epoch, count):
            raise ValueError("the entry is larger than a request")
        fresh.keys.update(keys)
        opened.append(fresh)
        return sealed

    def seal_lane(self, lane: int) -> list[Batch]:
        """Close and return the open batches of one lane."""
        return self._seal_first(lane, len(self._open[lane]))

    def seal(self, opened_before: float = math.inf) -> list[Batch]:
        """Close and return the batches that were opened before a clock time; by default all."""
        sealed = []
        for lane, opened in enumerate(self._open):
            # They are in the order of opening.
            due = sum(found.batch.opened_at < opened_before for found in opened)
            sealed += self._seal_first(lane, due)
        return sealed

    def oldest_opened_at(self) -> float | None:
        """When the oldest open batch got its first row; None if no batch is open."""
        return min((opened[0].batch.opened_at for opened in self._open if opened), default=None)

    @staticmethod
    def _first_after(opened: list[_Open], keys: tuple[OrderKey, ...]) -> int:
        """The first batch that is not sent before any row of these keys."""
        for index in range(len(opened) - 1, 0, -1):
            if not opened[index].keys.isdisjoint(keys):
                return index
        return 0

    def _seal_first(self, lane: int, batches: int) -> list[Batch]:
        """Close and return the first batches of a lane."""
        opened = self._open[lane]
        count = max(0, batches)
        sealed = [found.batch for found in opened[:count]]
        del opened[:count]
        return sealed


def _addressed(entry: bytes | Several | Member) -> tuple[Endpoint, bytes, int]:
    """Where the entries of a row go, the entries as sent, and how many there are."""
    if isinstance(entry, Member):
        return entry.endpoint, entry.entry, 1
    if isinstance(entry, Several):
        return BATCH, entry.joined, entry.parts
    return BATCH, entry, 1
