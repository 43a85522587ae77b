"""The coordinator: one thread that owns everything but sockets and files.

A row flows: block of lines → message → its stream's assembler → its person's lane → open batch → sender, and comes back
as part of a `Delivered` batch, or as a dead letter that has become durable; then the ledger says which states go out.

Memory is bounded by bytes: while what was read and is not settled weighs more than the budget, no further block is
taken, so the reader stops, the pipe fills, and the source waits.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from destination_customerio.airbyte.stdin import EndOfInput, Failed, LaneEnded, Lines, Stop
from destination_customerio.dead_letters.uploader import FileUploaded, UploadFailed
from destination_customerio.delivery.attempts import Delivered, Retrying
from destination_customerio.delivery.partitioner import HashedPlacement, JoiningPlacement
from destination_customerio.errors import ProtocolError, Rejection, SyncError
from destination_customerio.sync.intake import Intake
from destination_customerio.sync.log_lines import RequestCounts
from destination_customerio.sync.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from destination_customerio.airbyte.output import Output
    from destination_customerio.airbyte.stdin import Inbox
    from destination_customerio.dead_letters.spool import DeadLetters
    from destination_customerio.delivery.batch import Batch, Batcher
    from destination_customerio.delivery.lanes import Lanes
    from destination_customerio.delivery.partitioner import Placement
    from destination_customerio.ledger import Epoch, Ledger, Track
    from destination_customerio.sync.stream_sync import StreamSync


# What Python itself needs to remember a state that waits, beside its bytes: its epoch and its place in the ledger.
_STATE_OVERHEAD_BYTES = 300


@dataclass(frozen=True, slots=True)
class Limits:
    """The coordinator's own limits.

    max_weight_bytes           what may be read and not settled, with Python's overhead
    linger_seconds             how long a batch stays open for more rows
    dead_letter_linger_seconds how long a file of dead letters stays open while states wait
    quiet_seconds              the same when nothing else holds the states back
    progress_seconds           how often the sync says how it gets on
    stop_seconds               how long a signal to stop leaves for what is under way; Airbyte kills after ten
    failure_seconds            how long other lanes may still finish after one has failed
    """

    max_weight_bytes: int = 48 << 20
    linger_seconds: float = 5.0
    dead_letter_linger_seconds: float = 10.0
    quiet_seconds: float = 2.0
    progress_seconds: float = 30.0
    stop_seconds: float = 8.0
    failure_seconds: float = 20.0


class Pipeline:
    """Runs one sync from the first line of stdin to the last state on stdout.

    delivered_word  what the log calls rows that the sender has taken
    on_end          called when the run ends, whatever ended it
    """

    def __init__(
        self,
        streams: Sequence[StreamSync],
        ledger: Ledger,
        batcher: Batcher,
        sender: Lanes,
        dead_letters: DeadLetters,
        inbox: Inbox,
        output: Output,
        clock: Callable[[], float],
        limits: Limits | None = None,
        delivered_word: str = "delivered",
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._by_track: dict[Track, StreamSync] = {sync.track: sync for sync in streams}
        self._ledger = ledger
        self._batcher = batcher
        self._sender = sender
        self._dead_letters = dead_letters
        self._inbox = inbox
        self._output = output
        self._clock = clock
        self._limits = limits or Limits()
        self._on_end = on_end
        self._oldest_dead_letters_opened_at: float | None = None

        self._placement: Placement = (
            JoiningPlacement(sender.lanes, self._fence)
            if any(sync.target.joins_two for sync in streams)
            else HashedPlacement(sender.lanes)
        )
        self._intake = Intake(streams, ledger, batcher, self._placement, self._send, self._reject)

        self._blocks: deque[bytes] = deque()
        self._now = clock()
        self._in_flight = 0
        self._in_flight_weight = 0
        self._state_bytes_emitted = 0
        self._requests = RequestCounts()

        self._reading = True
        self._gave_up = False
        self._dead_letters_failed = False
        self._running_lanes = sender.lanes
        self._deadline = float("inf")
        self._error: SyncError | None = None
        self._stopped_by: int | None = None

        self._progress = Progress(
            streams, self._requests, output, self._limits.progress_seconds, self._now, delivered_word
        )

    def run(self) -> int | None:
        """Work until all is settled; returns the number of the signal that ended the sync early, if one did.

        Raises:
            SyncError: the sync failed. All states that were true by then are out.
            OutputClosed: nobody reads the states any more.
        """
        try:
            while not self._is_done():
                self.step()
        finally:
            # Whatever ended it, a deadline or a reader that is gone included: nothing more may be sent.
            self._sender.give_up()
            self._on_end()
        self._progress.summarize()
        if self._error is not None:
            raise self._error
        if self._stopped_by is None and self._ledger.waiting_states:
            raise ProtocolError(
                f"The input is at its end, and {self._ledger.waiting_states} states still wait for rows. They were not "
                "acknowledged, so Airbyte sends those rows again. This is a fault of the connector; please report it."
            )
        return self._stopped_by

    def step(self) -> None:
        """Handle one event, or one block of lines when there is no event; then whatever has become due."""
        has_work = bool(self._blocks) and self._has_room()
        event = self._inbox.take(0.0 if has_work else self._seconds_to_next_timer())
        self._now = self._clock()
        if event is not None:
            self._handle(event)
        elif has_work:
            self._read_block(self._blocks.popleft())
        self._do_what_is_due()
        self._emit_states()

    # Events

    def _handle(self, event: object) -> None:
        match event:
            case Lines(block) if self._reading:
                self._blocks.append(block)
            case Delivered():
                self._settle(event)
            case Retrying(reason):
                self._requests.retries[reason] += 1
            case FileUploaded(file):
                self._dead_letters.uploaded(file)
            case UploadFailed(error):
                self._fail_dead_letters(error)
            case EndOfInput():
                self._reading = False
            case LaneEnded():
                self._running_lanes -= 1
            case Failed(error):
                self._fail(error)
            case Stop(signal_number):
                self._stop(signal_number)

    def _settle(self, done: Delivered) -> None:
        batch = done.batch
        self._placement.settled(batch)
        self._in_flight -= 1
        self._in_flight_weight -= batch.weight
        self._requests.requests += done.requests
        delivered = Counter(batch.epochs)
        for index, rejection in sorted(done.rejected.items()):
            epoch = batch.epochs[index]
            delivered[epoch] -= 1
            sync, line = self._by_track[epoch.track], batch.lines[index]
            sync.count_refused(rejection, line)
            self._keep(sync, epoch, line, rejection)
        for epoch, rows in delivered.items():
            self._by_track[epoch.track].counts.delivered += rows
            self._ledger.settle(epoch, delivered=rows)

    def _stop(self, signal_number: int) -> None:
        if self._stopped_by is not None:
            return
        self._stopped_by = signal_number
        self._deadline = min(self._deadline, self._now + self._limits.stop_seconds)
        self._stop_reading()

    def _fail(self, error: SyncError) -> None:
        """The sync can't go on: nothing new is sent, but what is under way may still become true."""
        self._error = self._error or error
        self._stop_reading()
        if not self._gave_up:
            self._gave_up = True
            self._sender.give_up()
            self._deadline = min(self._deadline, self._now + self._limits.failure_seconds)

    def _fail_dead_letters(self, error: SyncError) -> None:
        """Rejected rows can't be kept any more, so they will never be settled."""
        self._dead_letters_failed = True
        self._fail(error)

    def _stop_reading(self) -> None:
        self._reading = False
        self._blocks.clear()
        # What is under way may take until the deadline; states that wait for rejected rows alone need not.
        self._dead_letters.seal()

    # Rows

    def _read_block(self, block: bytes) -> None:
        try:
            self._intake.read_block(block, self._now)
        except ProtocolError as error:
            self._error = self._error or error
            self._stop_reading()
        self._inbox.free_slot()

    def _reject(self, sync: StreamSync, epoch: Epoch, line: bytes, rejection: Rejection) -> None:
        sync.count_rejected(rejection)
        self._keep(sync, epoch, line, rejection)

    def _keep(self, sync: StreamSync, epoch: Epoch, line: bytes, rejection: Rejection) -> None:
        try:
            self._dead_letters.add(sync.stream, line, rejection, epoch)
        except SyncError as error:
            self._fail_dead_letters(error)

    def _fence(self, lane: int, awaited: int) -> None:
        """Hold a lane's future back until another lane has finished what it has."""
        for number in (lane, awaited):
            if batch := self._batcher.seal_lane(number):
                self._send(batch)
        self._sender.fence(lane, awaited)

    def _send(self, batch: Batch) -> None:
        if self._gave_up:
            # Its rows are never settled, so they come again.
            return
        self._in_flight += 1
        self._in_flight_weight += batch.weight
        self._sender.send(batch)

    # What becomes due

    def _do_what_is_due(self) -> None:
        is_all_read = not self._reading and not self._blocks
        if is_all_read or not (self._in_flight or self._has_room()):
            # No more rows will come; or they wait for room, and room comes only from what is sent.
            self._send_open_batches()
            if not self._in_flight or not self._running_lanes:
                self._dead_letters.seal()
        else:
            self._send_open_batches(self._now - self._limits.linger_seconds)
        if self._ledger.waiting_states:
            self._oldest_dead_letters_opened_at = self._dead_letters.seal(
                self._now - self._dead_letter_linger()
            )
        if self._now >= self._progress.due_at:
            self._progress.say(self._now)

    def _send_open_batches(self, opened_before: float = float("inf")) -> None:
        for batch in self._batcher.seal(opened_before):
            self._send(batch)

    def _dead_letter_linger(self) -> float:
        quiet = not self._in_flight and self._batcher.oldest_opened_at() is None
        return self._limits.quiet_seconds if quiet else self._limits.dead_letter_linger_seconds

    def _emit_states(self) -> None:
        for state, delivered, rejected in self._ledger.take_ready():
            self._state_bytes_emitted += len(state)
            self._output.write_state(state, delivered, rejected)

    def _has_room(self) -> bool:
        waiting_state_bytes = self._intake.state_bytes_read - self._state_bytes_emitted
        overhead = self._ledger.waiting_states * _STATE_OVERHEAD_BYTES
        weight = self._batcher.weight + self._in_flight_weight + waiting_state_bytes + overhead
        return weight < self._limits.max_weight_bytes and not self._dead_letters.backlog.is_full

    def _seconds_to_next_timer(self) -> float:
        due = [self._progress.due_at, self._deadline]
        if (opened_at := self._batcher.oldest_opened_at()) is not None:
            due.append(opened_at + self._limits.linger_seconds)
        if self._ledger.waiting_states and (opened_at := self._oldest_dead_letters_opened_at) is not None:
            due.append(opened_at + self._dead_letter_linger())
        # Never zero: the clock may be a hair short of the time that is waited for.
        return max(0.001, min(due) - self._clock())

    def _is_done(self) -> bool:
        if self._reading or self._blocks:
            return False
        if self._clock() >= self._deadline:
            return True
        sent = not self._running_lanes if self._gave_up else not self._in_flight
        return sent and (self._dead_letters_failed or not self._dead_letters.backlog.rows)
