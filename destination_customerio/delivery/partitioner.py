"""Assigns each row to a lane, so that rows stay in order where they must.

Rows with the same order key (one person, one object) stay in order when one lane carries them. While every row has one
key it is enough to hash it. Rows that join keys, such as a merge of two people, or a person with relationships to objects,
must stay in order with the rows of all of them, and their keys often hash to different lanes. From the first such row on:

- A key is pinned to a lane while rows of it are open, queued or in flight. Rows of a pinned key follow it there.
- A row that joins keys goes to the lane that one of them is pinned to.
- For each other lane that one of its keys is pinned to, a barrier holds the row's lane back until that one has finished
  everything queued before. From then on all its keys are pinned to the row's lane.
- A barrier costs two batches that are not full. Where one was needed, the next rows are likely to need more (people
  interleaved with their relationships), so for a while all new keys go to one lane: slower than many, and far faster than
  a request for every row.

Rows that were hashed before have no pins, so a fence separates them from those that follow: the first lane waits for all
others, and then they wait for it.

Lanes can't deadlock: a barrier only waits for what was queued before it in another lane, and one thread queues all batches
and barriers, in one order.
"""

from __future__ import annotations

from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from destination_customerio.delivery.batch import Batch
    from destination_customerio.mapping.identifiers import Order, OrderKey

# For how many rows after a barrier new keys all go to one lane.
_ROWS_GATHERED = 5_000


class Barrier(NamedTuple):
    """What is queued in `lane` from now on waits for everything queued in `awaited` before."""

    lane: int
    awaited: int


class Partitioner:
    """Chooses lanes: by hash, and by pins from the first row that joins keys.

    Not thread-safe; owned by the coordinator thread.
    """

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._unsettled_rows = [0] * lanes
        self._pinned: PinningPartitioner | None = None

    def assign(self, order: Order) -> tuple[int, Sequence[Barrier]]:
        """The lane of a row that must stay in order with one or more keys, and the barriers to set first."""
        if self._pinned:
            return self._pinned.assign(order)
        if type(order) is str:
            lane = crc32(order.encode()) % self._lanes
            self._unsettled_rows[lane] += 1
            return lane, ()
        self._pinned = PinningPartitioner(self._lanes, self._unsettled_rows)
        lane, _ = self._pinned.assign(order)
        others = range(1, self._lanes)
        return lane, [Barrier(0, other) for other in others] + [Barrier(other, 0) for other in others]

    def settled(self, batch: Batch) -> None:
        """No row of the batch is in flight any more. A lane's batches settle in the order in which they were sealed."""
        if self._pinned:
            self._pinned.settled(batch)
        else:
            self._unsettled_rows[batch.lane] -= _settled_rows(batch)


def _settled_rows(batch: Batch) -> int:
    return len(batch) if batch.settled_rows is None else batch.settled_rows


class _Pin:
    """The lane that holds the rows of a key, and how many there are."""

    __slots__ = ("key", "lane", "rows")

    def __init__(self, key: OrderKey, lane: int) -> None:
        self.key = key
        self.lane = lane
        self.rows = 0


class PinningPartitioner:
    """Chooses lanes where rows join keys.

    unpinned_rows  for each lane, rows that settle before all others and have no pins
    """

    def __init__(self, lanes: int, unpinned_rows: Sequence[int] = ()) -> None:
        self._lanes = lanes
        self._pins: dict[OrderKey, _Pin] = {}
        # For each lane, the pins of each of its rows that is not settled, in the order of the rows.
        self._rows_of: list[deque[Sequence[_Pin]]] = [deque() for _ in range(lanes)]
        for rows, unpinned in zip(self._rows_of, unpinned_rows, strict=False):
            rows.extend(repeat((), unpinned))
        self._rows = 0
        self._gather_until = 0

    @property
    def pinned_keys(self) -> int:
        """How many keys have rows that are open, queued or in flight."""
        return len(self._pins)

    def assign(self, order: Order) -> tuple[int, Sequence[Barrier]]:
        """See `Partitioner`."""
        self._rows += 1
        if type(order) is str:
            pin = self._pins.get(order) or self._new_pin(order, self._lane_of_new(order))
            self._add_row(pin.lane, (pin,))
            return pin.lane, ()
        pinned = [self._pins[key] for key in order if key in self._pins]
        lane = pinned[0].lane if pinned else self._lane_of_new(order[0])
        awaited = dict.fromkeys(pin.lane for pin in pinned if pin.lane != lane)
        if awaited:
            self._gather_until = self._rows + _ROWS_GATHERED
        for pin in pinned:
            pin.lane = lane
        self._add_row(lane, [self._pins.get(key) or self._new_pin(key, lane) for key in order])
        return lane, [Barrier(lane, other) for other in awaited]

    def settled(self, batch: Batch) -> None:
        """See `Partitioner`."""
        rows = self._rows_of[batch.lane]
        for _ in range(_settled_rows(batch)):
            for pin in rows.popleft():
                pin.rows -= 1
                if not pin.rows:
                    del self._pins[pin.key]

    def _add_row(self, lane: int, pins: Sequence[_Pin]) -> None:
        for pin in pins:
            pin.rows += 1
        self._rows_of[lane].append(pins)

    def _lane_of_new(self, key: OrderKey) -> int:
        return 0 if self._rows < self._gather_until else crc32(key.encode()) % self._lanes

    def _new_pin(self, key: OrderKey, lane: int) -> _Pin:
        pin = self._pins[key] = _Pin(key, lane)
        return pin
