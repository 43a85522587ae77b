"""Sends the rows of one file through a pipeline of their own, and says which of them were rejected again.

The pipeline is that of a sync: the same routes, checks, lanes, retries. Three of its parts are different here:

- Its input is made of the file, not read from stdin. A row becomes the RECORD message that it once was, with its place
  in the file in front.
- Its dead letters (`ReturnedRows`) are the reasons of rows that are rejected again, by their place.
- Events whose row brings no id get one that stays the same (`replay_event_ids`).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING

from destination_customerio.airbyte.output import Output
from destination_customerio.airbyte.stdin import CHUNK_BYTES, EndOfInput, Failed, Inbox, Lines, Stop
from destination_customerio.dead_letters.reading.reader import read_rows
from destination_customerio.dead_letters.row_format import json_string
from destination_customerio.delivery.attempts import Retrying
from destination_customerio.delivery.batch import Batcher
from destination_customerio.errors import unexpected
from destination_customerio.replay.event_ids import RowIds, RowLedger
from destination_customerio.replay.new_reasons import ROW_NUMBER, ReturnedRows
from destination_customerio.sync.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.dead_letters.reading.layout import Layout, RejectedRow
    from destination_customerio.delivery.lanes import Lanes
    from destination_customerio.replay.console import View
    from destination_customerio.sync.stream_sync import StreamSync


@dataclass(slots=True)
class FileResult:
    """What became of a file's rows.

    selected    rows that were meant by the filters, and can be read
    unreadable  rows that were meant and can't be
    stopped_by  the signal that ended it early; the fate of some rows is not known then
    """

    returned: ReturnedRows
    selected: int
    unreadable: int
    stopped_by: int | None

    @property
    def accepted(self) -> int:
        """How many rows were taken."""
        return self.selected - self.returned.kinds.total()


class FileReplay:
    """Replays files, one at a time.

    make_lanes  makes the lanes for one pipeline, which post into its inbox
    view        shows how it gets on, and what is odd about the rows
    stopping    the signal that asked for the end, if one did
    """

    def __init__(
        self,
        row_ids: RowIds,
        make_lanes: Callable[[Inbox], Lanes],
        view: View,
    ) -> None:
        self._row_ids = row_ids
        self._make_lanes = make_lanes
        self._view = view
        self._output = _OnlyWarnings(view.say)
        self._inbox = Inbox()
        self.stopping: Stop | None = None

    def stop(self, signal_number: int) -> None:
        """Finish what is under way, and send nothing more; a signal handler may call this."""
        self.stopping = Stop(signal_number)
        self._inbox.post(self.stopping)

    def run(
        self, layout: Layout, sync: StreamSync, take: Callable[[RejectedRow], bool], spool: IO[bytes]
    ) -> FileResult:
        """Send the rows of a file that are meant, and wait for what becomes of each.

        Args:
            layout: the file, at its first row
            sync: its stream
            take: which rows are meant
            spool: an empty temporary file, for the reasons

        Raises:
            SyncError: Customer.io can't be reached, refuses the credentials, and the like.
        """
        inbox = self._inbox = _WatchedInbox(self._view)
        if self.stopping:  # the signal came before this inbox
            inbox.post(self.stopping)
        ledger = RowLedger(self._row_ids)
        lanes = self._make_lanes(inbox)
        returned = ReturnedRows(ledger.settle_rejected, spool)
        pipeline = Pipeline(
            [sync], ledger, Batcher(lanes.lanes), lanes, returned, inbox, self._output, time.monotonic
        )
        feed = _Feed(layout, sync.stream, take, self._row_ids, inbox)
        feed.start()
        try:
            stopped_by = pipeline.run()
        finally:
            feed.stop()
            self._row_ids.forget()
        return FileResult(returned, feed.selected, feed.unreadable, stopped_by)


class _WatchedInbox(Inbox):
    """Lets the view see what passes, in the thread that owns it."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self._view = view

    def take(self, timeout_seconds: float) -> object | None:
        event = super().take(timeout_seconds)
        match event:
            case Lines(block):
                self._view.on_rows(block.count(b"\n") + 1)
            case Retrying(reason):
                self._view.on_retry(reason)
        return event


class _Feed:
    """Posts the rows of a file as blocks of RECORD messages, in a thread of its own."""

    def __init__(
        self,
        layout: Layout,
        stream: Stream,
        take: Callable[[RejectedRow], bool],
        row_ids: RowIds,
        inbox: Inbox,
    ) -> None:
        self.selected = 0
        self.unreadable = 0
        self._layout = layout
        namespace = b',"namespace":' + json_string(stream.namespace) if stream.namespace else b""
        self._middle = b',"type":"RECORD","record":{"stream":%b%b,"emitted_at":0,"data":' % (
            json_string(stream.name),
            namespace,
        )
        self._take = take
        self._row_ids = row_ids
        self._inbox = inbox
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait for the thread; it may wait for a slot that nobody frees any more."""
        self._stopping.set()
        self._inbox.free_slot()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._post_rows()
        except Exception as error:  # noqa: BLE001 - a feed that dies unheard would hang the replay
            self._inbox.post(Failed(unexpected(error)))
        else:
            self._inbox.post(EndOfInput())

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
                continue
            self.selected += 1
            self._row_ids.expect(row.raw_id or row.data.decode(errors="replace"))
            block.append(b"%b%d%b%b}}" % (ROW_NUMBER, row.number, self._middle, row.data))
            size += len(block[-1])
            if size >= CHUNK_BYTES:
                self._post(block)
                block, size = [], 0
        if block:
            self._post(block)

    def _post(self, block: list[bytes]) -> None:
        self._inbox.wait_for_slot()
        self._inbox.post(Lines(b"\n".join(block)))


class _OnlyWarnings(Output):
    """Passes on what a person should know, once, and keeps the rest of a pipeline's talk to itself."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        super().__init__(BytesIO())
        self._warn = warn
        self._said: set[str] = set()

    def info(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say it, if it is new."""
        if text not in self._said:
            self._said.add(text)
            self._warn(text)
