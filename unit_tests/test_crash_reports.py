"""What a process prints without being asked contains no text of an exception."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAMS = {
    "an exception": "raise LookupError(SECRET)",
    "an exception in a thread": "threading.Thread(target={}.__getitem__, args=(SECRET,)).start()",
    "a chained exception": """
try:
    {}[SECRET]
except KeyError as error:
    raise LookupError(SECRET) from error""",
    "an exception in a destructor": """
class Broken:
    def __del__(self):
        raise LookupError(SECRET)
Broken()""",
}


_START = (
    "import logging, threading, warnings\n"
    "from destination_customerio.crash_reports import without_foreign_text\n"
    "SECRET = 'c4' + 'nary'\n"
    "without_foreign_text()\n"
)


def stderr_of(program: str) -> str:
    """What a program writes to stderr."""
    command = [sys.executable, "-W", "always", "-c", _START + program]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr  # noqa: S603


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_an_uncaught_exception_is_reported_by_type_and_place(program: str) -> None:
    """In any thread, and while objects are deleted."""
    report = stderr_of(program)
    assert "Unexpected error (LookupError)" in report or "Unexpected error (KeyError)" in report
    assert "c4nary" not in report
    assert report.count("\n") == 1


@pytest.mark.parametrize(
    "program",
    [
        "logging.getLogger('urllib3').warning('quoted: %s', SECRET)",
        "logging.basicConfig(level=logging.DEBUG)\nlogging.getLogger('botocore').debug(SECRET)",
        "logging.exception('failed: %s', SECRET)",
        "warnings.warn(SECRET, UserWarning)",
    ],
)
def test_loggers_of_libraries_and_warnings_print_nothing(program: str) -> None:
    """They quote requests and answers."""
    assert stderr_of(program) == ""


def test_a_thread_that_exits_is_no_error() -> None:
    """Nothing is reported."""
    assert stderr_of("threading.Thread(target=lambda: exit(3)).start()") == ""


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_without_a_stderr_nothing_gets_to_stdout(program: str) -> None:
    """Stdout is for documents and messages."""
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", _START + program]
    assert subprocess.run(command, capture_output=True, check=False).stdout == b""  # noqa: S603
