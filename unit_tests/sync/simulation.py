"""The real pipeline without threads, sockets or real time: a test decides what happens next, and can inspect everything.

Only the edges are replaced: threads by lanes that deliver a batch when the test says so, sockets by a scripted transport,
the bucket by one that stores a file when the test says so, and time by a clock that idle waiting advances.
"""

from __future__ import annotations

import io
import math
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import orjson

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.airbyte.output import Output
from destination_customerio.airbyte.stdin import EndOfInput, Lines
from destination_customerio.dead_letters.spool import Backlog, CountedDeadLetters
from destination_customerio.dead_letters.uploader import FileUploaded, UploadFailed
from destination_customerio.delivery.attempts import Attempts, DeliveryContext
from destination_customerio.delivery.breaker import CircuitBreaker
from destination_customerio.delivery.concurrency import ConcurrencyLimit
from destination_customerio.delivery.lanes import LaneEnded, LaneFailed
from destination_customerio.delivery.pacer import Pacer
from destination_customerio.delivery.splitting import Delivery
from destination_customerio.delivery.throttle import Throttle
from destination_customerio.errors import Rejection, TransientError
from destination_customerio.ledger import Epoch, Ledger
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.sync.events import Event, Inbox, Stop
from destination_customerio.sync.pipeline import Pipeline
from destination_customerio.sync.pipeline_settings import PipelineSettings
from destination_customerio.sync.reporter import LogReporter
from destination_customerio.sync.stream_sync import StreamSync
from destination_customerio.track_api.verdict import Answer, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from destination_customerio.dead_letters.uploader import SpooledFile
    from destination_customerio.delivery.batch import Batch
    from destination_customerio.delivery.partitioner import Barrier

STREAMS = ("users", "orders")


class Clock:
    """A clock that advances only when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class IdleInbox(Inbox):
    """An inbox in which waiting for an event advances the clock instead of taking time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.time_passes = True
        self.taken = 0
        self.free_slots = 0

    def free_slot(self) -> None:
        """See `Inbox`."""
        self.free_slots += 1

    def take(self, timeout_seconds: float) -> Event | None:
        """See `Inbox`."""
        self.taken += 1
        event = super().take(0.0)
        if event is None and self.time_passes:
            self._clock.now += max(timeout_seconds, 0.0)
        return event


class SteppedLanes:
    """Lanes that deliver their oldest batch when the test says so, with the real `Delivery` over a scripted transport."""

    def __init__(self, lanes: int, inbox: Inbox) -> None:
        self.lanes = lanes
        self.queues: list[deque[Batch]] = [deque() for _ in range(lanes)]
        self.applied: list[int] = []
        self.largest_body = 0
        self.aborted = False
        self._inbox = inbox
        # A separate clock: the lanes' waits must not advance the coordinator's clock.
        self._clock = Clock()
        self._context = DeliveryContext(
            throttle=Throttle(self._clock),
            pacer=Pacer(math.inf, self._clock),
            breaker=CircuitBreaker(),
            concurrency=ConcurrencyLimit(lanes),
            retry_timeout_seconds=math.inf,
            clock=self._clock,
            wall_clock=self._clock,
            wait=self._wait,
            rng=random.Random(1),  # noqa: S311 - waits take no time here
            report=inbox.post,
        )

    def send(self, batch: Batch) -> None:
        """See `Lanes`."""
        assert not self.aborted, "a batch was sent after the sync was aborted"
        self.queues[batch.lane].append(batch)

    def hold(self, barrier: Barrier) -> None:
        """Fail: no row of these streams joins two keys."""
        raise AssertionError(barrier)

    def abort(self) -> None:
        """See `Lanes`."""
        self.aborted = True

    def busy(self) -> list[int]:
        """The lanes that have a batch in flight."""
        return [number for number, batches in enumerate(self.queues) if batches]

    def finish(self, lane: int, refused: Sequence[int] = (), faults: Sequence[str] = ()) -> None:
        """Let a lane deliver its oldest batch with the real `Delivery`.

        refused  the indexes of rows that the server rejects
        faults   what happens to the next requests, before requests succeed: "503", "429", "lost" (applied, but the
                 answer is lost) or "refused" (the request as a whole, unless it has one row)
        """
        batch = self.queues[lane].popleft()
        assert len(batch.body_of(range(len(batch)))) == batch.body_bytes
        transport = _SteppedTransport(
            self,
            {_rows(batch.body_of(range(len(batch))))[index] for index in refused if index < len(batch)},
            list(faults),
        )
        self._inbox.post(Delivery(Attempts(transport, self._context)).deliver(batch))

    def _wait(self, seconds: float) -> bool:
        self._clock.now += seconds
        return False

    def apply(self, rows: Sequence[int], body: bytes) -> None:
        """Apply rows as the server does, which ignores those that it has already applied."""
        for row in rows:
            if row not in self.applied:
                self.applied.append(row)
        self.largest_body = max(self.largest_body, len(body))

    def end(self) -> None:
        """End all lanes after an abort; their unfinished batches are not reported."""
        for _ in range(self.lanes):
            self._inbox.post(LaneEnded())


@dataclass
class _SteppedTransport:
    """One lane's connection to the server, with the faults that the test has chosen."""

    lanes: SteppedLanes
    rejected: set[int]
    faults: list[str]

    def post_batch(self, body: bytes, path: str) -> Answer | NoAnswer:  # noqa: ARG002 - always the same
        """Answer one request."""
        rows = _rows(body)
        accepted = [row for row in rows if row not in self.rejected]
        match self.faults.pop(0) if self.faults else "none":
            case "503":
                return Answer(503, b"")
            case "429":
                return Answer(429, b"")
            case "lost":
                self.lanes.apply(accepted, body)
                return NoAnswer("no answer in time")
            case "refused" if len(rows) > 1:
                return Answer(400, b"")
        self.lanes.apply(accepted, body)
        errors = [{"batch_index": index} for index, row in enumerate(rows) if row in self.rejected]
        return Answer(207, orjson.dumps({"errors": errors})) if errors else Answer(200, b"{}")

    def close(self) -> None:
        """Do nothing; there is no connection."""


def _rows(body: bytes) -> list[int]:
    """The numbers of the rows in a request."""
    return [entry["attributes"]["row"] for entry in orjson.loads(body)["batch"]]


def _row_of(line: bytes) -> int:
    """The number of the row in a RECORD."""
    number: int = orjson.loads(line)["record"]["data"]["row"]
    return number


@dataclass(eq=False)
class _LetterFile:
    opened_at: float
    rows: list[tuple[int, Epoch]] = field(default_factory=list)


class NoBucket(CountedDeadLetters):
    """The real dead letters of a sync without a bucket, which settle a row by counting it; the rows are recorded."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger.settle_rejected)
        self.kept: set[int] = set()

    def add(self, stream: Stream, line: bytes, rejection: Rejection, epoch: Epoch) -> None:
        """See `DeadLetters`."""
        self.kept.add(_row_of(line))
        super().add(stream, line, rejection, epoch)


class SteppedBucket:
    """Dead letters in one open file at a time, stored when the test says so."""

    max_sealed = math.inf
    disk_is_full = False
    loses_rows = False

    def __init__(self, ledger: Ledger, inbox: Inbox, clock: Clock) -> None:
        self.sealed: deque[_LetterFile] = deque()
        self.kept: set[int] = set()
        self._open: _LetterFile | None = None
        self._ledger = ledger
        self._inbox = inbox
        self._clock = clock

    @property
    def backlog(self) -> Backlog:
        """See `DeadLetters`."""
        files = [*self.sealed, *([self._open] if self._open else [])]
        return Backlog(sum(len(file.rows) for file in files), is_full=len(self.sealed) > self.max_sealed)

    def add(self, stream: Stream, line: bytes, rejection: Rejection, epoch: Epoch) -> None:  # noqa: ARG002
        """See `DeadLetters`."""
        if self.disk_is_full:
            raise TransientError("the disk is full")
        if self.loses_rows:
            return
        if self._open is None:
            self._open = _LetterFile(self._clock())
        self._open.rows.append((_row_of(line), epoch))

    def uploaded(self, file: SpooledFile) -> None:
        """See `DeadLetters`."""
        stored = cast("_LetterFile", file)
        assert stored is self.sealed.popleft()
        self.kept |= {row for row, _ in stored.rows}
        for epoch, rows in Counter(epoch for _, epoch in stored.rows).items():
            self._ledger.settle(epoch, rejected=rows)

    def seal(self, opened_before: float = math.inf) -> float | None:
        """See `DeadLetters`."""
        if self._open and self._open.opened_at <= opened_before:
            self.sealed.append(self._open)
            self._open = None
        return self._open.opened_at if self._open else None

    def store(self, number: int = 0) -> None:
        """Report that the bucket has stored a sealed file."""
        self._inbox.post(FileUploaded(cast("Any", self.sealed[number])))


class Simulation:
    """One sync, with a naive model of its input.

    rows    (stream, person, is_good) of each row, by its number
    states  for each state: the number of rows before it, and its stream, or None for all streams
    """

    def __init__(
        self,
        lanes: int = 3,
        settings: PipelineSettings | None = None,
        *,
        with_bucket: bool = True,
        targets: tuple[str, str] = ("person_identify", "person_event"),
        stdout: BinaryIO | None = None,
    ) -> None:
        self.clock = Clock()
        self.inbox = IdleInbox(self.clock)
        self.ledger = Ledger()
        self.lanes = SteppedLanes(lanes, self.inbox)
        self.bucket = SteppedBucket(self.ledger, self.inbox, self.clock)
        self._dead_letters = self.bucket if with_bucket else NoBucket(self.ledger)
        self.stdout = stdout or io.BytesIO()
        self.settings = settings or PipelineSettings(max_body_bytes=400)
        assembly = AssemblySettings(
            identifier_kind=IDENTIFIER_KINDS["email"],
            event_id_strategy="retry_safe",
            convert_timestamps=False,
            fresh_id=FreshIds(),
        )
        streams = [
            StreamSync(Stream(name), DESTINATION_OBJECTS[target], assembly)
            for name, target in zip(STREAMS, targets, strict=True)
        ]
        output = Output(self.stdout)
        self.pipeline = Pipeline(
            streams,
            self.ledger,
            self.lanes,
            self._dead_letters,
            self.inbox,
            output.write_state,
            LogReporter(streams, output, self.clock()),
            self.clock,
            self.settings,
        )
        self.rows: list[tuple[str, str, bool]] = []
        self.states: list[tuple[int, str | None]] = []
        self.lines = 0
        self._seen = 0

    # Events

    def row(self, stream: str, person: str, *, is_good: bool = True) -> None:
        """Post one row."""
        data = {
            "person_email": f"{person}@example.com" if is_good else None,
            "event_name": "e",
            "row": len(self.rows),
        }
        self.rows.append((stream, person, is_good))
        self.line({"type": "RECORD", "record": {"stream": stream, "emitted_at": 1, "data": data}})

    def state(self, stream: str | None) -> None:
        """Post a state of one stream or of all streams."""
        number = len(self.states)
        self.states.append((len(self.rows), stream))
        content: dict[str, Any] = {"type": "GLOBAL", "id": number}
        if stream is not None:
            content = {"type": "STREAM", "id": number, "stream": {"stream_descriptor": {"name": stream}}}
        self.line({"type": "STATE", "state": content})

    def line(self, message: dict[str, Any]) -> None:
        """Post one line as a block of its own."""
        self.lines += 1
        self.inbox.post(Lines(orjson.dumps(message)))

    def end_of_input(self) -> None:
        """Post the end of stdin."""
        self.inbox.post(EndOfInput())

    def stop(self) -> None:
        """Post a SIGTERM."""
        self.inbox.post(Stop(15))

    def fail(self, message: str = "the server is gone") -> None:
        """Post the failure of a lane."""
        self.inbox.post(LaneFailed(TransientError(message)))

    def fail_upload(self) -> None:
        """Post the failure of an upload, after which no more files are stored."""
        self.inbox.post(UploadFailed(TransientError("the bucket is gone")))

    def work(self, steps: int = 1) -> None:
        """Let the coordinator take this number of steps."""
        for _ in range(steps):
            self.pipeline.step()

    def catch_up(self) -> None:
        """Let the coordinator handle everything that has been posted, without advancing the clock."""
        self.inbox.time_passes = False
        self.work(2 * (len(self.rows) + len(self.states)) + 5)
        self.inbox.time_passes = True

    # Results

    @property
    def kept(self) -> set[int]:
        """The rejected rows that are in the bucket, or that were counted if there is none."""
        return self._dead_letters.kept

    @property
    def acknowledged(self) -> list[dict[str, Any]]:
        """The states on stdout, in order."""
        return [message["state"] for message in self._messages() if message["type"] == "STATE"]

    @property
    def logged(self) -> list[str]:
        """The log lines on stdout."""
        return [message["log"]["message"] for message in self._messages() if message["type"] == "LOG"]

    def _messages(self) -> list[dict[str, Any]]:
        assert isinstance(self.stdout, io.BytesIO)
        return [orjson.loads(line) for line in self.stdout.getvalue().splitlines()]

    def check(self) -> None:
        """Assert the invariants that hold after every step."""
        states = self.acknowledged
        for state in states[self._seen :]:
            self._check_state(state, [earlier["id"] for earlier in states[: states.index(state)]])
        self._seen = len(states)
        assert self.lanes.largest_body <= self.settings.max_body_bytes
        in_flight = sum(batch.weight for batches in self.lanes.queues for batch in batches)
        # The block that fills the budget may exceed it by its own row or state.
        assert self.pipeline._batcher.weight + in_flight <= self.settings.max_weight_bytes + 1_000
        assert len(self.lanes.applied) == len(set(self.lanes.applied)), "a row was sent twice"
        for person in {person for _, person, _ in self.rows}:
            own = [row for row in self.lanes.applied if self.rows[row][1] == person]
            assert own == sorted(own), "rows of one person were sent out of order"

    def _check_state(self, state: dict[str, Any], earlier: list[int]) -> None:
        number = state["id"]
        before, stream = self.states[number]
        concerned = [row for row in range(before) if stream in (None, self.rows[row][0])]
        settled = set(self.lanes.applied) | self.kept
        assert settled.issuperset(concerned), "a state was acknowledged before its rows"
        assert set(self.lanes.applied).isdisjoint(self.kept), "a row was both sent and kept"
        of_the_same = [other for other in earlier if self.states[other][1] == stream]
        assert of_the_same == sorted(of_the_same), "states were emitted out of order"
        previous = [other for other, (_, of) in enumerate(self.states[:number]) if of == stream]
        assert of_the_same == previous, "a state was left out"
        if all(of == stream for _, of in self.states[:number]):
            # Counts are since the previous state of this kind; if kinds are mixed, the counts are split between them.
            since = self.states[previous[-1]][0] if previous else 0
            rows = [row for row in concerned if row >= since]
            kept = len(self.kept.intersection(rows))
            assert state["destinationStats"] == {
                "recordCount": float(len(rows) - kept),
                "rejectedRecordCount": float(kept),
            }
