"""How `rejected` and `replay` talk to a person: with rich on a terminal, in plain lines elsewhere.

Names, fields and reasons come from rows and servers; nothing that a terminal would take for a command gets through.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from typing import TYPE_CHECKING

from destination_customerio.redaction import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress

_SECONDS_BETWEEN_LINES = 30.0


class View:
    """Plain lines; of a long file one every half minute. Made for one thread."""

    def __init__(self) -> None:
        self._rows = 0
        self._retries = 0
        self._rows_said_at = time.monotonic()
        self._retries_said_at = -math.inf

    def say(self, text: str) -> None:
        """A line that stays."""
        print(printable(text), flush=True)

    def on_file(self, number: int, files: int | None) -> None:
        """So many of the files, whose number may be unknown, are behind it."""

    def on_rows(self, rows: int) -> None:
        """So many further rows were read."""
        self._rows += rows
        if time.monotonic() - self._rows_said_at >= _SECONDS_BETWEEN_LINES:
            self._rows_said_at = time.monotonic()
            self.say(f"{self._rows:,} rows read so far.")

    def on_retry(self, reason: str) -> None:
        """A request was not taken, for this reason, and will be sent again."""
        self._retries += 1
        if time.monotonic() - self._retries_said_at >= _SECONDS_BETWEEN_LINES:
            self._retries_said_at = time.monotonic()
            self.say(
                f"Customer.io did not take a request ({reason}); it is sent again. {self._retries:,} so far."
            )


class TerminalView(View):
    """A bar over the files, and lines above it."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._task = progress.add_task("files", total=None, rows="0")

    def say(self, text: str) -> None:
        """See `View`."""
        self._progress.console.print(printable(text), markup=False, highlight=False)

    def on_file(self, number: int, files: int | None) -> None:
        """See `View`."""
        self._progress.update(self._task, completed=number, total=files)

    def on_rows(self, rows: int) -> None:
        """See `View`; the bar says so."""
        self._rows += rows
        self._progress.update(self._task, rows=f"{self._rows:,}")


class SilentView(View):
    """Shows nothing: lines would be in the way of what is printed in the end."""

    def say(self, text: str) -> None:
        """Say nothing."""


@contextlib.contextmanager
def open_view(*, with_lines: bool = True) -> Iterator[View]:
    """What suits the standard output: a bar on a terminal; elsewhere lines, if they may be among what is printed."""
    if not sys.stdout.isatty():
        yield View() if with_lines else SilentView()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("files"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TimeElapsedColumn(),
        transient=True,
    ) as progress:
        yield TerminalView(progress)


def show_cursor() -> None:
    """Undo what a bar leaves behind on a terminal when the process ends without closing its view."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[?25h\n")
        sys.stdout.flush()
