"""The lanes: one batch at a time in each, so rows of one person stay in order, and many lanes beside each other."""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from destination_customerio.airbyte.stdin import Failed, LaneEnded
from destination_customerio.delivery.attempts import Abandoned, Circumstances, Delivery
from destination_customerio.delivery.throttle import MAX_REFUSALS_IN_A_ROW, Pace, RefusalCount
from destination_customerio.errors import SyncError, unexpected

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.delivery.attempts import Transport
    from destination_customerio.delivery.batch import Batch


# How soon a lane that waits at a fence notices that the sync was given up.
_FENCE_POLL_SECONDS = 0.1


class _Mark(NamedTuple):
    """In a lane's queue: what was queued before is finished."""

    passed: threading.Event


class _Fence(NamedTuple):
    """In a lane's queue: wait until another lane has come to its mark."""

    passed: threading.Event


_Task: TypeAlias = "Batch | _Mark | _Fence | None"


class Lanes(Protocol):
    """Where sealed batches go; `lanes` says how many there are, and a batch which one it is for."""

    lanes: int

    def send(self, batch: Batch) -> None:
        """Queue a batch behind those of its lane."""
        ...

    def fence(self, lane: int, awaited: int) -> None:
        """Let nothing that `lane` is given from now on begin before `awaited` has finished what it was given."""
        ...

    def give_up(self) -> None:
        """Begin no further attempt. Requests under way are finished, and heard of when they settle a batch."""
        ...


class Sender:
    """Sends batches in as many lanes as there are, each a thread with a connection of its own.

    What becomes of a batch is posted: `Delivered`, or `Failed` when the sync can't go on. A batch that is given up is
    not heard of again; `LaneEnded` says that nothing more will come from its lane.
    """

    def __init__(
        self,
        lanes: int,
        connect: Callable[[], Transport],
        retry_timeout_seconds: float,
        post: Callable[[object], None],
        max_refusals_in_a_row: float = MAX_REFUSALS_IN_A_ROW,
    ) -> None:
        self.lanes = lanes
        self._post = post
        self._given_up = threading.Event()
        self._queues: list[queue.SimpleQueue[_Task]] = [queue.SimpleQueue() for _ in range(lanes)]
        outside = Circumstances(
            pace=Pace(time.monotonic),
            refusals=RefusalCount(max_refusals_in_a_row),
            retry_timeout_seconds=retry_timeout_seconds,
            clock=time.monotonic,
            wall_clock=time.time,
            wait=self._given_up.wait,
            rng=random.SystemRandom(),
            report=post,
        )
        for number, tasks in enumerate(self._queues):
            threading.Thread(
                target=self._run_lane, args=(tasks, connect, outside), name=f"lane-{number}", daemon=True
            ).start()

    def send(self, batch: Batch) -> None:
        """See `Lanes`."""
        self._queues[batch.lane].put(batch)

    def fence(self, lane: int, awaited: int) -> None:
        """See `Lanes`."""
        passed = threading.Event()
        self._queues[awaited].put(_Mark(passed))
        self._queues[lane].put(_Fence(passed))

    def give_up(self) -> None:
        """See `Lanes`."""
        self._given_up.set()
        # For lanes that wait for a batch.
        for tasks in self._queues:
            tasks.put(None)

    def _run_lane(
        self,
        tasks: queue.SimpleQueue[_Task],
        connect: Callable[[], Transport],
        outside: Circumstances,
    ) -> None:
        try:
            with contextlib.closing(connect()) as transport:
                self._work_off(tasks, Delivery(transport, outside))
        except Abandoned:
            pass
        except SyncError as error:
            self._post(Failed(error))
        except Exception as error:  # noqa: BLE001 - a thread that dies unheard would hang the sync
            self._post(Failed(unexpected(error)))
        self._post(LaneEnded())

    def _work_off(self, tasks: queue.SimpleQueue[_Task], delivery: Delivery) -> None:
        while (task := tasks.get()) is not None and not self._given_up.is_set():
            match task:
                case _Mark(passed):
                    passed.set()
                case _Fence(passed):
                    self._wait_at(passed)
                case batch:
                    self._post(delivery.deliver(batch))

    def _wait_at(self, passed: threading.Event) -> None:
        while not passed.wait(_FENCE_POLL_SECONDS):
            if self._given_up.is_set():
                return
