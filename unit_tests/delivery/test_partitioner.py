"""Rows that share a person or an object are sent in order, whatever the lanes do meanwhile."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.batch import Batch, Batcher
from destination_customerio.delivery.partitioner import Barrier, HashPartitioner, PinningPartitioner
from destination_customerio.ledger import Epoch, StreamQueue

if TYPE_CHECKING:
    from destination_customerio.delivery.partitioner import Order

EPOCH = Epoch(StreamQueue("rows"))

keys = st.sampled_from("abcdefgh")
orders = keys | st.tuples(keys, keys)


class World:
    """The coordinator's part and lanes that move only when told to; `sent` is what the server would see."""

    def __init__(self, lanes: int, rows_per_batch: int) -> None:
        self.queues: list[deque[Batch | tuple[str, int]]] = [deque() for _ in range(lanes)]
        # An entry is one byte, so the limit says how many rows a batch takes.
        self.batcher = Batcher(lanes, max_body_bytes=len(b'{"batch":[]}') + 2 * rows_per_batch - 1)
        self.partitioner = PinningPartitioner(lanes)
        self.sent: list[int] = []
        self.barriers = 0
        self._numbers = count()
        self._passed: set[int] = set()

    def add(self, order: Order) -> None:
        """One row, as the intake adds it; its line is its number."""
        lane, barrier = self.partitioner.assign(order)
        if barrier:
            self.set(barrier)
        line = str(next(self._numbers)).encode()
        if sealed := self.batcher.add(lane, b"x", line, EPOCH, 0.0):
            self.queues[sealed.lane].append(sealed)

    def set(self, barrier: Barrier) -> None:
        """As the intake and the lanes do it."""
        self.barriers += 1
        for number in barrier:
            if batch := self.batcher.seal_lane(number):
                self.queues[number].append(batch)
        self.queues[barrier.awaited].append(("mark", self.barriers))
        self.queues[barrier.lane].append(("wait", self.barriers))

    def seal(self) -> None:
        """Close all open batches."""
        for batch in self.batcher.seal():
            self.queues[batch.lane].append(batch)

    def movable(self) -> list[int]:
        """The lanes that have something to do and are not held by a fence."""
        return [number for number, tasks in enumerate(self.queues) if tasks and not self._is_held(tasks[0])]

    def move(self, lane: int) -> None:
        """Let one lane do the next thing it was given."""
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
    """Whatever the lanes' speeds, and they never hold each other up for ever."""
    world = World(lanes, rows_per_batch)
    for order in rows:
        world.add(order)
        while data.draw(st.booleans()) and (movable := world.movable()):
            world.move(data.draw(st.sampled_from(movable)))
    world.seal()
    while movable := world.movable():
        world.move(data.draw(st.sampled_from(movable)))
    assert sorted(world.sent) == list(range(len(rows)))
    for key in "abcdefgh":
        about_key = [number for number in world.sent if key in rows[number]]
        assert about_key == sorted(about_key)


def test_a_row_that_joins_two_lanes_waits_for_the_second() -> None:
    """A merge goes out only after what was sent of both people has been answered."""
    world = World(lanes=2, rows_per_batch=10)
    first, second = _keys_of_two_lanes(world)
    world.add(first)
    world.add(second)
    world.add((first, second))
    world.seal()
    assert world.barriers == 1
    world.move(world.partitioner.assign(first)[0])
    assert world.sent == [0]
    assert world.movable() == [1 - world.partitioner.assign(first)[0]]


def test_rows_of_a_joined_key_follow_it_to_its_lane() -> None:
    """After the merge, rows of the second person stay behind it."""
    world = World(lanes=2, rows_per_batch=10)
    first, second = _keys_of_two_lanes(world)
    world.add(first)
    world.add(second)
    world.add((first, second))
    assert world.partitioner.assign(second)[0] == world.partitioner.assign(first)[0]


def test_relationships_of_people_at_rest_spread_over_all_lanes() -> None:
    """A stream of relationships alone needs no fence and uses more than one lane."""
    world = World(lanes=4, rows_per_batch=100)
    for number in range(100):
        world.add((f"person{number}", f"company{number}"))
    world.seal()
    assert world.barriers == 0
    assert sum(bool(tasks) for tasks in world.queues) == 4


def test_people_and_their_relationships_by_turns_need_few_fences() -> None:
    """Where two keys often meet, new keys share a lane for a while: full batches instead of one for each row."""
    world = World(lanes=8, rows_per_batch=1_000)
    for number in range(10_000):
        world.add(f"person{number}")
        world.add((f"person{number}", f"company{number % 5}"))
    assert 0 < world.barriers < 50


def test_nothing_is_remembered_of_keys_at_rest() -> None:
    """A sync of a hundred million people does not fill the memory with them."""
    world = World(lanes=2, rows_per_batch=1)
    for number in range(50):
        world.add((f"person{number}", f"company{number % 3}"))
        world.seal()
        while movable := world.movable():
            world.move(movable[0])
    assert not world.partitioner.pinned_keys


def test_a_hashed_key_always_has_the_same_lane() -> None:
    """Order needs no memory where every row has one key."""
    partitioner = HashPartitioner(8)
    assert partitioner.assign("ada")[0] == partitioner.assign("ada")[0]
    assert {partitioner.assign(f"person{number}")[0] for number in range(200)} == set(range(8))


def test_a_hashed_placement_takes_no_row_with_two_keys() -> None:
    """It could not keep their order, so it must not try."""
    with pytest.raises(TypeError):
        HashPartitioner(8).assign(("a", "b"))


def _keys_of_two_lanes(world: World) -> tuple[str, str]:
    hashed = HashPartitioner(len(world.queues))
    names = [f"person{number}" for number in range(20)]
    first = names[0]
    return first, next(name for name in names if hashed.assign(name)[0] != hashed.assign(first)[0])
