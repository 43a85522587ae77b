"""Commands that print text for people, or a document for programs, in place of protocol messages."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from destination_customerio.descriptors import say_on_stderr
from destination_customerio.errors import SyncError, unexpected
from destination_customerio.masking import printable

if TYPE_CHECKING:
    from collections.abc import Callable


def run_text_command(work: Callable[[], int], outcome: str) -> int:
    """Run a command; returns its exit code, or 1 after an error, which is one sentence on stderr.

    Args:
        work: the command
        outcome: a sentence about the rows, for an unexpected error
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal may not be able to encode every name
            stream.reconfigure(errors="backslashreplace")
    try:
        return work()
    except BrokenPipeError:  # stdout has no reader any more
        return 1
    except SyncError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - even a bug is reported as a message
        failure = unexpected(error, outcome)
    say_on_stderr(printable(str(failure)))
    return 1
