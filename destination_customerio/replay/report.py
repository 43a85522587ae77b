"""The counts of a replay, and the lines that report them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from destination_customerio.wording import counted, reason_with_column

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    rejected: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    skipped_files: int = 0
    stopped_by: int | None = None
    note: str = ""


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
    for (stream, reason, column), rows in sorted(
        outcome.rejected.items(), key=lambda item: (item[0][0], -item[1])
    ):
        kind = reason_with_column(reason, column)
        yield f"Stream {stream}: {counted(rows, 'row')} {would}rejected again: {kind}."
    for stream, rows in sorted((+outcome.accepted).items()):
        yield f"Stream {stream}: {counted(rows, 'row')} {would}{sent}."
    skipped = (
        f" Left unchanged: {counted(outcome.skipped_files, 'file')} (see above)."
        if outcome.skipped_files
        else ""
    )
    yield (
        f"{counted(outcome.accepted.total(), 'row')} {would}{sent}, {outcome.rejected.total():,} {would}rejected again."
        f"{skipped} {_ending(outcome, dry_run=dry_run)}"
    )


def _ending(outcome: Outcome, *, dry_run: bool) -> str:
    if outcome.stopped_by:
        return "Stopped before the end. Run the replay again to resume."
    if dry_run:
        return "Dry run: nothing was sent and no file was changed. Customer.io itself may still reject some of these rows."
    return "Done."
