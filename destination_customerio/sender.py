"""The lanes: one batch at a time in each, so rows of one person stay in order, and many lanes beside each other."""

from __future__ import annotations

import queue
import random
import threading
import time
from typing import TYPE_CHECKING, Protocol

from destination_customerio.delivery import Abandoned, Circumstances, Delivery
from destination_customerio.errors import SyncError, unexpected
from destination_customerio.inbox import Failed, LaneEnded
from destination_customerio.pacing import Pace, RefusalCount

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.batcher import Batch
    from destination_customerio.delivery import Transport


class Lanes(Protocol):
    """Where sealed batches go; `lanes` says how many there are, and a batch which one it is for."""

    lanes: int

    def send(self, batch: Batch) -> None:
        """Queue a batch behind those of its lane."""
        ...

    def give_up(self) -> None:
        """Begin no further attempt. Requests under way are finished, and heard of when they settle a batch."""
        ...

    def close(self) -> None:
        """Let the lanes end once their queues are empty."""
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
    ) -> None:
        self.lanes = lanes
        self._post = post
        self._given_up = threading.Event()
        self._queues: list[queue.SimpleQueue[Batch | None]] = [queue.SimpleQueue() for _ in range(lanes)]
        outside = Circumstances(
            pace=Pace(time.monotonic),
            refusals=RefusalCount(),
            retry_timeout_seconds=retry_timeout_seconds,
            clock=time.monotonic,
            wall_clock=time.time,
            wait=self._given_up.wait,
            rng=random.SystemRandom(),
            report=post,
        )
        for number, batches in enumerate(self._queues):
            threading.Thread(
                target=self._run_lane, args=(batches, connect, outside), name=f"lane-{number}", daemon=True
            ).start()

    def send(self, batch: Batch) -> None:
        """See `Lanes`."""
        self._queues[batch.lane].put(batch)

    def give_up(self) -> None:
        """See `Lanes`."""
        self._given_up.set()
        self.close()

    def close(self) -> None:
        """See `Lanes`."""
        for batches in self._queues:
            batches.put(None)

    def _run_lane(
        self,
        batches: queue.SimpleQueue[Batch | None],
        connect: Callable[[], Transport],
        outside: Circumstances,
    ) -> None:
        transport = connect()
        delivery = Delivery(transport, outside)
        while (batch := batches.get()) is not None and not self._given_up.is_set():
            try:
                self._post(delivery.deliver(batch))
            except Abandoned:
                break
            except SyncError as error:
                self._post(Failed(error))
                break
            except Exception as error:  # noqa: BLE001 - a thread that dies unheard would hang the sync
                self._post(Failed(unexpected(error)))
                break
        transport.close()
        self._post(LaneEnded())
