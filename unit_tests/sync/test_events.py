"""The inbox returns events in the order in which they were posted."""

from __future__ import annotations

import os
import signal
import threading

from destination_customerio.sync.events import Inbox, Stop

PATIENCE_SECONDS = 60.0


def test_a_signal_handler_may_post_while_the_coordinator_waits() -> None:
    """The handler runs in the waiting thread, which must not deadlock."""
    inbox = Inbox()
    before = signal.signal(signal.SIGUSR1, lambda number, _: inbox.post(Stop(number)))
    try:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        assert inbox.take(PATIENCE_SECONDS) == Stop(signal.SIGUSR1)
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_an_empty_inbox_returns_none_after_the_timeout() -> None:
    """Events are returned in the order in which they were posted."""
    inbox = Inbox()
    assert inbox.take(0.0) is None
    assert inbox.take(0.01) is None
    inbox.post(Stop(1))
    inbox.post(Stop(2))
    assert [inbox.take(0.0), inbox.take(5.0), inbox.take(0.0)] == [Stop(1), Stop(2), None]
