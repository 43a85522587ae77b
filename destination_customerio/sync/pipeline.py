"""The coordinator: one thread that owns everything but sockets and files.

Rows flow downwards: block of lines → intake → lanes, and rejected rows → dead letters. They come back as events: a
`Delivered` batch, or a file of dead letters that the bucket has stored. Then the ledger decides which states to emit.

Memory is bounded in bytes: while unsettled data exceeds the budget, no further block is processed, so the reader stops,
the pipe fills, and the source waits (back-pressure).
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TYPE_CHECKING, assert_never

from destination_customerio.airbyte.stdin import EndOfInput, InputFailed, Lines
from destination_customerio.dead_letters.uploader import FileUploaded, UploadFailed
from destination_customerio.delivery.attempts import Retrying
from destination_customerio.delivery.batch import Batch, Batcher
from destination_customerio.delivery.endpoint_batcher import EndpointBatcher
from destination_customerio.delivery.lanes import LaneEnded, LaneFailed
from destination_customerio.delivery.partitioner import Barrier, Partitioner
from destination_customerio.delivery.splitting import Delivered
from destination_customerio.errors import ProtocolError, SyncError
from destination_customerio.sync.events import Stop
from destination_customerio.sync.intake import Intake, Made, RejectedRow, SkippedType, SourceCount
from destination_customerio.sync.pipeline_settings import PipelineSettings
from destination_customerio.sync.rejection_limit import too_many_rejected
from destination_customerio.sync.shutdown import Shutdown
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from destination_customerio.dead_letters.spool import DeadLetters
    from destination_customerio.delivery.lanes import Lanes
    from destination_customerio.ledger import Ledger, StreamQueue
    from destination_customerio.sync.events import Event, Inbox
    from destination_customerio.sync.reporter import Reporter
    from destination_customerio.sync.stream_sync import StreamSync


# A queue can't wait for an unlimited time.
_MAX_WAIT_SECONDS = 3_600.0


class Pipeline:
    """Runs one sync from the first line of stdin to the last state on stdout.

    emit_state  acknowledges a STATE line, with the numbers of rows delivered and rejected since the previous one
    """

    def __init__(
        self,
        streams: Sequence[StreamSync],
        ledger: Ledger,
        lanes: Lanes,
        dead_letters: DeadLetters,
        inbox: Inbox,
        emit_state: Callable[[bytes, int, int], None],
        reporter: Reporter,
        clock: Callable[[], float],
        settings: PipelineSettings | None = None,
    ) -> None:
        self._by_queue: dict[StreamQueue, StreamSync] = {sync.queue: sync for sync in streams}
        self._ledger = ledger
        self._lanes = lanes
        self._dead_letters = dead_letters
        self._inbox = inbox
        self._emit_state = emit_state
        self._reporter = reporter
        self._clock = clock
        self._settings = settings or PipelineSettings()

        self._partitioner = Partitioner(lanes.lanes)
        has_members = any(sync.target.is_member for sync in streams)
        self._batcher = (EndpointBatcher if has_members else Batcher)(
            lanes.lanes, self._settings.max_body_bytes, self._settings.max_batch_rows
        )
        self._intake = Intake(streams, ledger, self._batcher, self._partitioner)
        self._shutdown = Shutdown(lanes.lanes, self._settings.stop_seconds, self._settings.failure_seconds)

        self._blocks: deque[bytes] = deque()
        self._now = clock()
        self._in_flight = 0
        self._in_flight_rows = 0
        self._in_flight_weight = 0
        self._dead_letters_opened_at: float | None = None

    def run(self) -> int | None:
        """Work until everything is settled; returns the number of the signal that ended the sync early, if one did.

        Raises:
            SyncError: the sync failed. All states whose rows were settled by then have been emitted.
            OutputClosed: stdout has no reader any more.
        """
        while not self._is_over():
            self.step()
        self._reporter.summarize()
        if self._shutdown.error is not None:
            raise self._shutdown.error
        if self._shutdown.signal_number is None and self._ledger.waiting_states:
            raise ProtocolError(
                f"The input has ended with {counted(self._ledger.waiting_states, 'state')} still waiting for rows. These were not "
                "acknowledged, so Airbyte will send them again. This is a bug in the connector; please report it."
            )
        return self._shutdown.signal_number

    def step(self) -> None:
        """Handle one event, or one block of lines if there is no event; then everything that is due."""
        has_work = bool(self._blocks) and self._has_room()
        event = self._inbox.take(0.0 if has_work else self._seconds_to_next_timer())
        self._now = self._clock()
        if event is not None:
            self._handle(event)
        elif has_work:
            self._process_block()
        self._do_what_is_due()
        self._emit_states()

    # Events

    def _handle(self, event: Event) -> None:
        match event:
            case Lines(block):
                if self._shutdown.accepts_lines:
                    self._blocks.append(block)
            case Delivered():
                self._settle(event)
            case Retrying(reason):
                self._reporter.on_retry(reason)
            case FileUploaded(file):
                self._dead_letters.uploaded(file)
            case LaneEnded(requests):
                self._reporter.on_requests(requests)
                self._shutdown.lane_ended()
            case EndOfInput():
                self._shutdown.end_of_input()
            case InputFailed(error):
                self._shutdown.input_failed(error)
            case LaneFailed(error):
                self._shutdown.delivery_failed(error, self._now)
                self._stop_early()
            case UploadFailed(error):
                self._shutdown.dead_letters_failed(error, self._now)
                self._stop_early()
            case Stop(signal_number):
                self._shutdown.signal(signal_number, self._now)
                self._stop_early()
            case _:
                assert_never(event)

    def _settle(self, done: Delivered) -> None:
        batch = done.batch
        self._partitioner.settled(batch)
        self._in_flight -= 1
        self._in_flight_rows -= len(batch)
        self._in_flight_weight -= batch.weight
        self._reporter.on_requests(done.requests)
        self._reporter.on_delivered_bytes(batch.body_bytes)
        delivered = Counter(batch.epochs)
        for index, found in sorted(done.rejected.items()):
            epoch, line = batch.epochs[index], batch.lines[index]
            delivered[epoch] -= 1
            sync = self._by_queue[epoch.queue]
            rejection = sync.as_in_row(found)
            sync.count_refused(rejection)
            self._keep(RejectedRow(sync, epoch, line, rejection))
        for epoch, rows in delivered.items():
            self._by_queue[epoch.queue].counts.delivered += rows
            self._ledger.settle(epoch, delivered=rows)

    def _stop_early(self) -> None:
        """Drop what was read and not processed; it will be sent again."""
        self._blocks.clear()
        # Batches in flight may take until the deadline; states that wait only for rejected rows need not.
        self._dead_letters.seal()
        if not self._shutdown.sends:
            self._lanes.abort()

    # Rows

    def _process_block(self) -> None:
        lines_before = self._intake.lines_read
        try:
            # The intake's alone, so that it can drop a long one.
            self._pass_on(self._intake.read_block(self._blocks.popleft(), self._now))
            # Rows may have been rejected before the stream had enough rows to judge it by.
            for sync in self._by_queue.values():
                if sync.counts.rejected:
                    self._check_rejected_share(sync)
        except ProtocolError as error:
            self._shutdown.broken_line(error)
            self._stop_early()
        self._reporter.on_lines(self._intake.lines_read - lines_before)
        self._inbox.free_slot()

    def _pass_on(self, made: Iterable[Made]) -> None:
        for item in made:
            match item:
                case Batch():
                    self._send(item)
                case Barrier():
                    self._lanes.hold(item)
                case RejectedRow(sync, _, _, rejection):
                    sync.count_rejected(rejection)
                    self._keep(item)
                case SkippedType(name):
                    self._reporter.on_skipped_type(name)
                case SourceCount(rows):
                    self._reporter.on_source_count(rows)
                case _:
                    assert_never(item)

    def _check_rejected_share(self, sync: StreamSync) -> None:
        if self._shutdown.processes_lines and (
            error := too_many_rejected(sync, self._settings.max_rejected_percent)
        ):
            self._shutdown.too_many_rejected(error)
            self._stop_early()

    def _keep(self, row: RejectedRow) -> None:
        self._check_rejected_share(row.sync)
        try:
            self._dead_letters.add(row.sync.stream, row.line, row.rejection, row.epoch)
        except SyncError as error:
            self._shutdown.dead_letters_failed(error, self._now)
            self._stop_early()

    def _send(self, batch: Batch) -> None:
        # Otherwise its rows never settle, so they will be sent again.
        if self._shutdown.sends:
            self._in_flight += 1
            self._in_flight_rows += len(batch)
            self._in_flight_weight += batch.weight
            self._lanes.send(batch)

    # What becomes due

    def _do_what_is_due(self) -> None:
        is_all_read = not self._shutdown.accepts_lines and not self._blocks
        # No more rows will arrive, or they wait for room that only sending can make.
        is_pressing = is_all_read or not (self._in_flight or self._has_room())
        self._pass_on(
            self._batcher.seal(math.inf if is_pressing else self._now - self._settings.linger_seconds)
        )
        self._dead_letters_opened_at = self._dead_letters.seal(
            self._dead_letter_cutoff(is_pressing=is_pressing)
        )
        if self._now >= self._reporter.due_at:
            self._reporter.report(self._now)

    def _dead_letter_cutoff(self, *, is_pressing: bool) -> float:
        """The clock time up to which opened files of dead letters are handed to the uploader."""
        if is_pressing and not (self._in_flight and self._shutdown.running_lanes):
            return math.inf
        return self._now - self._dead_letter_linger() if self._ledger.waiting_states else -math.inf

    def _dead_letter_linger(self) -> float:
        is_quiet = not self._in_flight and self._batcher.oldest_opened_at() is None
        return self._settings.quiet_seconds if is_quiet else self._settings.dead_letter_linger_seconds

    def _emit_states(self) -> None:
        for state, delivered, rejected in self._ledger.take_ready():
            self._emit_state(state, delivered, rejected)
            self._reporter.on_acknowledged(delivered + rejected)

    def _has_room(self) -> bool:
        weight = self._batcher.weight + self._in_flight_weight + self._ledger.waiting_bytes
        return (
            weight < self._settings.max_weight_bytes
            and self._in_flight_rows < self._settings.max_rows_in_flight
            and not self._dead_letters.backlog.is_full
        )

    def _seconds_to_next_timer(self) -> float:
        due = [self._reporter.due_at, self._shutdown.deadline, self._now + _MAX_WAIT_SECONDS]
        if (opened_at := self._batcher.oldest_opened_at()) is not None:
            due.append(opened_at + self._settings.linger_seconds)
        if self._ledger.waiting_states and self._dead_letters_opened_at is not None:
            due.append(self._dead_letters_opened_at + self._dead_letter_linger())
        # Never zero: a wait may end slightly before the timer is due.
        return max(0.001, min(due) - self._clock())

    def _is_over(self) -> bool:
        if self._blocks:
            return False
        unsettled = self._dead_letters.backlog.rows
        return self._shutdown.is_over(self._clock(), self._in_flight, unsettled)
