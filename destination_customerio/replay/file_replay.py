"""Sends the rows of one file through a pipeline and reports which of them were rejected again.

The pipeline, its lanes and their connections are those of a sync; the lanes are kept from file to file. The input is built
from the file instead of read from stdin (`record_message`), and the dead letters are the reasons of rows that are
rejected again (`new_reasons`), as the rows themselves are in the file.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from destination_customerio.airbyte.stdin import CHUNK_BYTES, EndOfInput, InputFailed, Lines
from destination_customerio.dead_letters.reading.reader import read_rows
from destination_customerio.delivery.lanes import LaneFailed
from destination_customerio.errors import unexpected
from destination_customerio.ledger import Ledger
from destination_customerio.replay.new_reasons import NewReasons
from destination_customerio.replay.record_message import RecordMessages, RowOrigin
from destination_customerio.sync.dry_run import emit_nothing
from destination_customerio.sync.events import Stop
from destination_customerio.sync.log_lines import notice_line, skipped_line
from destination_customerio.sync.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.dead_letters.reading.layout import DeadLetter, Layout
    from destination_customerio.delivery.lanes import Lanes
    from destination_customerio.errors import SyncError
    from destination_customerio.replay.console import View
    from destination_customerio.sync.events import Inbox
    from destination_customerio.sync.pipeline_settings import PipelineSettings
    from destination_customerio.sync.stream_sync import StreamSync

_FEED_END_SECONDS = 1.0


@dataclass(slots=True)
class FileResult:
    """The outcome of a file's rows.

    selected    rows that the filters select and that can be read
    unreadable  rows that the filters select and that can't be read
    fault       why the first of these can't be read, with its line
    stopped_by  the signal that ended it early; the outcome of some rows is not known then
    """

    new_reasons: NewReasons
    selected: int
    unreadable: int
    fault: str
    stopped_by: int | None

    @property
    def accepted(self) -> int:
        """How many rows were accepted."""
        return self.selected - self.new_reasons.rows


class FileReplay:
    """Replays files, one at a time.

    lanes     post to the inbox; the caller starts and aborts them
    view      shows progress and warnings
    settings  of the pipeline that each file runs through
    stopping  the signal that requested a shutdown, if any
    """

    def __init__(
        self, lanes: Lanes, inbox: Inbox, view: View, settings: PipelineSettings | None = None
    ) -> None:
        self._settings = settings
        self._lanes = lanes
        self._inbox = inbox
        self._view = view
        self.stopping: Stop | None = None

    def stop(self, signal_number: int) -> None:
        """Finish the requests in flight, and send nothing more; a signal handler may call this."""
        # The first signal decides the exit code.
        self.stopping = self.stopping or Stop(signal_number)
        self._inbox.post(self.stopping)

    def fail(self, error: SyncError) -> None:
        """Send nothing more, and fail with this error; any thread may call this."""
        self._inbox.post(LaneFailed(error))

    def run(
        self, layout: Layout, sync: StreamSync, take: Callable[[DeadLetter], bool], spool: IO[bytes]
    ) -> FileResult:
        """Send the selected rows of a file, and wait for the outcome of each.

        Args:
            layout: the file, at its first row
            sync: its stream
            take: which rows are selected
            spool: an empty temporary file, for the reasons

        Raises:
            SyncError: Customer.io can't be reached, refuses the credentials, and so on.
        """
        ledger = Ledger()
        new_reasons = NewReasons(ledger.settle_rejected, spool, sync.columns)
        reporter = _ViewReporter(sync, self._view)
        pipeline = Pipeline(
            [sync],
            ledger,
            self._lanes,
            new_reasons,
            self._inbox,
            emit_nothing,
            reporter,
            time.monotonic,
            self._settings,
        )
        feed = _Feed(layout, sync.stream, take, self._inbox)
        feed.start()
        try:
            stopped_by = pipeline.run()
        finally:
            feed.stop()
        return FileResult(new_reasons, feed.selected, feed.unreadable, feed.fault, stopped_by)


class _ViewReporter:
    """Passes progress on to the operator; see `Reporter`."""

    due_at = math.inf

    def __init__(self, sync: StreamSync, view: View) -> None:
        self._sync = sync
        self._view = view
        # A stream may have several files.
        self._skipped_before = sync.counts.skipped.copy()

    def on_lines(self, lines: int) -> None:
        self._view.on_rows(lines)

    def on_requests(self, requests: int) -> None:
        """The operator is shown rows and files, not requests."""

    def on_retry(self, reason: str) -> None:
        self._view.on_retry(reason)

    def on_delivered_bytes(self, body_bytes: int) -> None:
        """See `Reporter`; the report of a replay has no rates."""

    def on_source_count(self, rows: int) -> None:
        """See `Reporter`; a file has no states."""

    def on_acknowledged(self, rows: int) -> None:
        """See `Reporter`; a file has no states."""

    def on_skipped_type(self, name: str) -> None:
        """The input of a replay has rows only."""

    def report(self, now: float) -> None:
        """Never due: the view decides when to show progress."""

    def summarize(self) -> None:
        assembler = self._sync.assembler
        for notice in [*assembler.take_notices(), *assembler.take_closing_notices()]:
            self._view.say(notice_line(self._sync, notice))
        if skipped := self._sync.counts.skipped - self._skipped_before:
            self._view.say(skipped_line(self._sync, skipped))


class _Feed:
    """Posts the selected rows of a file as blocks of RECORD messages, in a thread of its own."""

    def __init__(
        self, layout: Layout, stream: Stream, take: Callable[[DeadLetter], bool], inbox: Inbox
    ) -> None:
        self.selected = 0
        self.unreadable = 0
        self.fault = ""
        self._layout = layout
        self._messages = RecordMessages(stream)
        self._take = take
        self._inbox = inbox
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread. If the pipeline ended early, it may be waiting for a slot, which only this call ends."""
        self._stopping.set()
        if not self._ended.is_set():
            self._inbox.open()
        self._thread.join(_FEED_END_SECONDS)

    def _run(self) -> None:
        try:
            self._post_rows()
        except Exception as error:  # noqa: BLE001 - a feed that died silently would hang the replay
            last: InputFailed | EndOfInput = InputFailed(unexpected(error))
        else:
            last = EndOfInput()
        # Before the last event: a pipeline that has taken that one leaves no slot to free.
        self._ended.set()
        self._inbox.post(last)

    def _post_rows(self) -> None:
        block: list[bytes] = []
        size = 0
        for row in read_rows(self._layout):
            if self._stopping.is_set():
                return
            if not self._take(row):
                continue
            if row.data is None:
                self.unreadable += 1
                self.fault = self.fault or row.fault
                continue
            self.selected += 1
            origin = RowOrigin(row.number, row.raw_id or row.data.decode(errors="replace"))
            block.append(self._messages.line(origin, row.data, row.extracted_at))
            size += len(block[-1])
            if size >= CHUNK_BYTES:
                self._post(block)
                block, size = [], 0
        if block:
            self._post(block)

    def _post(self, block: list[bytes]) -> None:
        self._inbox.wait_for_slot()
        self._inbox.post(Lines(b"\n".join(block)))
