"""Wires the parts of one `write` together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from destination_customerio.config.storage import S3Storage
from destination_customerio.dead_letters.spool import BucketDeadLetters, CountedDeadLetters
from destination_customerio.delivery.batch import Batcher
from destination_customerio.delivery.lanes import Sender
from destination_customerio.delivery.throttle import MAX_REFUSALS_IN_A_ROW
from destination_customerio.ledger import Ledger
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.routing.rename import resolve_mappings
from destination_customerio.routing.router import route, unused_mapping_lines
from destination_customerio.sync import log_lines
from destination_customerio.sync.dry_run import DryLanes
from destination_customerio.sync.pipeline import Pipeline
from destination_customerio.sync.stream_sync import StreamSync
from destination_customerio.track_api.client import TrackClient
from destination_customerio.track_api.region import read_timeout_seconds, resolve_track_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.airbyte.output import Output
    from destination_customerio.airbyte.stdin import Inbox
    from destination_customerio.config.model import Config
    from destination_customerio.dead_letters.spool import DeadLetters


def prepare_sync(config: Config, streams: Sequence[Stream], inbox: Inbox, output: Output) -> Pipeline:
    """Settle all that can be settled before the first row: routes, formats, credentials, region.

    Returns a pipeline that is ready to `run` once something posts lines into the inbox.

    Raises:
        SyncError: the sync can't begin; nothing was read.
    """
    syncs = stream_syncs(config, streams, output.warn)
    ledger = Ledger()
    dead_letters, close_dead_letters = _dead_letters(config, ledger, inbox)
    track_url = resolve_track_url(config, time.sleep, time.time)
    for line in log_lines.start_lines(config, track_url, syncs):
        output.info(line)

    sender = make_sender(config, track_url, inbox)
    return Pipeline(
        syncs,
        ledger,
        Batcher(sender.lanes),
        sender,
        dead_letters,
        inbox,
        output,
        time.monotonic,
        on_end=close_dead_letters,
    )


def make_sender(
    config: Config, track_url: str, inbox: Inbox, max_refusals_in_a_row: float = MAX_REFUSALS_IN_A_ROW
) -> Sender:
    """The lanes of one pipeline, to the account's own host; they run from now on."""
    return Sender(
        config.max_concurrent_requests,
        lambda: TrackClient(track_url, config.credentials, read_timeout_seconds(config)),
        config.retry_timeout_seconds,
        inbox.post,
        max_refusals_in_a_row,
    )


def prepare_dry_run(
    config: Config, streams: Sequence[Stream], inbox: Inbox, output: Output
) -> tuple[Pipeline, DryLanes]:
    """A pipeline that does everything but send, and the lanes that count what would have been sent.

    Neither Customer.io nor the bucket is asked for anything.

    Raises:
        SyncError: the sync could not begin; nothing was read.
    """
    syncs = stream_syncs(config, streams, output.warn)
    ledger = Ledger()
    sender = DryLanes(config.max_concurrent_requests, inbox.post)
    for line in log_lines.stream_lines(syncs):
        output.info(line)
    pipeline = Pipeline(
        syncs,
        ledger,
        Batcher(sender.lanes),
        sender,
        CountedDeadLetters(ledger.settle_rejected),
        inbox,
        output,
        time.monotonic,
        delivered_word="would be sent",
    )
    return pipeline, sender


def stream_syncs(
    config: Config,
    streams: Sequence[Stream],
    warn: Callable[[str], None],
    fresh_ids: Callable[[], str] | None = None,
) -> list[StreamSync]:
    """Settle where each stream goes, and how.

    Args:
        config: the configuration
        streams: the catalog's streams
        warn: takes a line on what is odd about the mappings
        fresh_ids: gives ids to events whose row has none, also where the configuration asks for none

    Raises:
        ConfigError: a stream can't go anywhere.
    """
    kind = IDENTIFIER_KINDS[config.identifier_type]
    strategy = config.event_id_strategy
    settings = AssemblySettings(
        identifier_kind=kind,
        event_id_strategy="retry_safe" if fresh_ids and strategy == "none" else strategy,
        convert_timestamps=config.convert_timestamps,
        fresh_ids=fresh_ids or FreshIds(),
    )
    routes = route(
        streams,
        config.stream_mappings,
        allow_destructive_operations=config.allow_destructive_operations,
    )
    field_mappings = resolve_mappings(routes, kind)
    for line in unused_mapping_lines(routes, config.stream_mappings):
        warn(line)
    syncs = []
    for (stream, target, _), field_mapping in zip(routes, field_mappings, strict=True):
        for line in field_mapping.warning_lines(stream) if field_mapping else ():
            warn(line)
        syncs.append(StreamSync(stream, target, settings, field_mapping))
    return syncs


def _dead_letters(config: Config, ledger: Ledger, inbox: Inbox) -> tuple[DeadLetters, Callable[[], None]]:
    storage = config.object_storage_config
    if isinstance(storage, S3Storage):
        bucket = BucketDeadLetters(storage, inbox.post, ledger.settle_rejected, time.monotonic, time.time)
        return bucket, bucket.close
    return CountedDeadLetters(ledger.settle_rejected), lambda: None
