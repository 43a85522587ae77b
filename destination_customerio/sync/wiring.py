"""Builds syncs from their parts; dry runs and replays use the same ones."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from destination_customerio.config.ignored_keys import ignored_key_lines
from destination_customerio.config.storage import S3Storage
from destination_customerio.dead_letters.spool import BucketDeadLetters, CountedDeadLetters
from destination_customerio.delivery.lanes import ThreadedLanes
from destination_customerio.errors import ConfigError
from destination_customerio.ledger import Ledger
from destination_customerio.machine_limits import too_small
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFICATIONS
from destination_customerio.routing.constants import check_constants
from destination_customerio.routing.identification import resolve_identification
from destination_customerio.routing.rename import resolve_renames
from destination_customerio.routing.router import route, unused_mapping_lines
from destination_customerio.routing.schema_warnings import overwrite_warnings, schema_warnings
from destination_customerio.routing.segments import check_segments
from destination_customerio.sync import log_lines
from destination_customerio.sync.pipeline import Pipeline
from destination_customerio.sync.pipeline_settings import PipelineSettings
from destination_customerio.sync.reporter import LogReporter
from destination_customerio.sync.stream_sync import StreamSync
from destination_customerio.track_api.answer_memory import AnswerMemory
from destination_customerio.track_api.client import TrackClient
from destination_customerio.track_api.region import read_timeout_seconds, resolve_track_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.airbyte.output import Output
    from destination_customerio.config.model import Config
    from destination_customerio.dead_letters.spool import DeadLetters
    from destination_customerio.delivery.breaker import BreakerLimits
    from destination_customerio.delivery.lanes import Lanes
    from destination_customerio.sync.events import Inbox

_LEAST_WEIGHT_BYTES = 48 << 20
_WEIGHT_BYTES_PER_LANE = 4 << 20


class Sync:
    """A `write` that is ready to run once something posts lines into its inbox.

    closers  called at the end, however the sync ends, including at a deadline or with a closed stdout
    """

    def __init__(self, pipeline: Pipeline, closers: Sequence[Callable[[], None]]) -> None:
        self._pipeline = pipeline
        self._closers = closers

    def run(self) -> int | None:
        """See `Pipeline.run`."""
        try:
            return self._pipeline.run()
        finally:
            for close in self._closers:
                close()


def prepare_sync(config: Config, streams: Sequence[Stream], inbox: Inbox, output: Output) -> Sync:
    """Check everything that can be checked before the first row: routes, formats, bucket, credentials, region.

    Raises:
        SyncError: the sync can't start; nothing was read.
    """
    check_limits(config)
    syncs = stream_syncs(config, streams, output.warn, started_at=time.time())
    ledger = Ledger()
    dead_letters, closers, storage_lines = _dead_letters(config, syncs, ledger, inbox)
    track_url = resolve_track_url(config, time.sleep, time.time)
    for line in log_lines.start_lines(config, track_url, syncs):
        output.info(line)
    lanes = start_lanes(config, track_url, inbox)
    reporter = LogReporter(
        syncs,
        output,
        time.monotonic(),
        closing_lines=storage_lines,
        max_rows_per_second=config.max_rows_per_second,
    )
    settings = paced_settings(
        config,
        PipelineSettings(
            max_weight_bytes=max_weight_bytes(config.max_concurrent_requests),
            max_rejected_percent=config.max_rejected_percent,
        ),
    )
    pipeline = Pipeline(
        syncs, ledger, lanes, dead_letters, inbox, output.write_state, reporter, time.monotonic, settings
    )
    return Sync(pipeline, [lanes.abort, *closers])


def max_weight_bytes(lanes: int) -> int:
    """The budget for data that is read and not yet settled: room for each lane's batch in flight, and one that fills up.

    A full batch of short rows takes about 2 MiB with its lines and Python's overhead. Without room for both, lanes would
    wait, or batches would leave before they are full.
    """
    return max(_LEAST_WEIGHT_BYTES, lanes * _WEIGHT_BYTES_PER_LANE)


def check_limits(config: Config) -> None:
    """Check that this machine's limits leave room for the configured number of lanes.

    Raises:
        ConfigError: one is too low.
    """
    if limit := too_small(config.max_concurrent_requests):
        raise ConfigError(limit.sentences("Nothing was sent."))


def start_lanes(
    config: Config,
    track_url: str,
    inbox: Inbox,
    breaker_limits: BreakerLimits | None = None,
) -> Lanes:
    """Start lanes to the account's own host, which post to the inbox until they are aborted."""
    memory = AnswerMemory()
    return ThreadedLanes(
        config.max_concurrent_requests,
        lambda: TrackClient(
            track_url,
            config.credentials,
            read_timeout_seconds(config),
            memory=memory,
        ),
        config.retry_timeout_seconds,
        inbox.post,
        breaker_limits,
        config.max_rows_per_second or math.inf,
    )


def paced_settings(config: Config, settings: PipelineSettings) -> PipelineSettings:
    """The settings that keep the pace that the configuration asks for, if it does."""
    return settings.at_most(config.max_rows_per_second) if config.max_rows_per_second else settings


def stream_syncs(
    config: Config,
    streams: Sequence[Stream],
    warn: Callable[[str], None],
    fresh_id: Callable[[bytes], str] | None = None,
    started_at: float | None = None,
) -> list[StreamSync]:
    """Decide which object each stream is written to, and how.

    Args:
        config: the configuration
        streams: the catalog's streams
        warn: receives warnings about the configuration and the mappings
        fresh_id: makes the id of an event whose row has none from the row's line, even if the configuration asks for none
        started_at: the start of the sync in unix seconds, to which the ages of events are relative; None for no ages

    Raises:
        ConfigError: a stream has no object that it can be written to.
    """
    for line in ignored_key_lines(config):  # first, as a misspelled key may be why something below fails
        warn(line)
    kind = IDENTIFICATIONS[config.identifier_type]
    strategy = config.event_id_strategy
    settings = AssemblySettings(
        identifier_kind=kind,
        event_id_strategy="retry_safe" if fresh_id and strategy == "none" else strategy,
        convert_timestamps=config.convert_timestamps,
        fresh_id=fresh_id or FreshIds(),
        deleted_rows=config.deleted_rows,
        null_values=config.null_values,
    )
    routes = route(
        streams,
        config.stream_mappings,
        allow_destructive_operations=config.allow_destructive_operations,
    )
    renames = resolve_renames(routes, kind)
    identifications = resolve_identification(routes, renames, kind)
    check_segments(routes, renames, identifications)
    check_constants(routes, renames, identifications, settings)
    for line in unused_mapping_lines(routes, config.stream_mappings):
        warn(line)
    for line in overwrite_warnings(streams):
        warn(line)
    syncs = []
    for (stream, target, _), rename, identification in zip(routes, renames, identifications, strict=True):
        for line in rename.warning_lines(stream) if rename else ():
            warn(line)
        columns = rename.columns_of(stream.properties) if rename else stream.properties
        for line in schema_warnings(stream, columns, target, kind):
            warn(line)
        own_settings = replace(settings, identifier_kind=identification)
        syncs.append(StreamSync(stream, target, own_settings, rename, started_at))
    return syncs


def _dead_letters(
    config: Config, syncs: Sequence[StreamSync], ledger: Ledger, inbox: Inbox
) -> tuple[DeadLetters, Sequence[Callable[[], None]], Callable[[], Iterable[log_lines.Line]]]:
    """Where rejected rows go, what to close at the end, and what to say of them in the summary."""
    storage = config.object_storage_config
    if not isinstance(storage, S3Storage):
        return CountedDeadLetters(ledger.settle_rejected), (), lambda: log_lines.unkept_lines(config, syncs)
    bucket = BucketDeadLetters(storage, inbox.post, ledger.settle_rejected, time.monotonic, time.time)
    return (
        bucket,
        (bucket.close,),
        lambda: log_lines.stored_lines(storage, bucket.stored_rows, bucket.stored_files),
    )
