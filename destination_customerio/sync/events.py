"""The coordinator's events, and the inbox that all threads post them to.

The reader of stdin posts blocks of lines, the lanes post the outcome of their batches, the uploader posts the files that
are stored, and the signal handler posts a request to stop. Only the reader can be too fast, so only it waits for a slot.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TypeAlias

from destination_customerio.airbyte.stdin import EndOfInput, InputFailed, Lines
from destination_customerio.dead_letters.uploader import FileUploaded, UploadFailed
from destination_customerio.delivery.attempts import Delivered, Retrying
from destination_customerio.delivery.lanes import LaneEnded, LaneFailed

_SLOTS = 8


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

    slots  how many blocks of lines may wait for the coordinator
    """

    def __init__(self, slots: int = _SLOTS) -> None:
        # Unlike queue.Queue, a SimpleQueue may be posted to from a signal handler.
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._slots = threading.Semaphore(slots)

    def post(self, event: Event) -> None:
        """Add an event; any thread and any signal handler may."""
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
        self._slots.acquire()

    def free_slot(self) -> None:
        """A block has been processed."""
        self._slots.release()
