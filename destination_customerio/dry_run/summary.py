"""What a dry run found, as one JSON document: for programs, for the terminal and for the report."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, assert_never

from destination_customerio.dry_run.masking import ShownNames, masked_entry, masked_row, shown_columns
from destination_customerio.dry_run.samples import RejectedRow, SentRow, SkippedRow
from destination_customerio.mapping.limits import MAX_BODY_BYTES
from destination_customerio.sync.log_lines import how_written, notice_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from destination_customerio.dry_run.samples import SampledRow, StreamSamples
    from destination_customerio.exact_json.codec import JsonObject
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
    settings     what the configuration changes about the rows of all streams, in sentences
    warnings     what the log warned of before the first row
    show_values  whether values of rows are shown as they are; otherwise masked
    is_complete  whether all input was read, rather than up to a limit or a signal
    """

    syncs: Sequence[StreamSync]
    samples: Mapping[StreamSync, StreamSamples]
    lanes: DryLanes
    settings: Sequence[str]
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
                "count": self.lanes.requests,
                "bytes": self.lanes.body_bytes,
                "fullest_bytes": self.lanes.fullest_bytes,
                "limit_bytes": MAX_BODY_BYTES,
            },
            "settings": [*self.settings],
            "streams": [self._stream(sync, self.samples[sync]) for sync in self.syncs],
            "warnings": [
                *self.warnings,
                *(notice_line(sync, notice) for sync in self.syncs for notice in self.samples[sync].notices),
            ],
        }

    def _stream(self, sync: StreamSync, samples: StreamSamples) -> JsonObject:
        counts = sync.counts
        names = ShownNames.of(sync.columns, sync.stream.properties)
        return {
            "stream": str(sync.stream),
            "object": sync.target.name,
            "how": how_written(sync),
            "rows": {
                "read": counts.read,
                "would_be_sent": counts.delivered,
                "rejected": counts.rejected.total(),
                "skipped": counts.skipped.total(),
            },
            "requests": self.lanes.requests_of[sync.queue],
            "columns": [{**_use(use, names), "rows": rows} for use, rows in samples.uses.items()],
            "rejected": [
                {"reason": reason, "field": column, **kind.to_json()}
                for (reason, column), kind in sorted(
                    samples.rejected.items(), key=lambda item: (-item[1].rows, item[0])
                )
            ],
            "skipped": [{"reason": why.reason, "rows": rows} for why, rows in counts.skipped.most_common()],
            "event_ages": _event_ages(sync.event_ages),
            "samples": [self._sample(row, names) for row in sorted(samples.rows, key=_by_outcome)],
        }

    def _sample(self, sample: SampledRow, names: ShownNames) -> JsonObject:
        match sample:
            case SentRow(row, entry, entries, uses):
                return {
                    "outcome": "would be sent",
                    "row": self._row(row, names),
                    "entry": entry if self.show_values else masked_entry(entry, names),
                    "note": _note(entries),
                    "columns": [*map(asdict, uses)] if self.show_values else _masked_uses(row, uses, names),
                }
            case SkippedRow(row, reason):
                return {"outcome": "skipped", "row": self._row(row, names), "reason": reason}
            case RejectedRow(maybe_row, rejection):
                field = rejection.field if self.show_values else names.column(rejection.field)
                return {
                    "outcome": "rejected",
                    "row": None if maybe_row is None else self._row(maybe_row, names),
                    "reason": rejection.reason,
                    "field": field,
                    # The connector's own sentences name columns, never values.
                    "message": _renamed(rejection.message, rejection.field, field),
                }
            case _:
                assert_never(sample)

    def _row(self, row: JsonObject, names: ShownNames) -> JsonObject:
        return row if self.show_values else masked_row(row, names)


def _note(entries: int) -> str:
    """What a sample must say besides its entry."""
    if entries == 1:
        return ""
    return (
        f"The row is too large for one entry. This is the first of {entries}, which are sent in this order."
    )


def _renamed(message: str, column: str, shown: str) -> str:
    """A message with another name for its column, which may be a number like those in the message (`1,000`)."""
    if column == shown:
        return message
    return re.sub(rf"(?<![\w,]){re.escape(column)}(?![\w,])", lambda _: shown, message)


def _masked_uses(row: JsonObject, uses: Iterable[ColumnUse], names: ShownNames) -> list[JsonObject]:
    """What became of the columns of one row, under the names that the masked row has."""
    shown = shown_columns(row, names)
    return [{**_use(use, names), "column": shown.get(use.column) or names.column(use.column)} for use in uses]


def _use(use: ColumnUse, names: ShownNames) -> JsonObject:
    return {
        "column": names.column(use.column),
        "becomes": names.column(use.becomes),
        "use": use.use,
        "note": use.note,
    }


def _by_outcome(sample: SampledRow) -> int:
    return (SentRow, RejectedRow, SkippedRow).index(type(sample))


def _event_ages(ages: EventAges | None) -> dict[str, Any] | None:
    if ages is None:
        return None
    return {"recent": ages.recent, "older": ages.older, "future": ages.future}
