"""Rows that share a person or an object are sent in order, however fast each lane is."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.batch import Batch, Batcher
from destination_customerio.delivery.partitioner import Barrier, Partitioner, PinningPartitioner
from destination_customerio.ledger import Epoch, StreamQueue

if TYPE_CHECKING:
    from destination_customerio.mapping.identifiers import Order

EPOCH = Epoch(StreamQueue("rows"))

keys = st.sampled_from("abcdefgh")
orders = keys | st.tuples(keys, keys) | st.tuples(keys, keys, keys, keys)


class LaneModel:
    """The coordinator's part, and lanes that advance only when the test says so; `sent` is what the server receives."""

    def __init__(
        self, lanes: int, rows_per_batch: int, partitioner: Partitioner | PinningPartitioner | None = None
    ) -> None:
        self.queues: list[deque[Batch | tuple[str, int]]] = [deque() for _ in range(lanes)]
        # An entry is one byte, so the limit determines how many rows fit in a batch.
        self.batcher = Batcher(lanes, max_body_bytes=len(b'{"batch":[]}') + 2 * rows_per_batch - 1)
        self.partitioner = partitioner or PinningPartitioner(lanes)
        self.sent: list[int] = []
        self.barriers = 0
        self._numbers = count()
        self._passed: set[int] = set()

    def add(self, order: Order) -> None:
        """Add one row as the intake does; its line is its number."""
        lane, barriers = self.partitioner.assign(order)
        for barrier in barriers:
            self.set(barrier)
        line = str(next(self._numbers)).encode()
        self.queues[lane] += self.batcher.add(lane, b"x", line, EPOCH, 0.0)

    def set(self, barrier: Barrier) -> None:
        """Set a barrier as the intake and the lanes do."""
        self.barriers += 1
        for number in barrier:
            self.queues[number] += self.batcher.seal_lane(number)
        self.queues[barrier.awaited].append(("mark", self.barriers))
        self.queues[barrier.lane].append(("wait", self.barriers))

    def seal(self) -> None:
        """Close all open batches."""
        for batch in self.batcher.seal():
            self.queues[batch.lane].append(batch)

    def movable(self) -> list[int]:
        """The lanes that have something to do and are not held by a barrier."""
        return [number for number, tasks in enumerate(self.queues) if tasks and not self._is_held(tasks[0])]

    def move(self, lane: int) -> None:
        """Let one lane process the next item in its queue."""
        match self.queues[lane].popleft():
            case ("mark", number):
                self._passed.add(number)
            case Batch() as batch:
                self.sent += [int(line) for line in batch.lines]
                self.partitioner.settled(batch)

    def _is_held(self, task: Batch | tuple[str, int]) -> bool:
        return isinstance(task, tuple) and task[0] == "wait" and task[1] not in self._passed


@given(
    rows=st.lists(orders, max_size=60),
    lanes=st.integers(1, 5),
    rows_per_batch=st.integers(1, 4),
    data=st.data(),
)
def test_rows_that_share_a_key_are_sent_in_order(
    rows: list[Order], lanes: int, rows_per_batch: int, data: st.DataObject
) -> None:
    """The order holds for lanes of any speed, and lanes never deadlock."""
    model = LaneModel(lanes, rows_per_batch, Partitioner(lanes))
    for order in rows:
        model.add(order)
        while data.draw(st.booleans()) and (movable := model.movable()):
            model.move(data.draw(st.sampled_from(movable)))
    model.seal()
    while movable := model.movable():
        model.move(data.draw(st.sampled_from(movable)))
    assert sorted(model.sent) == list(range(len(rows)))
    for key in "abcdefgh":
        about_key = [number for number in model.sent if key in rows[number]]
        assert about_key == sorted(about_key)


def test_a_row_that_joins_two_lanes_waits_for_the_second() -> None:
    """A merge is sent only after the earlier rows of both people have been answered."""
    model = LaneModel(lanes=2, rows_per_batch=10)
    first, second = _keys_of_two_lanes(model)
    model.add(first)
    model.add(second)
    model.add((first, second))
    model.seal()
    assert model.barriers == 1
    model.move(model.partitioner.assign(first)[0])
    assert model.sent == [0]
    assert model.movable() == [1 - model.partitioner.assign(first)[0]]


def test_rows_of_a_joined_key_follow_it_to_its_lane() -> None:
    """After a merge, rows of the second person are sent behind it."""
    model = LaneModel(lanes=2, rows_per_batch=10)
    first, second = _keys_of_two_lanes(model)
    model.add(first)
    model.add(second)
    model.add((first, second))
    assert model.partitioner.assign(second)[0] == model.partitioner.assign(first)[0]


def test_relationships_of_unpinned_people_spread_over_all_lanes() -> None:
    """A stream of relationships alone needs no barrier and uses all lanes."""
    model = LaneModel(lanes=4, rows_per_batch=100)
    for number in range(100):
        model.add((f"person{number}", f"company{number}"))
    model.seal()
    assert model.barriers == 0
    assert sum(bool(tasks) for tasks in model.queues) == 4


def test_interleaved_people_and_relationships_need_few_barriers() -> None:
    """After a barrier new keys share a lane for a while, for full batches instead of one request per row."""
    model = LaneModel(lanes=8, rows_per_batch=1_000)
    for number in range(10_000):
        model.add(f"person{number}")
        model.add((f"person{number}", f"company{number % 5}"))
    assert 0 < model.barriers < 50


def test_settled_keys_use_no_memory() -> None:
    """A sync of a hundred million people does not fill the memory with their keys."""
    partitioner = PinningPartitioner(2)
    model = LaneModel(2, 1, partitioner)
    for number in range(50):
        model.add((f"person{number}", f"company{number % 3}"))
        model.seal()
        while movable := model.movable():
            model.move(movable[0])
    assert not partitioner.pinned_keys


def test_a_hashed_key_always_has_the_same_lane() -> None:
    """If every row has one key, order needs no memory."""
    partitioner = Partitioner(8)
    assert partitioner.assign("ada")[0] == partitioner.assign("ada")[0]
    assert {partitioner.assign(f"person{number}")[0] for number in range(200)} == set(range(8))


def test_the_first_row_that_joins_keys_waits_for_all_rows_before_it() -> None:
    """Those were hashed and have no pins, so nothing else would keep the rows of its keys in order."""
    model = LaneModel(4, 1_000, Partitioner(4))
    for number in range(100):
        model.add(f"person{number}")
    model.add(("person1", "person2", "person3", "person4"))
    model.add("person4")
    model.seal()
    while movable := model.movable():
        model.move(movable[-1])
    assert model.sent[-2:] == [100, 101]
    assert model.barriers == 6


def test_a_row_that_joins_many_keys_waits_once_for_each_other_lane() -> None:
    """However many of its keys are pinned there."""
    model = LaneModel(lanes=3, rows_per_batch=1_000)
    people = [f"person{number}" for number in range(30)]
    for person in people:
        model.add(person)
    model.add(tuple(people))
    assert model.barriers == 2
    assert len({model.partitioner.assign(person)[0] for person in people}) == 1


def _keys_of_two_lanes(model: LaneModel) -> tuple[str, str]:
    hashed = Partitioner(len(model.queues))
    names = [f"person{number}" for number in range(20)]
    first = names[0]
    return first, next(name for name in names if hashed.assign(name)[0] != hashed.assign(first)[0])
