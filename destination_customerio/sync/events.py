"""The coordinator's events, and the inbox that all threads post them to.

The reader of stdin posts blocks of lines, the lanes post the outcome of their batches, the uploader posts the files that
are stored, and the signal handler posts a request to stop. Only the reader can be too fast, so only it waits for a slot.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from destination_customerio.airbyte.stdin import CHUNK_BYTES, EndOfInput, InputFailed, Lines
from destination_customerio.dead_letters.uploader import FileUploaded, UploadFailed
from destination_customerio.delivery.attempts import Retrying
from destination_customerio.delivery.lanes import LaneEnded, LaneFailed
from destination_customerio.delivery.splitting import Delivered

_SLOTS = 8
# What that many usual blocks hold; nothing more is read while a longer one waits.
_MAX_WAITING_BYTES = _SLOTS * CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class Stop:
    """A signal asked the process to end."""

    signal_number: int


Event: TypeAlias = (
    Lines
    | EndOfInput
    | InputFailed
    | Delivered
    | Retrying
    | LaneFailed
    | LaneEnded
    | FileUploaded
    | UploadFailed
    | Stop
)


class Inbox:
    """Events for the coordinator, in the order in which they were posted. Thread-safe.

    slots              how many blocks of lines may wait for the coordinator
    max_waiting_bytes  how many bytes of them, except for a single block that is longer
    """

    def __init__(self, slots: int = _SLOTS, max_waiting_bytes: int = _MAX_WAITING_BYTES) -> None:
        # Unlike queue.Queue, a SimpleQueue may be posted to from a signal handler.
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._slots = slots
        self._max_waiting_bytes = max_waiting_bytes
        # The sizes of the blocks that are not processed yet, in order.
        self._waiting: deque[int] = deque()
        self._is_open = False
        self._changed = threading.Condition()

    def post(self, event: Event) -> None:
        """Add an event; any thread may, and any signal handler, except for lines."""
        if isinstance(event, Lines):
            with self._changed:
                self._waiting.append(len(event.block))
        self._events.put(event)

    def take(self, timeout_seconds: float) -> Event | None:
        """The next event, waiting for it at most this long; None if there is none."""
        try:
            if timeout_seconds <= 0:
                return self._events.get_nowait()
            return self._events.get(timeout=timeout_seconds)
        except queue.Empty:
            return None

    def wait_for_slot(self) -> None:
        """Block until the coordinator has processed enough blocks to accept one more."""
        with self._changed:
            self._changed.wait_for(self._has_slot)

    def free_slot(self) -> None:
        """The oldest block has been processed."""
        with self._changed:
            if self._waiting:
                self._waiting.popleft()
            self._changed.notify()

    def open(self) -> None:
        """Let nobody wait for a slot any more: no further block will be processed."""
        with self._changed:
            self._is_open = True
            self._changed.notify()

    def _has_slot(self) -> bool:
        waiting = self._waiting
        return self._is_open or (len(waiting) < self._slots and sum(waiting) < self._max_waiting_bytes)
