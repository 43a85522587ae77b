"""Lanes are threads: batches are in order within each and parallel between them, and every end is reported."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import orjson
import pytest

from destination_customerio.delivery.batch import Batch
from destination_customerio.delivery.lanes import LaneEnded, LaneFailed, ThreadedLanes
from destination_customerio.delivery.partitioner import Barrier
from destination_customerio.delivery.splitting import Delivered
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
    """Answers 200, unless a row has a gate, which it waits for first, or an answer of its own."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.gates: dict[int, threading.Event] = {}
        self.answers: dict[int, Callable[[], Answer | NoAnswer]] = {}
        self.arrivals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.closed = 0

    def post_batch(self, body: bytes, path: str) -> Answer | NoAnswer:  # noqa: ARG002 - always the same
        """Answer one request."""
        (entry,) = orjson.loads(body)["batch"]
        number: int = entry["n"]
        self.seen.append(number)
        self.arrivals.put(number)
        if gate := self.gates.get(number):
            assert gate.wait(PATIENCE_SECONDS)
        return self.answers.get(number, lambda: Answer(200, b""))()

    def close(self) -> None:
        """Count a closed connection."""
        self.closed += 1


class Harness:
    """Lanes, their server, and the events they post."""

    def __init__(self, lanes: int) -> None:
        self.server = Server()
        self.events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.lanes = ThreadedLanes(lanes, lambda: self.server, 60.0, self.events.put)

    def next_event(self) -> object:
        """The next event that is posted."""
        return self.events.get(timeout=PATIENCE_SECONDS)

    def events_until_lanes_end(self, lanes: int) -> list[object]:
        """All events that are posted until this number of lanes have ended."""
        found: list[object] = []
        while sum(isinstance(event, LaneEnded) for event in found) < lanes:
            found.append(self.next_event())
        return found


@pytest.fixture
def harness() -> Iterator[Harness]:
    """Two lanes, which are ended with the test."""
    made = Harness(2)
    yield made
    for gate in made.server.gates.values():
        gate.set()
    made.lanes.abort()


def test_a_lane_sends_one_batch_at_a_time(harness: Harness) -> None:
    """The second batch is sent when the first is answered, while another lane continues."""
    harness.server.gates[1] = threading.Event()
    for lane, number in ((0, 1), (0, 2), (1, 3)):
        harness.lanes.send(batch_for(lane, number))
    assert {harness.server.arrivals.get(timeout=PATIENCE_SECONDS) for _ in range(2)} == {1, 3}
    assert isinstance(harness.next_event(), Delivered)
    assert 2 not in harness.server.seen
    harness.server.gates[1].set()
    assert harness.server.arrivals.get(timeout=PATIENCE_SECONDS) == 2


def test_a_barrier_holds_a_lane_until_the_other_has_finished(harness: Harness) -> None:
    """Batches queued before the barrier are sent, and batches queued after it wait."""
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


def test_lanes_waiting_at_a_barrier_notice_an_abort(harness: Harness) -> None:
    """The lane that they wait for may never reach the barrier."""
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


def test_all_lanes_together_keep_the_pace() -> None:
    """Two lanes share one limit, and a batch that waits for its time notices an abort."""
    server = Server()
    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    lanes = ThreadedLanes(2, lambda: server, 60.0, events.put, max_rows_per_second=1e-6)
    lanes.send(batch_for(0, 1))
    assert isinstance(events.get(timeout=PATIENCE_SECONDS), Delivered)
    lanes.send(batch_for(1, 2))
    lanes.send(batch_for(0, 3))
    with pytest.raises(queue.Empty):
        events.get(timeout=0.2)
    lanes.abort()
    assert [type(events.get(timeout=PATIENCE_SECONDS)) for _ in range(2)] == [LaneEnded, LaneEnded]
    assert server.seen == [1]


def test_a_request_in_flight_at_an_abort_is_still_reported(harness: Harness) -> None:
    """Batches that were only queued are not sent."""
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


def test_a_lane_waiting_to_retry_ends_immediately_on_abort(harness: Harness) -> None:
    """It does not sleep until the end of a long Retry-After."""
    harness.server.answers[1] = lambda: Answer(503, b"", "50")
    harness.lanes.send(batch_for(0, 1))
    assert type(harness.next_event()).__name__ == "Retrying"
    harness.lanes.abort()
    assert all(isinstance(event, LaneEnded) for event in harness.events_until_lanes_end(2))
    assert harness.server.seen == [1]


def test_refused_credentials_fail_the_sync(harness: Harness) -> None:
    """The error is posted once, and the lane ends."""
    harness.server.answers[1] = lambda: Answer(401, b"")
    harness.lanes.send(batch_for(0, 1))
    failed = harness.next_event()
    assert isinstance(failed, LaneFailed)
    assert failed.error.failure_type == "config_error"
    assert isinstance(harness.next_event(), LaneEnded)


def test_an_unexpected_exception_fails_the_sync_without_its_text(harness: Harness) -> None:
    """A lane that ended silently would hang the sync, and the text might contain a row value."""

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


def test_a_lane_that_cannot_connect_fails_the_sync() -> None:
    """Otherwise its batches would wait forever."""

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
    """It is closed after a failure and after an abort."""
    harness.server.answers[1] = lambda: Answer(401, b"")
    harness.lanes.send(batch_for(0, 1))
    assert [type(harness.next_event()) for _ in range(2)] == [LaneFailed, LaneEnded]
    assert harness.server.closed == 1
    harness.lanes.abort()
    assert isinstance(harness.next_event(), LaneEnded)
    assert harness.server.closed == 2
