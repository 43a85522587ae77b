"""Assigns each row to a lane, so that rows stay in order where they must.

Rows with the same order key (one person, one object) stay in order when one lane carries them. Usually it is enough to
hash the key (`HashPartitioner`). Rows that join two keys, a merge of two people or a person's relationship to an object,
must stay in order with the rows of both, and the two keys often hash to different lanes (`PinningPartitioner`):

- A key is pinned to a lane while rows of it are open, queued or in flight. Rows of a pinned key follow it there.
- A row that joins two keys goes to the lane that either is pinned to, unless they are pinned to different lanes.
- If they are pinned to different lanes, the row goes to the first, and a barrier holds that lane back until the second
  one has finished everything queued before. From then on both keys are pinned to the first lane.
- A barrier costs two batches that are not full. Where one was needed, the next rows are likely to need more (people
  interleaved with their relationships), so for a while all new keys go to one lane: slower than many, and far faster than
  a request for every row.

Lanes can't deadlock: a barrier only waits for what was queued before it in another lane, and one thread queues all batches
and barriers, in one order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol
from zlib import crc32

if TYPE_CHECKING:
    from destination_customerio.delivery.batch import Batch
    from destination_customerio.mapping.identifiers import OrderKey

    # What a row must stay in order with: the rows of one key, or of both.
    Order = OrderKey | tuple[OrderKey, OrderKey]

# For how many rows after a barrier new keys all go to one lane.
_ROWS_GATHERED = 5_000


class Barrier(NamedTuple):
    """What is queued in `lane` from now on waits for everything queued in `awaited` before."""

    lane: int
    awaited: int


class Partitioner(Protocol):
    """Chooses lanes. Not thread-safe; owned by the coordinator thread."""

    def assign(self, order: Order) -> tuple[int, Barrier | None]:
        """The lane of a row that must stay in order with the given key, or both keys, and the barrier to set first."""
        ...

    def settled(self, batch: Batch) -> None:
        """No row of the batch is in flight any more. A lane's batches settle in the order of their rows."""
        ...


class HashPartitioner:
    """For syncs in which every row has one key: the same key always has the same lane."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes

    def assign(self, order: Order) -> tuple[int, Barrier | None]:
        """See `Partitioner`."""
        if type(order) is not str:
            raise TypeError("rows that join two keys need a PinningPartitioner")
        return crc32(order.encode()) % self._lanes, None

    def settled(self, batch: Batch) -> None:
        """See `Partitioner`; it keeps no state."""


class _Pin:
    """The lane that holds the rows of a key, and how many there are."""

    __slots__ = ("key", "lane", "rows")

    def __init__(self, key: OrderKey, lane: int) -> None:
        self.key = key
        self.lane = lane
        self.rows = 0


class PinningPartitioner:
    """For syncs with rows that join two keys."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._pins: dict[OrderKey, _Pin] = {}
        # For each lane, the pins of each of its rows that is not settled, in the order of the rows.
        self._rows_of: list[deque[tuple[_Pin, ...]]] = [deque() for _ in range(lanes)]
        self._rows = 0
        self._gather_until = 0

    @property
    def pinned_keys(self) -> int:
        """How many keys have rows that are open, queued or in flight."""
        return len(self._pins)

    def assign(self, order: Order) -> tuple[int, Barrier | None]:
        """See `Partitioner`."""
        self._rows += 1
        if type(order) is str:
            pin = self._pins.get(order) or self._new_pin(order, self._lane_of_new(order))
            self._add_row(pin.lane, (pin,))
            return pin.lane, None
        first, second = (self._pins.get(key) for key in order)
        pinned = first or second
        lane = pinned.lane if pinned else self._lane_of_new(order[0])
        barrier = None
        if first and second and first.lane != second.lane:
            barrier = Barrier(lane, second.lane)
            second.lane = lane
            self._gather_until = self._rows + _ROWS_GATHERED
        self._add_row(lane, tuple(self._pins.get(key) or self._new_pin(key, lane) for key in order))
        return lane, barrier

    def settled(self, batch: Batch) -> None:
        """See `Partitioner`."""
        rows = self._rows_of[batch.lane]
        for _ in range(len(batch)):
            for pin in rows.popleft():
                pin.rows -= 1
                if not pin.rows:
                    del self._pins[pin.key]

    def _add_row(self, lane: int, pins: tuple[_Pin, ...]) -> None:
        for pin in pins:
            pin.rows += 1
        self._rows_of[lane].append(pins)

    def _lane_of_new(self, key: OrderKey) -> int:
        return 0 if self._rows < self._gather_until else crc32(key.encode()) % self._lanes

    def _new_pin(self, key: OrderKey, lane: int) -> _Pin:
        pin = self._pins[key] = _Pin(key, lane)
        return pin
