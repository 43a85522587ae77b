"""How the commands for people talk: with rich on a terminal, in plain lines elsewhere.

Names, fields and reasons come from rows and servers; nothing that a terminal would take for a command gets through.
rich is imported without being declared in pyproject.toml: the CDK brings it, and needs it itself.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

from destination_customerio.masking import printable
from destination_customerio.rejected_filters import written_time

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress

    from destination_customerio.rejected import Summary

_HEADINGS = ("stream", "reason", "field", "rows", "first", "last", "example")
_PLAIN_SECONDS = 30.0
_DATE_WIDTH = len("2026-11-24")


class PlainView:
    """Lines; of a long file one every half minute. A context manager."""

    def __init__(self) -> None:
        self._rows = 0
        self._said_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """A line that stays."""
        print(printable(text), flush=True)

    def on_file(self, number: int, files: int) -> None:
        """So many of the files are behind it: the lines say so."""

    def on_rows(self, rows: int) -> None:
        """So many further rows were read."""
        self._rows += rows
        if time.monotonic() - self._said_at >= _PLAIN_SECONDS:
            self._said_at = time.monotonic()
            self.say(f"{self._rows:,} rows read so far.")


class TerminalView:
    """A bar over the files, and lines above it. A context manager."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._rows = 0
        self._progress: Progress = Progress(
            TextColumn("files"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rows]} rows"),
            TimeElapsedColumn(),
            transient=True,
        )
        self._task = self._progress.add_task("files", total=None, rows="0")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._progress.console.print(printable(text), markup=False, highlight=False)

    def on_file(self, number: int, files: int) -> None:
        """So many of the files are behind it."""
        self._progress.update(self._task, completed=number, total=files)

    def on_rows(self, rows: int) -> None:
        """So many further rows were read."""
        self._rows += rows
        self._progress.update(self._task, rows=f"{self._rows:,}")


class SilentView(PlainView):
    """Shows nothing: what follows is for a program."""

    def say(self, text: str) -> None:
        """Say nothing."""


def make_view(*, silent: bool = False) -> PlainView | TerminalView:
    """What suits the standard output."""
    if silent:
        return SilentView()
    return TerminalView() if sys.stdout.isatty() else PlainView()


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
    print(f"{summary.rows:,} rejected rows in {summary.files:,} files.")
    for key, cause in summary.skipped.items():
        print(printable(f"{key} is left out: {cause}."))


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
