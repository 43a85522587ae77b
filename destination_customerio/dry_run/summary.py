"""What a dry run found, as one JSON document: for programs, for the terminal and for the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from destination_customerio.dry_run.masking import masked_entry, masked_row, shown_name
from destination_customerio.dry_run.samples import RejectedRow, SentRow, SkippedRow
from destination_customerio.mapping.limits import MAX_BODY_BYTES
from destination_customerio.sync.log_lines import notice_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from destination_customerio.dry_run.samples import SampledRow, StreamSamples
    from destination_customerio.exact_json.codec import JsonObject
    from destination_customerio.foreign_text import KnownColumns
    from destination_customerio.mapping.column_uses import ColumnUse
    from destination_customerio.mapping.event_ages import EventAges
    from destination_customerio.sync.dry_run import DryLanes
    from destination_customerio.sync.stream_sync import StreamSync


@dataclass(frozen=True, slots=True)
class DryRunSummary:
    """What a dry run found.

    syncs        its streams
    samples      what was kept of each stream
    lanes        the requests that the real sync would make
    warnings     what the log warned of before the first row
    show_values  whether values of rows are shown as they are; otherwise masked
    is_complete  whether all input was read, rather than up to a limit or a signal
    """

    syncs: Sequence[StreamSync]
    samples: Mapping[StreamSync, StreamSamples]
    lanes: DryLanes
    warnings: Sequence[str]
    show_values: bool
    is_complete: bool

    def to_json(self) -> JsonObject:
        """The document; its keys are described in `docs/dry-run.md`."""
        counts = [sync.counts for sync in self.syncs]
        return {
            "is_complete": self.is_complete,
            "rows": {
                "read": sum(count.read for count in counts),
                "would_be_sent": sum(count.delivered for count in counts),
                "rejected": sum(count.rejected.total() for count in counts),
                "skipped": sum(count.skipped.total() for count in counts),
            },
            "requests": {
                "count": self.lanes.batches,
                "bytes": self.lanes.body_bytes,
                "fullest_bytes": self.lanes.fullest_bytes,
                "limit_bytes": MAX_BODY_BYTES,
            },
            "streams": [self._stream(sync, self.samples[sync]) for sync in self.syncs],
            "warnings": [
                *self.warnings,
                *(notice_line(sync, notice) for sync in self.syncs for notice in self.samples[sync].notices),
            ],
        }

    def _stream(self, sync: StreamSync, samples: StreamSamples) -> JsonObject:
        counts = sync.counts
        return {
            "stream": str(sync.stream),
            "object": sync.target.name,
            "rows": {
                "read": counts.read,
                "would_be_sent": counts.delivered,
                "rejected": counts.rejected.total(),
                "skipped": counts.skipped.total(),
            },
            "requests": self.lanes.batches_of[sync.queue],
            "columns": [{**_use(use, sync.columns), "rows": rows} for use, rows in samples.uses.items()],
            "rejected": [
                {"reason": reason, "field": column, **kind.to_json()}
                for (reason, column), kind in sorted(
                    samples.rejected.items(), key=lambda item: (-item[1].rows, item[0])
                )
            ],
            "skipped": [{"reason": why.reason, "rows": rows} for why, rows in counts.skipped.most_common()],
            "event_ages": _event_ages(sync.event_ages),
            "samples": [self._sample(row, sync.columns) for row in sorted(samples.rows, key=_by_outcome)],
        }

    def _sample(self, sample: SampledRow, columns: KnownColumns) -> JsonObject:
        match sample:
            case SentRow(row, entry, uses):
                return {
                    "outcome": "would be sent",
                    "row": self._row(row, columns),
                    "entry": entry if self.show_values else masked_entry(entry, columns),
                    "columns": [_use(use, columns) for use in uses],
                }
            case SkippedRow(row, reason):
                return {"outcome": "skipped", "row": self._row(row, columns), "reason": reason}
            case RejectedRow(maybe_row, rejection):
                shown = shown_name(rejection.field, columns)
                return {
                    "outcome": "rejected",
                    "row": None if maybe_row is None else self._row(maybe_row, columns),
                    "reason": rejection.reason,
                    "field": shown,
                    # The connector's own sentences name columns, never values.
                    "message": rejection.message.replace(rejection.field, shown),
                }
            case _:
                assert_never(sample)

    def _row(self, row: JsonObject, columns: KnownColumns) -> JsonObject:
        return row if self.show_values else masked_row(row, columns)


def _use(use: ColumnUse, columns: KnownColumns) -> JsonObject:
    return {
        "column": shown_name(use.column, columns),
        "becomes": shown_name(use.becomes, columns),
        "use": use.use,
        "note": use.note,
    }


def _by_outcome(sample: SampledRow) -> int:
    return (SentRow, RejectedRow, SkippedRow).index(type(sample))


def _event_ages(ages: EventAges | None) -> dict[str, Any] | None:
    if ages is None:
        return None
    return {"recent": ages.recent, "older": ages.older, "future": ages.future}
