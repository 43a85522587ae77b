"""Reports what a sync does: progress every half minute, notices once, and a summary at the end."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Protocol

from destination_customerio.sync import log_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from destination_customerio.sync.stream_sync import StreamSync

_INTERVAL_SECONDS = 30.0


class Log(Protocol):
    """Where the sentences of a log go."""

    def info(self, text: str) -> None:
        """Log progress."""
        ...

    def warn(self, text: str) -> None:
        """Log something unusual; nothing is lost."""
        ...


class Reporter(Protocol):
    """Follows a pipeline. Not thread-safe; owned by the coordinator thread.

    due_at  clock time at which `report` should be called next
    """

    due_at: float

    def on_lines(self, lines: int) -> None:
        """Lines of the input have been processed."""
        ...

    def on_requests(self, requests: int) -> None:
        """A batch was delivered in this many requests, failed attempts included."""
        ...

    def on_delivered_bytes(self, body_bytes: int) -> None:
        """A batch of this size was delivered; failed attempts don't count."""
        ...

    def on_source_count(self, rows: int) -> None:
        """A state has arrived with the source's own count of the rows before it."""
        ...

    def on_acknowledged(self, rows: int) -> None:
        """A state was acknowledged, with so many rows since the one before."""
        ...

    def on_retry(self, reason: str) -> None:
        """An attempt failed and will be repeated."""
        ...

    def on_skipped_type(self, name: str) -> None:
        """A type of message is unknown, so its messages are skipped; `name` is "" if it can't be shown."""
        ...

    def report(self, now: float) -> None:
        """Report progress."""
        ...

    def summarize(self) -> None:
        """The sync has ended."""
        ...


class LogReporter:
    """Reports to a log.

    delivered_word  what the log calls rows that the lanes have accepted
    closing_lines   returns the last lines of the summary
    max_rows_per_second
                    the configured limit; 0 for none
    """

    def __init__(
        self,
        streams: Sequence[StreamSync],
        log: Log,
        now: float,
        delivered_word: str = "delivered",
        closing_lines: Callable[[], Iterable[log_lines.Line]] = tuple,
        max_rows_per_second: int = 0,
    ) -> None:
        self._max_rows_per_second = max_rows_per_second
        self._streams = streams
        self._log = log
        self._delivered_word = delivered_word
        self._closing_lines = closing_lines
        self._requests = log_lines.RequestCounts()
        self._states = log_lines.StateCounts()
        self._rows_before = 0
        self._rejected_before = 0
        self._requests_before = 0
        self._bytes_before = 0
        self._reported_at = now
        self.due_at = now + _INTERVAL_SECONDS

    def on_lines(self, lines: int) -> None:
        """See `Reporter`; rows are counted by stream."""

    def on_requests(self, requests: int) -> None:
        """See `Reporter`."""
        self._requests.requests += requests

    def on_delivered_bytes(self, body_bytes: int) -> None:
        """See `Reporter`."""
        self._requests.body_bytes += body_bytes

    def on_source_count(self, rows: int) -> None:
        """See `Reporter`."""
        self._states.source_rows += rows

    def on_acknowledged(self, rows: int) -> None:
        """See `Reporter`."""
        self._states.acknowledged_rows += rows

    def on_retry(self, reason: str) -> None:
        """See `Reporter`."""
        self._requests.retries[reason] += 1

    def on_skipped_type(self, name: str) -> None:
        """See `Reporter`."""
        self._log.warn(log_lines.skipped_type_line(name))

    def report(self, now: float) -> None:
        """See `Reporter`."""
        line = log_lines.progress_line(
            self._streams,
            self._requests,
            now - self._reported_at,
            self._rows_before,
            self._delivered_word,
            self._max_rows_per_second,
        )
        requests = self._requests.requests - self._requests_before
        sent_bytes = self._requests.body_bytes - self._bytes_before
        if requests:  # none in a dry run
            line += log_lines.pace_words(requests, sent_bytes, now - self._reported_at, self._states)
        rejected = sum(sync.counts.rejected.total() for sync in self._streams)
        (self._log.warn if rejected > self._rejected_before else self._log.info)(line)
        self._warn_about_columns()
        self._rows_before = sum(sync.counts.read for sync in self._streams)
        self._rejected_before = rejected
        self._requests_before = self._requests.requests
        self._bytes_before = self._requests.body_bytes
        self._reported_at = now
        self.due_at = now + _INTERVAL_SECONDS

    def summarize(self) -> None:
        """See `Reporter`."""
        self._warn_about_columns()
        for sync in self._streams:
            for notice in sync.assembler.take_closing_notices():
                self._log.warn(log_lines.notice_line(sync, notice))
        lines = log_lines.summary_lines(self._streams, self._requests, self._delivered_word)
        for text, is_warning in chain(lines, self._closing_lines()):
            (self._log.warn if is_warning else self._log.info)(text)

    def _warn_about_columns(self) -> None:
        for sync in self._streams:
            for notice in sync.assembler.take_notices():
                self._log.warn(log_lines.notice_line(sync, notice))
