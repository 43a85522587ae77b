"""What Python and libraries print on their own, without the text of exceptions, which may quote a row or a key.

Loggers of libraries and warnings are silenced; an exception that nothing caught is reported by its type and place. In a
program that uses the connector as a class, only the loggers of the connector's own libraries are.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from typing import TYPE_CHECKING

from destination_customerio.errors import unexpected

if TYPE_CHECKING:
    from types import TracebackType


# They log headers, requests and answers: some of it as warnings, which most programs print.
_CLIENT_LIBRARIES = ("boto3", "botocore", "requests", "s3transfer", "urllib3")


def silence_client_libraries() -> None:
    """Log nothing of the libraries that talk to Customer.io and the bucket; a program can set their levels again."""
    for name in _CLIENT_LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def without_foreign_text() -> None:
    """Set up this process; only for the console script, as a host program has its own loggers and hooks."""
    logging.disable()
    logging.captureWarnings(capture=True)
    sys.excepthook = _report
    threading.excepthook = lambda args: _report(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _report(args.exc_type, args.exc_value, args.exc_traceback)


def _report(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, SystemExit):  # how a thread ends itself
        return
    report = unexpected((error or kind()).with_traceback(trace))
    if sys.stderr is None:  # it was closed before the start; print() would take stdout instead
        return
    with contextlib.suppress(OSError, ValueError):
        print(f"{report} ({report.internal_message})", file=sys.stderr, flush=True)
