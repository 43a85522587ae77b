"""Prints what `rejected` has found: a table on a terminal, elsewhere lines for other programs to cut up."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from destination_customerio.redaction import printable
from destination_customerio.replay.filters import written_time
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from destination_customerio.replay.summary import Summary

_HEADINGS = ("stream", "reason", "field", "rows", "first", "last", "example")
_DATE_WIDTH = len("2026-11-24")


def show_summary(summary: Summary) -> None:
    """A table on a terminal; elsewhere one line for each kind, its cells parted by tabs."""
    rows = [
        (
            *map(printable, (stream, reason, column)),
            f"{kind.rows:,}",
            written_time(kind.first),
            written_time(kind.last),
            printable(kind.example),
        )
        for (stream, reason, column), kind in summary.sorted_kinds()
    ]
    if sys.stdout.isatty():
        _show_table(rows)
    else:
        for row in [_HEADINGS, *rows] if rows else []:
            print("\t".join(row))
    print(f"{counted(summary.rows, 'rejected row')} in {counted(summary.files, 'file')}.")
    for key, cause in summary.skipped.items():
        print(printable(f"{key} is left out: {cause}."))
    if more := summary.skipped_files - len(summary.skipped):
        print(f"So are {counted(more, 'more file')}.")


def _show_table(rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in _HEADINGS:
        table.add_column(
            heading,
            justify="right" if heading == "rows" else "left",
            overflow="fold",
            no_wrap=heading == "rows",
            width=_DATE_WIDTH if heading in ("first", "last") else None,
        )
    for *kind, rows_of_kind, first, last, example in rows:
        # To the minute, and below the date, so that the rest has room beside them.
        minutes = (moment[:16].replace("T", " ") for moment in (first, last))
        table.add_row(*map(Text, (*kind, rows_of_kind, *minutes, example)))
    Console().print(table)
