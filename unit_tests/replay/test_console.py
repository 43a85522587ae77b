"""What people see of a replay while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from destination_customerio.dead_letters.kinds import Kind
from destination_customerio.replay.console import LineView, SilentView, show_summary
from destination_customerio.replay.summary import Summary

if TYPE_CHECKING:
    from destination_customerio.replay.console import View


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        """The time, in seconds."""
        return self.seconds


def test_progress_has_a_line_every_half_minute() -> None:
    """However often rows are counted in between."""
    lines: list[str] = []
    clock = Clock()
    view = LineView(lines.append, clock)
    for _ in range(100):
        clock.seconds += 1
        view.on_rows(50)
    assert lines == ["1,500 rows read so far.", "3,000 rows read so far.", "4,500 rows read so far."]


def test_the_first_retry_is_shown_at_once_and_then_one_every_half_minute() -> None:
    """Each line names its reason and counts the retries that had no line."""
    lines: list[str] = []
    clock = Clock()
    view = LineView(lines.append, clock)
    for number in range(40):
        view.on_retry(f"status {500 + number}")
        clock.seconds += 1
    assert lines == [
        "Customer.io did not accept a request (status 500). Retrying; 1 request retried so far.",
        "Customer.io did not accept a request (status 530). Retrying; 31 requests retried so far.",
    ]


def test_no_line_holds_what_a_terminal_takes_for_a_command() -> None:
    """Names and reasons come from rows and servers."""
    lines: list[str] = []
    view = LineView(lines.append)
    view.say("\x1b[31mred\nnext")
    view.on_retry("\x07")
    assert lines[0] == "�[31mred�next"
    assert all(line.isprintable() for line in lines)


def test_a_silent_view_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed at the end stays alone."""
    view: View = SilentView()
    view.say("text")
    view.on_file(1, None)
    view.on_rows(1)
    view.on_retry("busy")
    assert capsys.readouterr() == ("", "")


def test_lines_for_programs_hold_plain_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """Without separators between thousands, and with one cell for each heading."""
    kinds = {("users", "invalid", "tab\there"): Kind(12_345, 0, 1_000, "xxx")}
    show_summary(Summary(files=1_000, rows=12_345, kinds=kinds))
    assert capsys.readouterr().out.splitlines() == [
        "stream\treason\tfield\trows\tfirst\tlast\texample",
        "users\tinvalid\ttab�here\t12345\t1970-01-01T00:00:00Z\t1970-01-01T00:00:01Z\txxx",
        "12,345 rejected rows in 1,000 files.",
    ]


@pytest.mark.parametrize(
    ("skipped_files", "last"), [(2, "Skipped 1 more file."), (1_234, "Skipped 1,233 more files.")]
)
def test_skipped_files_are_named_and_the_rest_counted(
    capsys: pytest.CaptureFixture[str], skipped_files: int, last: str
) -> None:
    """A summary keeps a limited number of names."""
    show_summary(Summary(skipped={"a/notes.txt": "not a file"}, skipped_files=skipped_files))
    assert capsys.readouterr().out.splitlines() == [
        "0 rejected rows in 0 files.",
        "Skipped a/notes.txt: not a file.",
        last,
    ]
