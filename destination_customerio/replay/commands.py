"""The commands `rejected` and `replay`: a report on stdout, and on failure an error message on stderr.

They read the same configuration as the Airbyte commands, but write no protocol messages.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from destination_customerio.airbyte.catalog import read_catalog
from destination_customerio.config.loader import read_config
from destination_customerio.config.storage import S3Storage
from destination_customerio.config.stream_mappings import mapped_columns
from destination_customerio.dead_letters.reading.bucket import RejectedFiles
from destination_customerio.delivery.breaker import BreakerLimits
from destination_customerio.descriptors import say_on_stderr
from destination_customerio.errors import ConfigError
from destination_customerio.replay.console import open_view, say_aside, show_summary
from destination_customerio.replay.deadline import Deadline
from destination_customerio.replay.file_replay import FileReplay
from destination_customerio.replay.filters import Filters
from destination_customerio.replay.lease import Lease
from destination_customerio.replay.record_message import replay_event_id
from destination_customerio.replay.replay import Replay
from destination_customerio.replay.report import closing_lines
from destination_customerio.replay.summary import summarize
from destination_customerio.reports.file import report_file
from destination_customerio.reports.page import rejected_page, replay_page
from destination_customerio.sync.dry_run import DryLanes
from destination_customerio.sync.events import Inbox
from destination_customerio.sync.log_lines import settings_lines
from destination_customerio.sync.pipeline_settings import PipelineSettings
from destination_customerio.sync.wiring import (
    check_limits,
    max_weight_bytes,
    paced_settings,
    start_lanes,
    stream_syncs,
)
from destination_customerio.text_commands import run_text_command
from destination_customerio.track_api.region import resolve_track_url

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from destination_customerio.config.model import Config
    from destination_customerio.delivery.lanes import Lanes

# After a signal: eight for the rows in flight (`sync/pipeline_settings.py`), and less than ten, after which platforms kill.
_STOP_SECONDS = 9.0
# A block may be as large as the largest row, and reading is no slower than sending.
_BLOCKS_WAITING = 2
_STOPPING = "Stopping: the requests in flight are finished, which takes nine seconds at most."
_NOTHING_IS_LOST = "No row is lost: each is in its file, under replayed/, or in both."
_CUT_SHORT = (
    f"Stopped without waiting any longer for the bucket or Customer.io. {_NOTHING_IS_LOST} Run the replay again in a "
    "minute, when its lease has expired."
)


def run_rejected_command(
    parsed: argparse.Namespace, on_signal: Callable[[Callable[[int], object]], None]
) -> int:
    """Run one of the two commands; returns the exit code: 0, 1 after an error, or 128 + the signal that stopped it.

    Args:
        parsed: the arguments
        on_signal: sets the handler of SIGTERM and SIGINT
    """
    filters = Filters(parsed.sync_id, parsed.stream, parsed.since)

    def work() -> int:
        config = read_config(parsed.config, os.environ)
        if parsed.command == "rejected":
            return _rejected(config, filters, parsed)
        return _replay(config, parsed, filters, on_signal)

    return run_text_command(work, _NOTHING_IS_LOST)


def _rejected(config: Config, filters: Filters, parsed: argparse.Namespace) -> int:
    storage = _storage(config)
    report = report_file(parsed.report)
    with RejectedFiles(storage) as bucket, open_view(with_lines=False) as view:
        summary = summarize(bucket, storage, filters, view, mapped_columns(config.stream_mappings))
    document = summary.to_json()
    if parsed.json:
        print(json.dumps(document, indent=2))
    else:
        show_summary(summary)
    if report:
        report.write(rejected_page(document))
        (say_on_stderr if parsed.json else print)(f"Report: {parsed.report}")
    sys.stdout.flush()
    return 0


def _replay(
    config: Config,
    parsed: argparse.Namespace,
    filters: Filters,
    on_signal: Callable[[Callable[[int], object]], None],
) -> int:
    storage = _storage(config)
    streams = read_catalog(parsed.catalog)
    inbox = Inbox(_BLOCKS_WAITING)
    report = report_file(parsed.report)
    with (
        RejectedFiles(storage) as bucket,
        open_view() as view,
        contextlib.ExitStack() as stack,
    ):
        syncs = stream_syncs(config, streams, view.say, replay_event_id)
        for line in settings_lines(config):
            view.say(line)
        lanes = _start_lanes(config, inbox, dry_run=parsed.dry_run)
        stack.callback(lanes.abort)
        settings = PipelineSettings(max_weight_bytes=max_weight_bytes(config.max_concurrent_requests))
        file_replay = FileReplay(lanes, inbox, view, paced_settings(config, settings))
        # From here on rows may be in flight, so a signal starts a graceful shutdown.
        Deadline(_STOP_SECONDS, partial(say_aside, _STOPPING, on_stdout=True), partial(say_aside, _CUT_SHORT))
        on_signal(file_replay.stop)
        replay = Replay(bucket, storage, syncs, file_replay, view, dry_run=parsed.dry_run)
        if not parsed.dry_run:  # a dry run changes nothing, so it needs no lease
            stack.enter_context(Lease(storage, on_lost=file_replay.fail))
            # Again, as the lease is released first: another replay may then start, so nothing more may be sent.
            stack.callback(lanes.abort)
        outcome = replay.run(filters)
        for line in closing_lines(outcome, dry_run=parsed.dry_run):
            view.say(line)
        if report:
            objects = {str(sync.stream): sync.target.name for sync in syncs}
            report.write(replay_page(outcome.to_json(objects, dry_run=parsed.dry_run)))
            view.say(f"Report: {parsed.report}")
    return 128 + outcome.stopped_by if outcome.stopped_by else 0


def _start_lanes(config: Config, inbox: Inbox, *, dry_run: bool) -> Lanes:
    if dry_run:
        return DryLanes(config.max_concurrent_requests, inbox.post)
    check_limits(config)
    track_url = resolve_track_url(config, time.sleep, time.time)
    # Rows that were rejected before may all be rejected again; that does not mean that the account is at fault.
    return start_lanes(config, track_url, inbox, BreakerLimits(rows=math.inf))


def _storage(config: Config) -> S3Storage:
    storage = config.object_storage_config
    if isinstance(storage, S3Storage):
        return storage
    raise ConfigError(
        "No bucket is configured (object_storage_config), so there are no stored rejected rows to work on. Nothing was "
        "done. Configure the bucket that the rejected rows were written to."
    )
