"""The commands that people use by hand, `rejected` and `replay`: words on stdout, one sentence on stderr when they fail.

They read the same configuration as the commands of the protocol, and speak none of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from destination_customerio.catalog import read_catalog
from destination_customerio.config_file import read_config
from destination_customerio.dead_letter_bucket import RejectedFiles
from destination_customerio.dry_run import DryLanes
from destination_customerio.errors import ConfigError, SyncError, unexpected
from destination_customerio.masking import printable
from destination_customerio.region import resolve_track_url
from destination_customerio.rejected import summarize
from destination_customerio.rejected_filters import Filters
from destination_customerio.replay import Outcome, Replay
from destination_customerio.replay_claim import Claim
from destination_customerio.replay_file import FileReplay, RowIds
from destination_customerio.storage_config import S3Storage
from destination_customerio.sync import make_sender, stream_syncs
from destination_customerio.terminal import PlainView, TerminalView, make_view, show_summary

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from destination_customerio.config import Config
    from destination_customerio.inbox import Inbox
    from destination_customerio.sender import Lanes


def run_for_people(parsed: argparse.Namespace, on_signal: Callable[[Callable[[int], object]], None]) -> int:
    """Run one of the two commands; returns the exit code: 0, 1 after an error, or 128 + the signal that stopped it.

    Args:
        parsed: the arguments
        on_signal: sets what happens when the process is asked to end
    """
    filters = Filters(parsed.sync_id, parsed.stream, parsed.since)
    try:
        config = read_config(parsed.config, os.environ)
        if parsed.command == "rejected":
            return _rejected(config, filters, as_json=parsed.json)
        return _replay(config, parsed, filters, on_signal)
    except BrokenPipeError:
        # Nobody reads on. Python would complain of it once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SyncError as error:
        return _fail(error)
    except Exception as error:  # noqa: BLE001 - a bug still owes a sentence
        return _fail(unexpected(error))


def _rejected(config: Config, filters: Filters, *, as_json: bool) -> int:
    storage = _storage(config)
    with RejectedFiles(storage) as bucket, make_view(silent=as_json) as view:
        summary = summarize(bucket, storage, filters, view.on_file)
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
    with RejectedFiles(storage) as bucket, make_view() as view:
        row_ids = RowIds()
        syncs = stream_syncs(config, streams, view.say, row_ids)
        file_replay = FileReplay(row_ids, _lanes(config, dry_run=parsed.dry_run), view.say, view.on_rows)
        # From here on there are rows to bring home before the process may end.
        on_signal(file_replay.stop)
        replay = Replay(bucket, storage, syncs, file_replay, view, dry_run=parsed.dry_run)
        # A dry run is in nobody's way.
        claim = contextlib.nullcontext() if parsed.dry_run else Claim(storage)
        try:
            with claim:
                outcome = replay.run(filters)
        except SyncError as error:
            raise type(error)(
                f"{error} The replay stopped there: files that are done stay done, the one under way is as it was. Run "
                "it again to go on.",
                error.internal_message,
            ) from None
        _tell(outcome, view, dry_run=parsed.dry_run)
    return 128 + outcome.stopped_by if outcome.stopped_by else 0


def _lanes(config: Config, *, dry_run: bool) -> Callable[[Inbox], Lanes]:
    if dry_run:
        return lambda inbox: DryLanes(config.max_concurrent_requests, inbox.post)
    return partial(make_sender, config, resolve_track_url(config, time.sleep, time.time))


def _tell(outcome: Outcome, view: PlainView | TerminalView, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    for (stream, reason, column), rows in sorted(
        outcome.rejected.items(), key=lambda item: (item[0][0], -item[1])
    ):
        kind = f"{reason} ({column})" if column else reason
        view.say(f"Stream {stream}: {rows:,} rows {would}rejected again: {kind}.")
    for stream, rows in sorted(outcome.accepted.items()):
        view.say(f"Stream {stream}: {rows:,} rows {would}{'sent' if dry_run else 'accepted'}.")
    left = f" {len(outcome.skipped):,} files were left as they are, see above." if outcome.skipped else ""
    ending = "Stopped before the end; run the replay again to go on." if outcome.stopped_by else "Done."
    if dry_run:
        ending = (
            "Dry run: nothing was sent and no file was changed. What Customer.io itself would refuse is not known before "
            "it is asked."
        )
    view.say(
        f"{outcome.accepted.total():,} rows {would}{'sent' if dry_run else 'accepted'}, "
        f"{outcome.rejected.total():,} {would}rejected again.{left} {ending}"
    )


def _storage(config: Config) -> S3Storage:
    storage = config.object_storage_config
    if isinstance(storage, S3Storage):
        return storage
    raise ConfigError(
        "The configuration keeps no rejected rows: object_storage_config names no bucket. Nothing was done. Name the "
        "bucket that the rejected rows were written to."
    )


def _fail(error: SyncError) -> int:
    print(printable(str(error)), file=sys.stderr)
    return 1
