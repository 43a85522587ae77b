"""What people see of `rejected` and `replay`: a bar and a table on a terminal, plain lines elsewhere.

Names, fields and reasons come from rows and servers; no character that a terminal would take for a command gets through.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from typing import TYPE_CHECKING, Protocol

from destination_customerio.dead_letters.kinds import written_time
from destination_customerio.descriptors import STDOUT, DescriptorWriter, StdoutError, say_on_stderr
from destination_customerio.masking import printable
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress

    from destination_customerio.dead_letters.kinds import Kind
    from destination_customerio.replay.summary import Summary

_SECONDS_BETWEEN_LINES = 30.0
_HEADINGS = ("stream", "reason", "field", "rows", "first", "last", "example")
_MINUTE_WIDTH = len("2026-11-24 10:00")


class View(Protocol):
    """Shows the progress of a command. Not thread-safe; owned by the coordinator thread."""

    def say(self, text: str) -> None:
        """Show a line permanently."""

    def on_file(self, number: int, files: int | None) -> None:
        """So many files are done, of so many, or of an unknown number."""

    def on_rows(self, rows: int) -> None:
        """So many more rows were read."""

    def on_retry(self, reason: str) -> None:
        """A request failed for this reason, and will be sent again."""


def _print(text: str) -> None:
    print(text, flush=True)


class LineView:
    """Plain lines; of progress and of retries at most one every half minute.

    write  shows a line
    clock  counts seconds
    """

    def __init__(
        self, write: Callable[[str], None] = _print, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._rows = 0
        self._retries = 0
        self._rows_said_at = clock()
        self._retries_said_at = -math.inf

    def say(self, text: str) -> None:
        """See `View`."""
        self._write(printable(text))

    def on_file(self, number: int, files: int | None) -> None:
        """See `View`; each file has a line of its own when it is done."""

    def on_rows(self, rows: int) -> None:
        """See `View`."""
        self._rows += rows
        if self._clock() - self._rows_said_at >= _SECONDS_BETWEEN_LINES:
            self._rows_said_at = self._clock()
            self.say(f"{counted(self._rows, 'row')} read so far.")

    def on_retry(self, reason: str) -> None:
        """See `View`; the first is shown at once."""
        self._retries += 1
        if self._clock() - self._retries_said_at >= _SECONDS_BETWEEN_LINES:
            self._retries_said_at = self._clock()
            self.say(
                f"Customer.io did not accept a request ({reason}). Retrying; "
                f"{counted(self._retries, 'request')} retried so far."
            )


class BarView:
    """A bar over the files, and lines above it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("files", total=None, rows=counted(0, "row"))
        self._rows = 0
        self._lines = LineView(lambda text: progress.console.print(text, markup=False, highlight=False))

    def say(self, text: str) -> None:
        """See `View`."""
        self._lines.say(text)

    def on_file(self, number: int, files: int | None) -> None:
        """See `View`."""
        self._progress.update(self._task, completed=number, total=files)

    def on_rows(self, rows: int) -> None:
        """See `View`."""
        self._rows += rows
        self._progress.update(self._task, rows=counted(self._rows, "row"))

    def on_retry(self, reason: str) -> None:
        """See `View`."""
        self._lines.on_retry(reason)


class SilentView:
    """Shows nothing, where lines would get in the way of what is printed at the end."""

    def say(self, text: str) -> None:
        """See `View`."""

    def on_file(self, number: int, files: int | None) -> None:
        """See `View`."""

    def on_rows(self, rows: int) -> None:
        """See `View`."""

    def on_retry(self, reason: str) -> None:
        """See `View`."""


@contextlib.contextmanager
def open_view(*, with_lines: bool = True) -> Iterator[View]:
    """A bar if stdout is a terminal; elsewhere lines, or nothing if the output must not be mixed with lines."""
    if not sys.stdout.isatty():
        yield LineView() if with_lines else SilentView()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("files"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
        transient=True,
    ) as progress:
        yield BarView(progress)


def say_aside(text: str, *, on_stdout: bool = False) -> None:
    """Say a sentence in any thread, on a line of its own even where a bar is shown; on stderr unless `on_stdout`."""
    # Not sys.stdout: while there is a bar, it is rich's own, which the main thread may hold.
    stdout = DescriptorWriter(STDOUT)
    with contextlib.suppress(BrokenPipeError, StdoutError):
        if os.isatty(STDOUT):
            stdout.write(b"\r\x1b[2K")
        if on_stdout:
            stdout.write(f"{printable(text)}\n".encode(errors="replace"))
    if not on_stdout:
        say_on_stderr(printable(text))


def show_summary(summary: Summary) -> None:
    """Print a table on a terminal; elsewhere one line for each kind, its cells separated by tabs."""
    if kinds := summary.sorted_kinds():
        if sys.stdout.isatty():
            _show_table(kinds)
        else:
            _print_cells(kinds)
    print(f"{counted(summary.rows, 'rejected row')} in {counted(summary.files, 'file')}.")
    if summary.note:
        print(printable(summary.note))
    for key, cause in summary.skipped.items():
        print(printable(f"Skipped {key}: {cause}."))
    if more := summary.skipped_files - len(summary.skipped):
        print(f"Skipped {counted(more, 'more file')}.")


def _print_cells(kinds: list[tuple[tuple[str, str, str], Kind]]) -> None:
    print("\t".join(_HEADINGS))
    for names, kind in kinds:
        times = written_time(kind.first), written_time(kind.last)
        print(*map(printable, names), kind.rows, *times, printable(kind.example), sep="\t")


def _show_table(kinds: list[tuple[tuple[str, str, str], Kind]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*_HEADINGS[:3], show_edge=False, pad_edge=False)
    table.add_column("rows", justify="right", no_wrap=True)
    # To the minute, and one below the other, so that names fit into eighty columns.
    table.add_column("first, last", width=_MINUTE_WIDTH)
    table.add_column("example")
    for column in table.columns:
        column.overflow = "fold"
    for names, kind in kinds:
        times = (written_time(moment)[:_MINUTE_WIDTH].replace("T", " ") for moment in (kind.first, kind.last))
        cells = (*map(printable, names), f"{kind.rows:,}", "\n".join(times), printable(kind.example))
        table.add_row(*map(Text, cells))
    Console().print(table)
