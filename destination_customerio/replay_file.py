"""Sends the rows of one file through a pipeline of their own, and says which of them were rejected again.

The pipeline is that of a sync: the same routes, checks, lanes, retries. Three of its parts are different here:

- Its input is made of the file, not read from stdin. A row becomes the RECORD message that it once was, with its place
  in the file in front.
- Its dead letters (`ReturnedRows`) are the reasons of rows that are rejected again, by their place.
- Events whose row brings no id get one made of the row's `_airbyte_raw_id`, which stays the same however often the row
  is replayed. The pipeline assembles rows one by one, in the order in which they were posted, and asks its ledger for a
  ticket before each: so `_RowLedger` knows when the next row's turn has come.
"""

from __future__ import annotations

import json
import math
import threading
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import IO, TYPE_CHECKING

from destination_customerio.batcher import Batcher
from destination_customerio.dead_letter_format import json_string
from destination_customerio.dead_letter_reader import read_rows
from destination_customerio.errors import Rejection, TransientError, unexpected
from destination_customerio.event_ids import from_column
from destination_customerio.inbox import CHUNK_BYTES, EndOfInput, Failed, Inbox, Lines, Stop
from destination_customerio.ledger import Ledger
from destination_customerio.output import Output
from destination_customerio.pipeline import Pipeline
from destination_customerio.redaction import countable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from destination_customerio.catalog import Stream
    from destination_customerio.dead_letter import StoredFile
    from destination_customerio.dead_letter_reader import Layout, RejectedRow
    from destination_customerio.dead_letter_upload import FileUploaded
    from destination_customerio.ledger import Epoch, Track
    from destination_customerio.sender import Lanes
    from destination_customerio.streams import StreamSync

_HEAD = b'{"row":'
_MAX_KINDS = 200


class RowIds:
    """Ids for events without one: each is made of the raw id of the row whose turn it is."""

    def __init__(self) -> None:
        self._coming: deque[str] = deque()
        self._current = ""

    def __call__(self) -> str:
        """The id for the row whose turn it is; the same one however often it is asked for."""
        return from_column(self._current, "")

    def expect(self, raw_id: str) -> None:
        """One more row is about to be posted."""
        self._coming.append(raw_id)

    def next_row(self) -> None:
        """The next row's turn has come."""
        self._current = self._coming.popleft()

    def forget(self) -> None:
        """The pipeline has ended; no row is awaited any more."""
        self._coming.clear()


class ReturnedRows:
    """The reasons of rows that are rejected again; a `DeadLetters` that keeps no rows, as they lie in the file.

    Reasons lie in a temporary file, so that memory holds eight bytes for each row.

    kinds  how many rows, by reason and field as they may be shown
    """

    pending = 0
    is_full = False
    stored: Sequence[StoredFile] = ()

    def __init__(self, settle: Callable[[Epoch, int], None], spool: IO[bytes]) -> None:
        self._settle = settle
        self._spool = spool
        self._starts = array("q")  # by the row's number; 0 for rows that were not rejected
        self.kinds: Counter[tuple[str, str]] = Counter()
        spool.write(b"\n")

    def add(self, stream: Stream, line: bytes, rejection: Rejection, epoch: Epoch) -> None:
        """See `DeadLetters`."""
        del stream
        number = int(line[len(_HEAD) : line.index(b",")])
        while len(self._starts) <= number:
            self._starts.append(0)
        try:
            self._starts[number] = self._spool.seek(0, 2)
            self._spool.write(
                json.dumps([rejection.reason, rejection.field, rejection.message]).encode() + b"\n"
            )
        except OSError:
            raise TransientError(
                "This machine has no room for the reasons of rows that were rejected again, so the replay stops. No "
                "file is changed. Give it more disk space for temporary files, then run the replay again."
            ) from None
        kind = countable(rejection, line)
        self.kinds[kind if kind in self.kinds or len(self.kinds) < _MAX_KINDS else ("other", "")] += 1
        self._settle(epoch, 1)

    def reason_of(self, number: int) -> Rejection | None:
        """Why the row at a place in the file was rejected again; None when it was not."""
        start = self._starts[number] if number < len(self._starts) else 0
        if not start:
            return None
        self._spool.seek(start)
        return Rejection(*json.loads(self._spool.readline()))

    def handle(self, event: FileUploaded) -> None:
        """See `DeadLetters`; there are no files."""

    def seal(self, opened_before: float = math.inf) -> None:
        """See `DeadLetters`; there are no files."""

    def oldest_opened_at(self) -> float | None:
        """See `DeadLetters`; there are no files."""
        return None

    def close(self) -> None:
        """See `DeadLetters`; the reasons are still needed."""


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
    warn        takes lines on what is odd about the rows
    on_rows     is told how many further rows were read
    stopping    the signal that asked for the end, if one did
    """

    def __init__(
        self,
        row_ids: RowIds,
        make_lanes: Callable[[Inbox], Lanes],
        warn: Callable[[str], None],
        on_rows: Callable[[int], None],
    ) -> None:
        self._row_ids = row_ids
        self._make_lanes = make_lanes
        self._output = _OnlyWarnings(warn)
        self._on_rows = on_rows
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
        inbox = self._inbox = Inbox()
        if self.stopping:  # the signal came before this inbox
            inbox.post(self.stopping)
        ledger = _RowLedger(self._row_ids)
        lanes = self._make_lanes(inbox)
        returned = ReturnedRows(partial(_settle_rejected, ledger), spool)
        pipeline = Pipeline(
            [sync], ledger, Batcher(lanes.lanes), lanes, returned, inbox, self._output, time.monotonic
        )
        feed = _Feed(layout, sync.stream, take, self._row_ids, inbox, self._on_rows)
        feed.start()
        try:
            stopped_by = pipeline.run()
        finally:
            feed.stop()
            self._row_ids.forget()
        return FileResult(returned, feed.selected, feed.unreadable, stopped_by)


class _RowLedger(Ledger):
    """Gives the next row its turn when it is counted in, which is before it is assembled."""

    def __init__(self, row_ids: RowIds) -> None:
        super().__init__()
        self._row_ids = row_ids

    def add_record(self, track: Track) -> Epoch:
        self._row_ids.next_row()
        return super().add_record(track)


class _Feed:
    """Posts the rows of a file as blocks of RECORD messages, in a thread of its own."""

    def __init__(
        self,
        layout: Layout,
        stream: Stream,
        take: Callable[[RejectedRow], bool],
        row_ids: RowIds,
        inbox: Inbox,
        on_rows: Callable[[int], None],
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
        self._on_rows = on_rows
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
            block.append(b"%b%d%b%b}}" % (_HEAD, row.number, self._middle, row.data))
            size += len(block[-1])
            if size >= CHUNK_BYTES:
                self._post(block)
                block, size = [], 0
        if block:
            self._post(block)

    def _post(self, block: list[bytes]) -> None:
        self._inbox.wait_for_slot()
        self._inbox.post(Lines(b"\n".join(block)))
        self._on_rows(len(block))


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


def _settle_rejected(ledger: Ledger, epoch: Epoch, rows: int) -> None:
    ledger.settle(epoch, rejected=rows)
