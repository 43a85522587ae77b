"""What the log hears of a sync: now and then how it gets on, and at its end what became of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.sync import log_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from destination_customerio.airbyte.output import Output
    from destination_customerio.sync.stream_sync import StreamSync


class Progress:
    """Tells of one sync. Made for the coordinator's thread.

    delivered_word  what the log calls rows that the sender has taken
    due_at          when, by the clock, it is time to say how the sync gets on
    """

    def __init__(
        self,
        streams: Sequence[StreamSync],
        requests: log_lines.RequestCounts,
        output: Output,
        interval_seconds: float,
        now: float,
        delivered_word: str,
    ) -> None:
        self._streams = streams
        self._requests = requests
        self._output = output
        self._interval_seconds = interval_seconds
        self._delivered_word = delivered_word
        self._rows_before = 0
        self.due_at = now + interval_seconds

    def say(self, now: float) -> None:
        """Say how the sync gets on, and when the next time is."""
        seconds = self._interval_seconds + now - self.due_at
        line = log_lines.progress_line(
            self._streams, self._requests, seconds, self._rows_before, self._delivered_word
        )
        self._output.info(line)
        self._warn_of_columns()
        self.due_at = now + self._interval_seconds
        self._rows_before = sum(sync.counts.read for sync in self._streams)

    def summarize(self) -> None:
        """Say what became of the rows of each stream."""
        self._warn_of_columns()
        for line in log_lines.summary_lines(self._streams, self._requests, self._delivered_word):
            self._output.info(line)

    def _warn_of_columns(self) -> None:
        for sync in self._streams:
            for notice in sync.assembler.take_notices():
                self._output.warn(log_lines.notice_line(sync, notice))
