"""The console script: commands, exit codes and signals; stdout carries protocol messages only.

The CDK is not imported here, because that alone takes over a second at the start of every sync. `cdk.py` is the same
connector as a CDK `Destination`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from destination_customerio import __version__
from destination_customerio.airbyte.catalog import read_catalog
from destination_customerio.airbyte.output import Output, OutputClosed
from destination_customerio.airbyte.stdin import start_reading
from destination_customerio.check import check_connection
from destination_customerio.config.loader import read_config
from destination_customerio.config.spec import specification
from destination_customerio.crash_reports import without_foreign_text
from destination_customerio.errors import SyncError, unexpected
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import destination_catalog
from destination_customerio.replay.filters import parse_since
from destination_customerio.sync.events import Inbox, Stop
from destination_customerio.sync.wiring import prepare_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_STDIN = 0
_STDOUT = 1
_STDERR = 2


def run() -> NoReturn:
    """The entry point of the console script `destination-customerio`."""
    without_foreign_text()
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code: 0, 1 after a TRACE ERROR, or 128 + signal number."""
    parsed = _parse(arguments)
    _on_signal(_exit)
    if parsed.command in ("rejected", "replay"):
        from destination_customerio.replay.commands import run_rejected_command

        return run_rejected_command(parsed, _on_signal)
    if parsed.dry_run and (parsed.json or os.isatty(_STDOUT)):
        from destination_customerio.dry_run.command import run_dry_run_command

        return run_dry_run_command(parsed, _on_signal)
    with _claimed_stdout() as file:
        output = Output(file)
        try:
            return _run_command(parsed, output)
        except OutputClosed:
            # A trace would have no reader either. Acknowledged states remain valid; later rows will be sent again.
            return 1
        except SyncError as error:
            return _fail(output, error)
        except Exception as error:  # noqa: BLE001 - even after a bug, the platform gets exactly one trace
            return _fail(output, unexpected(error))


def _run_command(parsed: argparse.Namespace, output: Output) -> int:
    match parsed.command:
        case "spec":
            output.write({"type": "SPEC", "spec": specification()})
        case "check":
            output.write({"type": "CONNECTION_STATUS", "connectionStatus": _check(parsed.config)})
        case "discover":
            config = read_config(parsed.config, os.environ)
            catalog = destination_catalog(IDENTIFIER_KINDS[config.identifier_type])
            output.write({"type": "DESTINATION_CATALOG", "destination_catalog": catalog})
        case "write" if parsed.dry_run:
            from destination_customerio.dry_run.command import dry_run
            from destination_customerio.dry_run.console import ProtocolView

            return dry_run(parsed, ProtocolView(output), _on_signal)
        case "write":
            return _write(parsed, output)
    return 0


def _write(parsed: argparse.Namespace, output: Output) -> int:
    inbox = Inbox()
    config, streams = read_config(parsed.config, os.environ), read_catalog(parsed.catalog)
    sync = prepare_sync(config, streams, inbox, output)
    # From here on rows are in flight, so a signal starts a graceful shutdown.
    _on_signal(lambda number: inbox.post(Stop(number)))
    start_reading(_STDIN, inbox)
    signal_number = sync.run()
    return _exit_code(signal_number) if signal_number else 0


def _check(config_path: Path) -> dict[str, str]:
    try:
        check_connection(read_config(config_path, os.environ))
    except SyncError as error:
        return {"status": "FAILED", "message": str(error)}
    return {"status": "SUCCEEDED"}


def _fail(output: Output, error: SyncError) -> int:
    with contextlib.suppress(OutputClosed):
        output.trace_error(error)
    return 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="destination-customerio",
        description="Airbyte destination for Customer.io. Speaks the Airbyte protocol on stdin and stdout.",
    )
    parser.set_defaults(dry_run=False)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("spec", help="print the configuration schema")
    check = commands.add_parser("check", help="test the credentials, the region and the bucket")
    discover = commands.add_parser("discover", help="print the destination objects and their columns")
    write = commands.add_parser("write", help="send the records on stdin to Customer.io")
    rejected = commands.add_parser("rejected", help="summarize the rejected rows in the bucket")
    replay = commands.add_parser("replay", help="resend rejected rows from the bucket")
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
    for command in (write, rejected):
        command.add_argument("--json", action="store_true", help="print a JSON document")
    for command in (write, rejected, replay):
        command.add_argument(
            "--report", type=Path, metavar="FILE.html", help="write a report for a browser into this file"
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


def _exit(signal_number: int) -> NoReturn:
    raise SystemExit(_exit_code(signal_number))


def _exit_code(signal_number: int) -> int:
    return 128 + signal_number


@contextlib.contextmanager
def _claimed_stdout() -> Iterator[BinaryIO]:
    """Reserve stdout for protocol messages: anything else that is printed goes to stderr."""
    file = os.fdopen(os.dup(_STDOUT), "wb")
    os.dup2(_STDERR, _STDOUT)
    try:
        yield file
    finally:
        with contextlib.suppress(BrokenPipeError):
            file.close()
