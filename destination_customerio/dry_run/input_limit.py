"""Ends the input after a number of rows, so that a mapping can be tried on the head of a large source."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from destination_customerio.airbyte.messages import UNREADABLE, read_message
from destination_customerio.airbyte.stdin import EndOfInput, InputFailed, Lines

if TYPE_CHECKING:
    from destination_customerio.airbyte.stdin import Receiver


class RowLimit:
    """Passes blocks on up to and including the last row that is asked for, then the end of the input.

    Runs in the reader's thread. After the last row that thread waits forever, so that nothing more is read.

    is_reached  whether the input was cut off
    """

    def __init__(self, receiver: Receiver, rows: int) -> None:
        self._receiver = receiver
        self._rows_left = rows
        self.is_reached = False

    def post(self, event: Lines | EndOfInput | InputFailed) -> None:
        """Pass an event on, as far as the limit allows."""
        if not isinstance(event, Lines):
            self._receiver.post(event)
            return
        lines = event.block.split(b"\n")
        for number, line in enumerate(lines, 1):
            self._rows_left -= _is_row(line)
            if not self._rows_left:
                self.is_reached = True
                self._receiver.post(Lines(b"\n".join(lines[:number])))
                self._receiver.post(EndOfInput())
                threading.Event().wait()
        self._receiver.post(event)

    def wait_for_slot(self) -> None:
        """See `Receiver`."""
        self._receiver.wait_for_slot()


def _is_row(line: bytes) -> bool:
    if b"RECORD" not in line and b"\\u" not in line:
        return False
    try:
        return read_message(line).type == "RECORD"
    except UNREADABLE:  # in need of repair, nested too deeply, or no JSON: the sync judges it
        return True
