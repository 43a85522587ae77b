"""The first rows of each stream beside what becomes of them, and where its columns go.

A `SamplingAssembler` takes the place of a stream's assembler in a dry run: it passes every row on to the real one, and
keeps what came out for the first few. So a sample is what a sync would send, not a second idea of it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, assert_never

from destination_customerio.dead_letters.kinds import Kind, kind_of, masked_example
from destination_customerio.dead_letters.row_format import RecordParts
from destination_customerio.dead_letters.spool import Backlog, CountedDeadLetters
from destination_customerio.exact_json.codec import JsonObject, as_object, parse
from destination_customerio.mapping.airbyte_columns import Skipped
from destination_customerio.mapping.column_uses import ColumnUse, SameNames, column_uses
from destination_customerio.mapping.endpoints import SegmentMember, Several
from destination_customerio.sync.rejection_limit import too_many_rejected
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.dead_letters.uploader import SpooledFile
    from destination_customerio.errors import Rejection
    from destination_customerio.ledger import Epoch
    from destination_customerio.mapping.assembler import Assembled
    from destination_customerio.mapping.notices import Notice
    from destination_customerio.sync.stream_sync import RowAssembler, StreamSync

# So many rows of a stream say where its columns go; a column that is in none of them is not listed, nor is any beyond
# a limit.
_EXPLAINED_ROWS = 100
_MAX_COLUMNS = 1_000
# A longer row is not shown: parsed, it could take forty times its memory.
_MAX_SHOWN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SentRow:
    """A row, the first of the entries that it becomes, how many there are, and where its columns go."""

    row: JsonObject
    entry: JsonObject
    entries: int
    uses: tuple[ColumnUse, ...]


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that is not sent although nothing is wrong with it."""

    row: JsonObject
    reason: str


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that can't be sent; `row` is None if it is nested too deeply to be read."""

    row: JsonObject | None
    rejection: Rejection


SampledRow: TypeAlias = SentRow | SkippedRow | RejectedRow


@dataclass(slots=True)
class StreamSamples:
    """What a dry run keeps of one stream. Not thread-safe; owned by the coordinator thread.

    size      how many rows of each outcome to keep
    rows      the first of each outcome, in the order they were read
    uses      how many of the first hundred rows used a column this way
    rejected  the rejected rows, by reason and column
    notices   what the log warns of

    max_rejected_percent  the largest share of rejected rows with which a sync continues
    """

    size: int
    sync: StreamSync
    max_rejected_percent: float = 100.0
    rows: list[SampledRow] = field(default_factory=list)
    uses: Counter[ColumnUse] = field(default_factory=Counter)
    rejected: dict[tuple[str, str], Kind] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    _explained: int = 0
    _stops_after: int | None = None
    _kept: Counter[type] = field(default_factory=Counter)

    def sent(self, line: bytes, entry: bytes | Several | SegmentMember) -> None:
        """A row would be sent as this entry, or these."""
        is_kept = self._kept[SentRow] < self.size
        if not is_kept and self._explained >= _EXPLAINED_ROWS:
            return
        row, (made, entries) = _row_of(line), _entries_of(entry)
        if row is None:
            return
        names = self.sync.rename or SameNames()
        uses = tuple(column_uses(row, made, self.sync.target, self.sync.identification, names))
        self._explained += 1
        # Of columns that are listed, every row counts.
        for use in uses:
            if use in self.uses or len(self.uses) < _MAX_COLUMNS:
                self.uses[use] += 1
        if is_kept:
            self._keep(SentRow(row, made, entries, uses))

    def skipped(self, line: bytes, reason: str) -> None:
        """A row would be skipped."""
        if self._kept[SkippedRow] < self.size and (row := _row_of(line)) is not None:
            self._keep(SkippedRow(row, reason))

    def reject(self, line: bytes, rejection: Rejection) -> None:
        """A row would be rejected."""
        if self._kept[RejectedRow] < self.size:
            self._keep(RejectedRow(_row_of(line), rejection))
        self._judge_share()
        kind = kind_of(self.rejected, rejection.reason, self.sync.columns.shown(rejection.field))
        parts = RecordParts.of(line)
        kind.add(_milliseconds(parts.emitted_at), lambda: masked_example(parts.data, rejection.field))

    def stop_line(self) -> str | None:
        """That the sync would stop because of its rejected rows; None if it wouldn't."""
        self._judge_share()
        if self._stops_after is None:
            return None
        return (
            f"Stream {self.sync.stream}: a sync would stop after {counted(self._stops_after, 'row')}, as more than the "
            f"{self.max_rejected_percent:g} percent that max_rejected_percent allows are rejected. Fix the rows or the "
            "mapping, or raise max_rejected_percent."
        )

    def _judge_share(self) -> None:
        if self._stops_after is None and too_many_rejected(self.sync, self.max_rejected_percent):
            self._stops_after = self.sync.counts.read

    def _keep(self, row: SampledRow) -> None:
        self._kept[type(row)] += 1
        self.rows.append(row)


class SamplingAssembler:
    """An assembler that keeps samples of what it makes."""

    def __init__(self, assembler: RowAssembler, samples: StreamSamples) -> None:
        self._assembler = assembler
        self._samples = samples

    def assemble(self, data: JsonObject, line: bytes) -> Assembled | Skipped:
        """See `Assembler.assemble`. Rejected rows are kept where all of them pass, by `SamplingDeadLetters`."""
        outcome = self._assembler.assemble(data, line)
        if isinstance(outcome, Skipped):
            self._samples.skipped(line, outcome.reason)
        else:
            _, entry = outcome
            self._samples.sent(line, entry)
        return outcome

    def take_notices(self) -> list[Notice]:
        """See `Assembler.take_notices`."""
        return self._kept(self._assembler.take_notices())

    def take_closing_notices(self) -> list[Notice]:
        """See `Assembler.take_closing_notices`."""
        return self._kept(self._assembler.take_closing_notices())

    def _kept(self, notices: list[Notice]) -> list[Notice]:
        self._samples.notices += notices
        return notices


class SamplingDeadLetters:
    """Dead letters that are counted, settled, and kept as samples."""

    backlog = Backlog(0, is_full=False)

    def __init__(
        self, samples: Mapping[Stream, StreamSamples], on_durable: Callable[[Epoch, int], None]
    ) -> None:
        self._samples = samples
        self._counted = CountedDeadLetters(on_durable)

    def add(self, stream: Stream, line: bytes, rejection: Rejection, epoch: Epoch) -> None:
        """See `DeadLetters`."""
        self._samples[stream].reject(line, rejection)
        self._counted.add(stream, line, rejection, epoch)

    def uploaded(self, file: SpooledFile) -> None:
        """See `DeadLetters`; there are no files."""

    def seal(self, opened_before: float = math.inf) -> float | None:
        """See `DeadLetters`; there are no files."""
        return self._counted.seal(opened_before)


def _entries_of(entry: bytes | Several | SegmentMember) -> tuple[JsonObject, int]:
    """The first entry of a row, and how many there are; of a member, its ids and what the endpoint says of them."""
    match entry:
        case bytes():
            return parse(entry), 1
        case Several(entries):
            return parse(entries[0]), len(entries)
        case SegmentMember(endpoint, name):
            return {**dict(endpoint.parameters), "ids": [parse(name)]}, 1
        case _:
            assert_never(entry)


def _row_of(line: bytes) -> JsonObject | None:
    if len(line) > _MAX_SHOWN_BYTES:
        return None
    try:
        return as_object(parse(RecordParts.of(line).data))
    except ValueError:  # nested too deeply
        return None


def _milliseconds(emitted_at: bytes) -> int | None:
    value = parse(emitted_at)
    return value if type(value) is int else None
