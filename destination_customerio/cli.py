"""The console script: arguments, processes, exit codes and signals.

This module imports little, so that signals are handled soon after the start; the commands are loaded in the child process.
The CDK is not imported at all, because that alone takes over a second at the start of every sync. `cdk.py` is the same
connector as a CDK `Destination`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from destination_customerio import __version__
from destination_customerio.crash_reports import without_foreign_text
from destination_customerio.descriptors import STDOUT, DescriptorWriter, say_on_stderr
from destination_customerio.supervisor import supervise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from destination_customerio.errors import SyncError

_TEXT_COMMANDS = ("rejected", "replay")
_COMMANDS = {
    "spec": "print the configuration schema",
    "check": "test the credentials, the region and the bucket",
    "discover": "print the destination objects and their columns",
    "write": "send the records on stdin to Customer.io",
    "rejected": "summarize the rejected rows in the bucket",
    "replay": "resend rejected rows from the bucket",
}


def run() -> NoReturn:
    """The entry point of the console script `destination-customerio`."""
    without_foreign_text()
    arguments = sys.argv[1:]
    supervise(lambda: main(arguments), _say if _prints_text(arguments) else _trace)


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code: 0, 1 after an error message, or 128 + signal number."""
    parsed = _parse_or_show(arguments)
    if parsed is None:
        return 0
    # Signals keep their default until a command handles them, as there is nothing to finish before: the process ends at
    # once, whatever it is doing. An exception that a handler raised could get lost in a library, or be taken for its error.
    if parsed.command in _TEXT_COMMANDS:
        from destination_customerio.replay.commands import run_rejected_command

        _write_by_descriptor()
        return run_rejected_command(parsed, _on_signal)
    if parsed.dry_run and (parsed.json or os.isatty(STDOUT)):
        from destination_customerio.dry_run.command import run_dry_run_command

        _write_by_descriptor()
        return run_dry_run_command(parsed, _on_signal)
    from destination_customerio.commands import run_airbyte_command

    return run_airbyte_command(parsed, _on_signal)


def _prints_text(arguments: Sequence[str]) -> bool:
    """Whether a command prints no protocol messages, as far as that can be known without parsing its arguments."""
    is_dry_run = "--dry-run" in arguments and ("--json" in arguments or os.isatty(STDOUT))
    return is_dry_run or any(argument in _TEXT_COMMANDS for argument in arguments[:1])


def _write_by_descriptor() -> None:
    """Let prints go to stdout as messages do: whole, also where it is non-blocking."""
    encoding = sys.stdout.encoding if sys.stdout else None
    sys.stdout = io.TextIOWrapper(DescriptorWriter(STDOUT), encoding)


def _parse_or_show(arguments: Sequence[str]) -> argparse.Namespace | None:
    """Parse the arguments; None if they only asked for a text, such as the version, which is printed."""
    shown = io.StringIO()
    try:
        with contextlib.redirect_stdout(shown):
            return _parse(arguments)
    except SystemExit as error:
        if error.code:
            raise
    DescriptorWriter(STDOUT).write(shown.getvalue().encode())
    return None


def _say(error: SyncError) -> None:
    say_on_stderr(str(error))


def _trace(error: SyncError) -> None:
    """Report that the command could not be started, or died, in its place; on stderr if stdout can't be written."""
    from destination_customerio.airbyte.output import Output, OutputClosed

    try:
        Output(DescriptorWriter(STDOUT)).trace_error(error)
    except OutputClosed:
        pass
    except Exception:  # noqa: BLE001 - the last place that can say so
        _say(error)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="destination-customerio",
        description="Airbyte destination for Customer.io. Speaks the Airbyte protocol on stdin and stdout.",
    )
    parser.set_defaults(dry_run=False)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _, check, discover, write, rejected, replay = (
        commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        for name, summary in _COMMANDS.items()
    )
    for command in (check, discover, write, rejected, replay):
        command.add_argument("--config", type=Path, required=True, help="configuration (JSON file)")
    for command in (write, replay):
        command.add_argument(
            "--catalog", type=Path, required=True, help="configured Airbyte catalog (JSON file)"
        )
    for command in (rejected, replay):
        command.add_argument(
            "--sync-id", type=int, metavar="N", help="only rows of this sync (Airbyte job id)"
        )
        command.add_argument("--stream", metavar="S", help="only rows of this stream: NAME or NAMESPACE.NAME")
        command.add_argument(
            "--since",
            type=_since,
            metavar="DATE",
            help="only rows extracted at or after this date or time (ISO 8601; UTC unless it has an offset)",
        )
    for command, when in ((write, "with --dry-run: "), (rejected, "")):
        command.add_argument("--json", action="store_true", help=f"{when}print a JSON document")
    for command, when in ((write, "with --dry-run: "), (rejected, ""), (replay, "")):
        command.add_argument(
            "--report",
            type=Path,
            metavar="FILE.html",
            help=f"{when}write a report for a browser into this file",
        )
    replay.add_argument(
        "--dry-run",
        action="store_true",
        help="send and change nothing; report what would be sent and what the connector itself would reject again",
    )
    write.add_argument(
        "--dry-run",
        action="store_true",
        help="send nothing; report how many rows and requests would be sent, and what would be rejected",
    )
    write.add_argument(
        "--sample",
        type=_positive,
        metavar="N",
        help="with --dry-run: show N rows of each stream beside what they become (default on a terminal: 3)",
    )
    write.add_argument(
        "--show-values",
        action="store_true",
        help="with --sample: show the values of rows instead of their shapes",
    )
    write.add_argument(
        "--limit-rows", type=_positive, metavar="M", help="with --dry-run: read no more than M rows"
    )
    parsed = parser.parse_args(arguments)
    if parsed.command == "write" and not parsed.dry_run:
        for option in ("json", "report", "sample", "show_values", "limit_rows"):
            if getattr(parsed, option):
                write.error(f"--{option.replace('_', '-')} needs --dry-run; nothing was read or sent")
    return parsed


def _positive(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError("not a whole number above zero")


def _since(text: str) -> int:
    from destination_customerio.replay.filters import parse_since

    try:
        return parse_since(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "not a date or time such as 2026-11-24 or 2026-11-24T10:00:00Z"
        ) from None


def _on_signal(act: Callable[[int], object]) -> None:
    """Handle SIGTERM and SIGINT."""

    def handle(number: int, _: object) -> None:
        act(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
