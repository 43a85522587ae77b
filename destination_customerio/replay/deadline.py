"""Ends a command in time after a signal, whatever it waits for.

boto3 waits minutes for a store that stops answering, partly in threads that Python joins before it exits. `rejected` and
`replay` may be killed at any moment without losing a row, so that is what happens when time is up.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import TYPE_CHECKING

from destination_customerio.replay.console import say_last

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """The time that a signal leaves for the command to end by itself.

    seconds   after the signal
    farewell  a sentence for stderr when time is up; may be empty
    """

    def __init__(self, seconds: float, farewell: str = "") -> None:
        self._seconds = seconds
        self._farewell = farewell
        # Unlike an Event or a new thread, a SimpleQueue is safe to use in a signal handler.
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="deadline", daemon=True).start()

    def before(self, act: Callable[[int], object]) -> Callable[[int], object]:
        """A signal handler that starts the clock, then does the same as `act`."""

        def handle(signal_number: int) -> object:
            self._signals.put(signal_number)
            return act(signal_number)

        return handle

    def _run(self) -> None:
        signal_number = self._signals.get()
        time.sleep(self._seconds)
        say_last(self._farewell)
        os._exit(128 + signal_number)
