"""The commands `rejected` and `replay`, for people: words on stdout, one sentence on stderr when they fail.

They read the same configuration as the commands of the Airbyte protocol, and speak none of it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from functools import partial
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

from destination_customerio.airbyte.catalog import read_catalog
from destination_customerio.config.loader import read_config
from destination_customerio.config.storage import S3Storage
from destination_customerio.dead_letters.reading.bucket import RejectedFiles
from destination_customerio.errors import ConfigError, SyncError, unexpected
from destination_customerio.redaction import printable
from destination_customerio.replay.console import open_view, show_summary
from destination_customerio.replay.deadline import Deadline
from destination_customerio.replay.event_ids import RowIds
from destination_customerio.replay.file_replay import FileReplay
from destination_customerio.replay.filters import Filters
from destination_customerio.replay.lease import Lease
from destination_customerio.replay.replay import Replay
from destination_customerio.replay.report import closing_lines
from destination_customerio.replay.summary import summarize
from destination_customerio.sync.dry_run import DryLanes
from destination_customerio.sync.wiring import make_sender, stream_syncs
from destination_customerio.track_api.region import resolve_track_url

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from destination_customerio.airbyte.stdin import Inbox
    from destination_customerio.config.model import Config
    from destination_customerio.delivery.lanes import Lanes

# After a signal: eight for the rows under way (`sync/pipeline.py`), and less than ten, when the platform kills.
_STOP_SECONDS = 9.5
_LEAVE_SECONDS = 1.0
_NOTHING_IS_LOST = "No row is lost: each is in its file, under replayed/, or in both."
_CUT_SHORT = (
    f"Stopped without waiting any longer for the bucket or Customer.io. {_NOTHING_IS_LOST} Run the replay again in a "
    "minute, when its lease has lapsed."
)


def run_rejected_command(
    parsed: argparse.Namespace, on_signal: Callable[[Callable[[int], object]], None]
) -> int:
    """Run one of the two commands; returns the exit code: 0, 1 after an error, or 128 + the signal that stopped it.

    Args:
        parsed: the arguments
        on_signal: sets what happens when the process is asked to end
    """
    filters = Filters(parsed.sync_id, parsed.stream, parsed.since)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names are in all scripts, and terminals in some
            stream.reconfigure(errors="backslashreplace")
    try:
        config = read_config(parsed.config, os.environ)
        if parsed.command == "rejected":
            # Nothing is under way that would have to be finished.
            on_signal(Deadline(_LEAVE_SECONDS).before(_leave))
            return _rejected(config, filters, as_json=parsed.json)
        return _replay(config, parsed, filters, on_signal)
    except BrokenPipeError:
        # Nobody reads on. Python would complain of it once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SyncError as error:
        return _fail(error)
    except Exception as error:  # noqa: BLE001 - a bug still owes a sentence
        return _fail(unexpected(error, _NOTHING_IS_LOST))


def _rejected(config: Config, filters: Filters, *, as_json: bool) -> int:
    storage = _storage(config)
    with RejectedFiles(storage) as bucket, open_view(with_lines=False) as view:
        summary = summarize(bucket, storage, filters, view)
    if as_json:
        print(json.dumps(summary.to_json(), indent=2))
    else:
        show_summary(summary)
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
    with RejectedFiles(storage) as bucket, open_view() as view:
        row_ids = RowIds()
        syncs = stream_syncs(config, streams, view.say, row_ids)
        file_replay = FileReplay(row_ids, _lanes(config, dry_run=parsed.dry_run), view)
        # From here on there are rows to bring home before the process may end.
        on_signal(Deadline(_STOP_SECONDS, _CUT_SHORT).before(file_replay.stop))
        replay = Replay(bucket, storage, syncs, file_replay, view, dry_run=parsed.dry_run)
        # A dry run is in nobody's way.
        lease = contextlib.nullcontext() if parsed.dry_run else Lease(storage)
        with lease:
            outcome = replay.run(filters)
        for line in closing_lines(outcome, dry_run=parsed.dry_run):
            view.say(line)
    return 128 + outcome.stopped_by if outcome.stopped_by else 0


def _lanes(config: Config, *, dry_run: bool) -> Callable[[Inbox], Lanes]:
    if dry_run:
        return lambda inbox: DryLanes(config.max_concurrent_requests, inbox.post)
    track_url = resolve_track_url(config, time.sleep, time.time)
    # Rows that were refused before may all be refused again: that says nothing of the account here.
    return partial(make_sender, config, track_url, max_refusals_in_a_row=math.inf)


def _storage(config: Config) -> S3Storage:
    storage = config.object_storage_config
    if isinstance(storage, S3Storage):
        return storage
    raise ConfigError(
        "The configuration keeps no rejected rows: object_storage_config names no bucket. Nothing was done. Name the "
        "bucket that the rejected rows were written to."
    )


def _leave(signal_number: int) -> NoReturn:
    raise SystemExit(128 + signal_number)


def _fail(error: SyncError) -> int:
    print(printable(str(error)), file=sys.stderr)
    return 1
