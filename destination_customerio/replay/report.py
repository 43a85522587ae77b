"""The counts of a replay, and the lines that report them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from destination_customerio.dead_letters.kinds import Kind
from destination_customerio.wording import counted, reason_with_column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(slots=True)
class Outcome:
    """The counts of a replay.

    accepted       rows by stream
    rejected       rows by stream, reason and field
    skipped_files  how many files were left unchanged
    stopped_by     the signal that ended the replay early; None when it ended by itself
    note           what there is instead when filters are given and no row matches
    """

    accepted: Counter[str] = field(default_factory=Counter)
    rejected: dict[tuple[str, str, str], Kind] = field(default_factory=dict)
    skipped_files: int = 0
    stopped_by: int | None = None
    note: str = ""

    @property
    def rejected_rows(self) -> int:
        """How many rows were rejected again."""
        return sum(kind.rows for kind in self.rejected.values())

    def kind(self, stream: str, reason: str, column: str) -> Kind:
        """The rows of a stream that were rejected again for a reason."""
        return self.rejected.setdefault((stream, reason, column), Kind())

    def sorted_kinds(self) -> list[tuple[tuple[str, str, str], Kind]]:
        """Sorted by stream, the most frequent kind first."""
        return sorted(self.rejected.items(), key=lambda item: (item[0][0], -item[1].rows))

    def to_json(self, objects: Mapping[str, str], *, dry_run: bool) -> dict[str, Any]:
        """The document of the report.

        Args:
            objects: the destination object of each stream
            dry_run: whether nothing was sent
        """
        streams = sorted({*(+self.accepted), *(stream for stream, _, _ in self.rejected)})
        return {
            "is_dry_run": dry_run,
            "is_stopped": self.stopped_by is not None,
            "rows": {"accepted": self.accepted.total(), "rejected": self.rejected_rows},
            "skipped_files": self.skipped_files,
            "streams": [self._stream(stream, objects.get(stream, "")) for stream in streams],
        }

    def _stream(self, stream: str, object_name: str) -> dict[str, Any]:
        kinds = [(name, kind) for name, kind in self.sorted_kinds() if name[0] == stream]
        return {
            "stream": stream,
            "object": object_name,
            "rows": {
                "accepted": self.accepted[stream],
                "rejected": sum(kind.rows for _, kind in kinds),
            },
            "rejected": [
                {"reason": reason, "field": column, **kind.to_json()} for (_, reason, column), kind in kinds
            ],
        }


def file_words(rejected: int, unreadable: int, fault: str = "", *, would: bool = False) -> str:
    """How many rows of a file were, or would be, rejected again.

    Args:
        rejected: rows that were rejected again
        unreadable: rows that can't be read
        fault: why the first of these can't be read, with its line
        would: whether nothing was sent
    """
    words = f"{rejected:,} {'would be ' if would else ''}rejected again"
    if not unreadable:
        return words
    words = f"{words}, {unreadable:,} can't be read"
    first = "the first on " if unreadable > 1 else ""
    return f"{words} ({first}{fault})" if fault else words


def closing_lines(outcome: Outcome, *, dry_run: bool) -> Iterator[str]:
    """The counts by stream, then the totals."""
    if outcome.note and not outcome.rejected and not outcome.accepted and not outcome.stopped_by:
        yield outcome.note
    would = "would be " if dry_run else ""
    sent = "sent" if dry_run else "accepted"
    for (stream, reason, column), kind in outcome.sorted_kinds():
        why = reason_with_column(reason, column)
        yield f"Stream {stream}: {counted(kind.rows, 'row')} {would}rejected again: {why}."
    for stream, rows in sorted((+outcome.accepted).items()):
        yield f"Stream {stream}: {counted(rows, 'row')} {would}{sent}."
    skipped = (
        f" Left unchanged: {counted(outcome.skipped_files, 'file')} (see above)."
        if outcome.skipped_files
        else ""
    )
    yield (
        f"{counted(outcome.accepted.total(), 'row')} {would}{sent}, {outcome.rejected_rows:,} {would}rejected again."
        f"{skipped} {_ending(outcome, dry_run=dry_run)}"
    )


def _ending(outcome: Outcome, *, dry_run: bool) -> str:
    if outcome.stopped_by:
        return "Stopped before the end. Run the replay again to resume."
    if dry_run:
        return "Dry run: nothing was sent and no file was changed. Customer.io itself may still reject some of these rows."
    return "Done."
