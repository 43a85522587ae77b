"""Ends a command in time after a signal, whatever it waits for.

boto3 waits minutes for a store that stops answering, partly in threads that Python joins before it exits, and while a name
is looked up not even a signal handler runs. So a thread of its own learns of the signal from the interpreter's wakeup
descriptor, and ends the process when time is up. A replay may be killed at any moment without losing a row.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A terminal or a pipe that nobody reads must not hold up the end.
_SAY_SECONDS = 0.3


class Deadline:
    """The time that a signal leaves for the command to end by itself; made in the main thread, once in a process.

    Only signals that have a handler of Python's count.

    seconds    after the signal
    interrupt  shows at once that Ctrl-C was noticed; both are called in threads of their own
    farewell   shows, when time is up, what that means
    """

    def __init__(self, seconds: float, interrupt: Callable[[], None], farewell: Callable[[], None]) -> None:
        self._ending = seconds, interrupt, farewell
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._run, args=(reading,), name="deadline", daemon=True).start()

    def _run(self, reading: int) -> None:
        while (number := os.read(reading, 1)[0]) not in (signal.SIGTERM, signal.SIGINT):
            pass
        seconds, interrupt, farewell = self._ending
        ends_at = time.monotonic() + seconds
        if number == signal.SIGINT:
            _start(interrupt)
        time.sleep(max(ends_at - time.monotonic(), 0))
        _start(farewell).join(_SAY_SECONDS)
        os._exit(128 + number)


def _start(act: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=act, name="deadline-words", daemon=True)
    thread.start()
    return thread
