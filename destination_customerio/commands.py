"""The Airbyte commands: spec, check, discover and write. Stdout carries protocol messages only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from destination_customerio.airbyte.catalog import read_catalog
from destination_customerio.airbyte.output import Output, OutputClosed
from destination_customerio.airbyte.stdin import start_reading
from destination_customerio.check import check_connection
from destination_customerio.config.ignored_keys import ignored_key_lines
from destination_customerio.config.loader import read_config
from destination_customerio.config.spec import specification
from destination_customerio.descriptors import (
    STDERR,
    STDIN,
    STDOUT,
    DescriptorWriter,
    StdoutError,
    say_on_stderr,
)
from destination_customerio.errors import SYNC_RESUMES, SyncError, unexpected
from destination_customerio.mapping.identifiers import IDENTIFICATIONS
from destination_customerio.mapping.objects import destination_catalog
from destination_customerio.sync.events import Inbox, Stop
from destination_customerio.sync.wiring import prepare_sync

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    OnSignal = Callable[[Callable[[int], object]], None]


def run_airbyte_command(parsed: argparse.Namespace, on_signal: OnSignal) -> int:
    """Run one command; returns the exit code: 0, 1 after a TRACE ERROR, or 128 + the signal that stopped it.

    Args:
        parsed: the arguments
        on_signal: sets the handler of SIGTERM and SIGINT
    """
    output = Output(_claimed_stdout())
    try:
        return _traced(parsed, output, on_signal)
    except OutputClosed:
        # A trace would have no reader either. Acknowledged states remain valid; later rows will be sent again.
        return 1
    except StdoutError as error:
        say_on_stderr(str(error))
        return 1


def _traced(parsed: argparse.Namespace, output: Output, on_signal: OnSignal) -> int:
    try:
        return _run_command(parsed, output, on_signal)
    except (OutputClosed, StdoutError):
        raise
    except SyncError as error:
        output.trace_error(error)
    except Exception as error:  # noqa: BLE001 - even after a bug, the platform gets exactly one trace
        output.trace_error(unexpected(error, SYNC_RESUMES if _sends(parsed) else "Nothing was written."))
    return 1


def _sends(parsed: argparse.Namespace) -> bool:
    return parsed.command == "write" and not parsed.dry_run


def _run_command(parsed: argparse.Namespace, output: Output, on_signal: OnSignal) -> int:
    match parsed.command:
        case "spec":
            output.write({"type": "SPEC", "spec": specification()})
        case "check":
            output.write({"type": "CONNECTION_STATUS", "connectionStatus": _check(parsed.config, output)})
        case "discover":
            config = read_config(parsed.config, os.environ)
            catalog = destination_catalog(IDENTIFICATIONS[config.identifier_type])
            output.write({"type": "DESTINATION_CATALOG", "destination_catalog": catalog})
        case "write" if parsed.dry_run:
            # A sync needs neither.
            from destination_customerio.dry_run.command import dry_run
            from destination_customerio.dry_run.console import ProtocolView

            return dry_run(parsed, ProtocolView(output), on_signal)
        case "write":
            return _write(parsed, output, on_signal)
    return 0


def _write(parsed: argparse.Namespace, output: Output, on_signal: OnSignal) -> int:
    inbox = Inbox()
    config, streams = read_config(parsed.config, os.environ), read_catalog(parsed.catalog)
    sync = prepare_sync(config, streams, inbox, output)
    # From here on rows are in flight, so a signal starts a graceful shutdown.
    on_signal(lambda number: inbox.post(Stop(number)))
    start_reading(STDIN, inbox)
    signal_number = sync.run()
    return 128 + signal_number if signal_number else 0


def _check(config_path: Path, output: Output) -> dict[str, str]:
    try:
        config = read_config(config_path, os.environ)
        for line in ignored_key_lines(config):
            output.warn(line)
        check_connection(config)
    except SyncError as error:
        return {"status": "FAILED", "message": str(error)}
    return {"status": "SUCCEEDED"}


def _claimed_stdout() -> DescriptorWriter:
    """Reserve stdout for protocol messages: anything else that is printed goes to stderr."""
    descriptor = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    return DescriptorWriter(descriptor)
