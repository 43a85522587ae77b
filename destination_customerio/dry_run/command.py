"""`write --dry-run`: everything but sending. It makes no request to Customer.io or the bucket, and emits no state."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from destination_customerio.airbyte.catalog import read_catalog
from destination_customerio.airbyte.line_errors import CONSEQUENCE
from destination_customerio.airbyte.stdin import start_reading
from destination_customerio.config.loader import read_config
from destination_customerio.descriptors import STDIN
from destination_customerio.dry_run.console import JsonView, TerminalView, View
from destination_customerio.dry_run.input_limit import RowLimit
from destination_customerio.dry_run.samples import SamplingAssembler, SamplingDeadLetters, StreamSamples
from destination_customerio.dry_run.summary import DryRunSummary
from destination_customerio.errors import SYNC_RESUMES, ProtocolError
from destination_customerio.ledger import Ledger
from destination_customerio.reports.file import report_file
from destination_customerio.reports.page import dry_run_page
from destination_customerio.sync import log_lines
from destination_customerio.sync.dry_run import DryLanes, emit_nothing, request_lines
from destination_customerio.sync.events import Inbox, Stop
from destination_customerio.sync.pipeline import Pipeline
from destination_customerio.sync.pipeline_settings import PipelineSettings
from destination_customerio.sync.reporter import LogReporter
from destination_customerio.sync.wiring import paced_settings, stream_syncs
from destination_customerio.text_commands import run_text_command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.model import Config
    from destination_customerio.sync.reporter import Log

OnSignal: TypeAlias = "Callable[[Callable[[int], object]], None]"

_NOTHING_WAS_SENT = "Nothing was sent."


@dataclass(frozen=True, slots=True)
class DryRunOptions:
    """What a dry run reads and keeps.

    sample       how many rows of each stream and outcome to keep
    show_values  whether their values are shown; otherwise these are masked
    limit_rows   how many rows to read at most; None for all
    """

    sample: int = 0
    show_values: bool = False
    limit_rows: int | None = None


def run_dry_run_command(parsed: argparse.Namespace, on_signal: OnSignal) -> int:
    """Run a dry run for a person or a program that reads no Airbyte protocol; returns the exit code.

    Args:
        parsed: the arguments
        on_signal: sets the handler of SIGTERM and SIGINT
    """
    view = JsonView() if parsed.json else TerminalView()
    return run_text_command(lambda: dry_run(parsed, view, on_signal), _NOTHING_WAS_SENT)


def dry_run(parsed: argparse.Namespace, view: View, on_signal: OnSignal) -> int:
    """Run a dry run on stdin and show what it found; returns the exit code: 0, or 128 + the signal that ended it early.

    Raises:
        SyncError: the sync could not start, its input is no Airbyte protocol, or the report can't be written.
    """
    config, streams = read_config(parsed.config, os.environ), read_catalog(parsed.catalog)
    options = DryRunOptions(parsed.sample or view.default_sample, parsed.show_values, parsed.limit_rows)
    report = report_file(parsed.report)
    try:
        summary, signal_number = observe(config, streams, options, view, on_signal)
    except ProtocolError as error:
        raise _nothing_delivered(error) from None
    document = summary.to_json()
    view.show(document)
    if report:
        report.write(dry_run_page(document))
        view.info(f"Report: {parsed.report}")
    return 128 + signal_number if signal_number else 0


def observe(
    config: Config, streams: Sequence[Stream], options: DryRunOptions, view: Log, on_signal: OnSignal
) -> tuple[DryRunSummary, int | None]:
    """Do everything with the rows on stdin but send them.

    Returns:
        what was found, and the number of the signal that ended it early, if one did

    Raises:
        SyncError: the sync could not start, or its input is no Airbyte protocol.
    """
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        view.warn(text)

    syncs = stream_syncs(config, streams, warn, started_at=time.time())
    samples = {sync: StreamSamples(options.sample, sync, config.max_rejected_percent) for sync in syncs}
    for sync in syncs:
        sync.assembler = SamplingAssembler(sync.assembler, samples[sync])
    for line in log_lines.plan_lines(config, syncs):
        view.info(line)
    inbox = Inbox()
    ledger = Ledger()
    lanes = DryLanes(config.max_concurrent_requests, inbox.post)
    reporter = LogReporter(
        syncs,
        view,
        time.monotonic(),
        "would be sent",
        closing_lines=lambda: [
            *log_lines.unkept_lines(config, syncs),
            *map(log_lines.Line, request_lines(lanes, config.max_rows_per_second)),
        ],
    )
    dead_letters = SamplingDeadLetters({sync.stream: samples[sync] for sync in syncs}, ledger.settle_rejected)
    # Nothing is sent, so no pace is kept; but the number of requests is that of the real sync.
    settings = replace(paced_settings(config, PipelineSettings()), max_rows_in_flight=math.inf)
    pipeline = Pipeline(
        syncs, ledger, lanes, dead_letters, inbox, emit_nothing, reporter, time.monotonic, settings
    )
    on_signal(lambda number: inbox.post(Stop(number)))
    limit = RowLimit(inbox, options.limit_rows) if options.limit_rows else None
    start_reading(STDIN, limit or inbox)
    try:
        signal_number = pipeline.run()
    finally:
        lanes.abort()
    for sync in syncs:
        if stop := samples[sync].stop_line():
            warn(stop)
    is_complete = signal_number is None and not (limit and limit.is_reached)
    summary = DryRunSummary(
        syncs,
        samples,
        lanes,
        [*log_lines.settings_lines(config)],
        warnings,
        options.show_values,
        is_complete,
    )
    return summary, signal_number


def _nothing_delivered(error: ProtocolError) -> ProtocolError:
    """The error of a broken line or input as it is true of a dry run."""
    text = str(error).replace(CONSEQUENCE, f"{_NOTHING_WAS_SENT} A sync would fail at this line.")
    text = text.replace(SYNC_RESUMES, f"{_NOTHING_WAS_SENT} A sync would fail in the same way.")
    return ProtocolError(text, error.internal_message)
