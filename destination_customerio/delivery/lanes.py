"""The lanes: one request in flight in each, so that rows of one person stay in order, and many lanes in parallel."""

from __future__ import annotations

import contextlib
import math
import queue
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, assert_never

from destination_customerio.delivery.attempts import Aborted, Attempts, DeliveryContext, Retrying
from destination_customerio.delivery.batch import Batch
from destination_customerio.delivery.breaker import BreakerLimits, CircuitBreaker
from destination_customerio.delivery.concurrency import ConcurrencyLimit
from destination_customerio.delivery.pacer import Pacer
from destination_customerio.delivery.splitting import Delivered, Delivery
from destination_customerio.delivery.throttle import Throttle
from destination_customerio.errors import SyncError, unexpected

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.delivery.attempts import Transport
    from destination_customerio.delivery.partitioner import Barrier


# How soon a lane that waits at a barrier notices that the sync was aborted.
_BARRIER_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LaneFailed:
    """A lane failed with an error that ends the sync."""

    error: SyncError


@dataclass(frozen=True, slots=True)
class LaneEnded:
    """A lane has finished its request in flight and accepts no more batches.

    requests  requests that were sent for a batch it did not finish
    """

    requests: int = 0


class _Mark(NamedTuple):
    """In a lane's queue: everything queued before is finished."""

    passed: threading.Event


class _Wait(NamedTuple):
    """In a lane's queue: wait until another lane has reached its mark."""

    passed: threading.Event


_Task: TypeAlias = Batch | _Mark | _Wait | None


class Lanes(Protocol):
    """Delivers sealed batches, each in the lane that it names; `lanes` is the number of lanes."""

    lanes: int

    def send(self, batch: Batch) -> None:
        """Queue a batch behind those of its lane."""
        ...

    def hold(self, barrier: Barrier) -> None:
        """Set a barrier: what is queued in its lane from now on waits for everything queued so far in the awaited one."""
        ...

    def abort(self) -> None:
        """Start no further attempt. Requests in flight are finished, and reported if they complete a batch."""
        ...


class ThreadedLanes:
    """Sends batches, each lane a thread with its own connection.

    The outcome of a batch is posted: `Delivered`, or `LaneFailed` when the sync can't continue. After `abort`, batches that
    were not finished are not reported; `LaneEnded` says that nothing more will come from a lane.
    """

    def __init__(
        self,
        lanes: int,
        connect: Callable[[], Transport],
        retry_timeout_seconds: float,
        post: Callable[[Delivered | Retrying | LaneFailed | LaneEnded], None],
        breaker_limits: BreakerLimits | None = None,
        max_rows_per_second: float = math.inf,
    ) -> None:
        self.lanes = lanes
        self._post = post
        self._aborted = threading.Event()
        self._queues: list[queue.SimpleQueue[_Task]] = [queue.SimpleQueue() for _ in range(lanes)]
        context = DeliveryContext(
            throttle=Throttle(time.monotonic),
            pacer=Pacer(max_rows_per_second, time.monotonic),
            breaker=CircuitBreaker(breaker_limits),
            concurrency=ConcurrencyLimit(lanes),
            retry_timeout_seconds=retry_timeout_seconds,
            clock=time.monotonic,
            wall_clock=time.time,
            wait=self._aborted.wait,
            rng=random.SystemRandom(),
            report=post,
        )
        for number, tasks in enumerate(self._queues):
            threading.Thread(
                target=self._run_lane, args=(tasks, connect, context), name=f"lane-{number}", daemon=True
            ).start()

    def send(self, batch: Batch) -> None:
        """See `Lanes`."""
        self._queues[batch.lane].put(batch)

    def hold(self, barrier: Barrier) -> None:
        """See `Lanes`."""
        passed = threading.Event()
        self._queues[barrier.awaited].put(_Mark(passed))
        self._queues[barrier.lane].put(_Wait(passed))

    def abort(self) -> None:
        """See `Lanes`."""
        self._aborted.set()
        # Wakes lanes that wait for a batch.
        for tasks in self._queues:
            tasks.put(None)

    def _run_lane(
        self, tasks: queue.SimpleQueue[_Task], connect: Callable[[], Transport], context: DeliveryContext
    ) -> None:
        attempts = None
        try:
            with contextlib.closing(connect()) as transport:
                attempts = Attempts(transport, context)
                self._run_tasks(tasks, Delivery(attempts))
        except Aborted:
            pass
        except SyncError as error:
            self._post(LaneFailed(error))
        except Exception as error:  # noqa: BLE001 - a thread that died silently would hang the sync
            self._post(LaneFailed(unexpected(error)))
        self._post(LaneEnded(attempts.unreported if attempts else 0))

    def _run_tasks(self, tasks: queue.SimpleQueue[_Task], delivery: Delivery) -> None:
        while (task := tasks.get()) is not None and not self._aborted.is_set():
            match task:
                case _Mark(passed):
                    passed.set()
                case _Wait(passed):
                    self._wait_for(passed)
                case Batch():
                    self._post(delivery.deliver(task))
                case _:
                    assert_never(task)

    def _wait_for(self, passed: threading.Event) -> None:
        while not passed.wait(_BARRIER_POLL_SECONDS):
            if self._aborted.is_set():
                return
