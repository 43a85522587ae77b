"""Lanes are threads: in order within each, beside each other, and they never end unheard."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import orjson
import pytest

from destination_customerio.delivery.attempts import Delivered
from destination_customerio.delivery.batch import Batch
from destination_customerio.delivery.lanes import LaneEnded, LaneFailed, ThreadedLanes
from destination_customerio.delivery.partitioner import Barrier
from destination_customerio.ledger import Epoch, StreamQueue
from destination_customerio.track_api.verdict import Answer, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_SECONDS = 60.0
EPOCH = Epoch(StreamQueue("rows"))


def batch_for(lane: int, number: int) -> Batch:
    """A batch of one row."""
    batch = Batch(lane, opened_at=0.0)
    batch.add(b'{"n":%d}' % number, b"line", EPOCH)
    return batch


class Server:
    """Answers 200, unless a number has a gate (it waits there first) or an answer of its own."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.gates: dict[int, threading.Event] = {}
        self.answers: dict[int, Callable[[], Answer | NoAnswer]] = {}
        self.arrivals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.closed = 0

    def post_batch(self, body: bytes) -> Answer | NoAnswer:
        """One request."""
        (entry,) = orjson.loads(body)["batch"]
        number: int = entry["n"]
        self.seen.append(number)
        self.arrivals.put(number)
        if gate := self.gates.get(number):
            assert gate.wait(PATIENCE_SECONDS)
        return self.answers.get(number, lambda: Answer(200, b""))()

    def close(self) -> None:
        """A lane is done with its connection."""
        self.closed += 1


class Harness:
    """A sender, its server, and what it posts."""

    def __init__(self, lanes: int) -> None:
        self.server = Server()
        self.events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.lanes = ThreadedLanes(lanes, lambda: self.server, 60.0, self.events.put)

    def next_event(self) -> object:
        """What is posted next."""
        return self.events.get(timeout=PATIENCE_SECONDS)

    def events_until_lanes_end(self, lanes: int) -> list[object]:
        """All that is posted until so many lanes have ended."""
        found: list[object] = []
        while sum(isinstance(event, LaneEnded) for event in found) < lanes:
            found.append(self.next_event())
        return found


@pytest.fixture
def harness() -> Iterator[Harness]:
    """Two lanes, which end with the test."""
    made = Harness(2)
    yield made
    for gate in made.server.gates.values():
        gate.set()
    made.lanes.abort()


def test_batches_of_a_lane_go_one_after_the_other(harness: Harness) -> None:
    """The second begins when the first is answered, while another lane goes on."""
    harness.server.gates[1] = threading.Event()
    for lane, number in ((0, 1), (0, 2), (1, 3)):
        harness.lanes.send(batch_for(lane, number))
    assert {harness.server.arrivals.get(timeout=PATIENCE_SECONDS) for _ in range(2)} == {1, 3}
    assert isinstance(harness.next_event(), Delivered)
    assert 2 not in harness.server.seen
    harness.server.gates[1].set()
    assert harness.server.arrivals.get(timeout=PATIENCE_SECONDS) == 2


def test_a_fence_holds_a_lane_back_until_the_other_has_finished(harness: Harness) -> None:
    """What the first lane had before goes at once; what it is given behind the fence waits."""
    harness.server.gates[1] = threading.Event()
    harness.lanes.send(batch_for(0, 1))
    harness.lanes.send(batch_for(1, 2))
    harness.lanes.hold(Barrier(lane=1, awaited=0))
    harness.lanes.send(batch_for(1, 3))
    harness.lanes.send(batch_for(0, 4))
    assert {harness.server.arrivals.get(timeout=PATIENCE_SECONDS) for _ in range(2)} == {1, 2}
    assert isinstance(harness.next_event(), Delivered)
    assert 3 not in harness.server.seen
    harness.server.gates[1].set()
    assert {harness.server.arrivals.get(timeout=PATIENCE_SECONDS) for _ in range(2)} == {3, 4}


def test_lanes_that_wait_at_a_fence_notice_that_the_sync_is_given_up(harness: Harness) -> None:
    """The lane they wait for may never come to its mark."""
    harness.server.gates[1] = threading.Event()
    harness.lanes.send(batch_for(0, 1))
    harness.lanes.hold(Barrier(lane=1, awaited=0))
    harness.lanes.send(batch_for(1, 2))
    assert harness.server.arrivals.get(timeout=PATIENCE_SECONDS) == 1
    harness.lanes.abort()
    assert isinstance(harness.next_event(), LaneEnded)
    harness.server.gates[1].set()
    assert [type(event) for event in harness.events_until_lanes_end(1)] == [Delivered, LaneEnded]
    assert harness.server.seen == [1]


def test_what_is_under_way_when_the_sync_is_given_up_is_still_heard_of(harness: Harness) -> None:
    """And what was only queued is not begun."""
    harness.server.gates[1] = threading.Event()
    harness.lanes.send(batch_for(0, 1))
    harness.lanes.send(batch_for(0, 2))
    assert harness.server.arrivals.get(timeout=PATIENCE_SECONDS) == 1
    harness.lanes.abort()
    harness.server.gates[1].set()
    events = harness.events_until_lanes_end(2)
    assert sum(isinstance(event, Delivered) for event in events) == 1
    assert harness.server.seen == [1]
    assert harness.server.closed == 2


def test_a_lane_that_waits_for_its_next_try_gives_up_at_once(harness: Harness) -> None:
    """It need not sleep to the end of a long Retry-After."""
    harness.server.answers[1] = lambda: Answer(503, b"", "50")
    harness.lanes.send(batch_for(0, 1))
    assert type(harness.next_event()).__name__ == "Retrying"
    harness.lanes.abort()
    assert all(isinstance(event, LaneEnded) for event in harness.events_until_lanes_end(2))
    assert harness.server.seen == [1]


def test_refused_credentials_fail_the_sync(harness: Harness) -> None:
    """Once, and the lane ends."""
    harness.server.answers[1] = lambda: Answer(401, b"")
    harness.lanes.send(batch_for(0, 1))
    failed = harness.next_event()
    assert isinstance(failed, LaneFailed)
    assert failed.error.failure_type == "config_error"
    assert isinstance(harness.next_event(), LaneEnded)


def test_an_unforeseen_exception_fails_the_sync_without_its_text(harness: Harness) -> None:
    """A lane that died unheard would hang the sync; a text might hold a value."""

    def explode() -> Answer:
        raise LookupError("c4nary")

    harness.server.answers[1] = explode
    harness.lanes.send(batch_for(0, 1))
    failed = harness.next_event()
    assert isinstance(failed, LaneFailed)
    assert failed.error.failure_type == "system_error"
    assert "LookupError" in str(failed.error)
    assert "c4nary" not in str(failed.error) + failed.error.internal_message
    assert "explode" in failed.error.internal_message


def test_a_lane_that_cannot_even_open_its_connection_fails_the_sync() -> None:
    """Its batches would wait for ever otherwise."""

    def connect() -> Server:
        raise LookupError("c4nary")

    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    lanes = ThreadedLanes(1, connect, 60.0, events.put)
    failed = events.get(timeout=PATIENCE_SECONDS)
    assert isinstance(failed, LaneFailed)
    assert "LookupError" in str(failed.error)
    assert "c4nary" not in str(failed.error) + failed.error.internal_message
    assert isinstance(events.get(timeout=PATIENCE_SECONDS), LaneEnded)
    lanes.abort()


def test_a_connection_is_closed_however_its_lane_ends(harness: Harness) -> None:
    """After a failure, too."""
    harness.server.answers[1] = lambda: Answer(401, b"")
    harness.lanes.send(batch_for(0, 1))
    assert [type(harness.next_event()) for _ in range(2)] == [LaneFailed, LaneEnded]
    assert harness.server.closed == 1
    harness.lanes.abort()
    assert isinstance(harness.next_event(), LaneEnded)
    assert harness.server.closed == 2
