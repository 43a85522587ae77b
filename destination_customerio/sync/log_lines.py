"""The lines of a sync's log: sentences and counts, never a row's value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, assert_never

from destination_customerio.config.storage import S3Storage
from destination_customerio.foreign_text import HIDDEN
from destination_customerio.mapping.airbyte_columns import Skipped
from destination_customerio.mapping.event_ages import RECENT_HOURS
from destination_customerio.mapping.identifiers import AnyIdentifier
from destination_customerio.mapping.notices import (
    IgnoredColumns,
    MailAttributes,
    RefusedAttributes,
    UnclearBooleans,
    UnreadableTimes,
)
from destination_customerio.wording import counted, reason_with_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from destination_customerio.config.model import Config
    from destination_customerio.mapping.event_ages import EventAges
    from destination_customerio.mapping.notices import Notice
    from destination_customerio.sync.stream_sync import StreamSync

# A sync of a thousand streams is summed up, not listed.
_MAX_LISTED_STREAMS = 100
_MAX_LISTED_REASONS = 20


class Line(NamedTuple):
    """A line of the summary, and whether it is a warning."""

    text: str
    is_warning: bool = False


@dataclass(slots=True)
class RequestCounts:
    """Requests to the Track API, failed attempts included, and retries by the reason of the failure.

    body_bytes  what was delivered, failed attempts left out
    """

    requests: int = 0
    body_bytes: int = 0
    retries: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class StateCounts:
    """Rows by what states say of them.

    acknowledged_rows  before the last state that was acknowledged
    source_rows        before the last state that was received, as the source counted them; 0 if it doesn't count
    """

    acknowledged_rows: int = 0
    source_rows: int = 0


def start_lines(config: Config, track_url: str, streams: Sequence[StreamSync]) -> Iterator[str]:
    """What the sync writes, and where."""
    storage = config.object_storage_config
    rejected = (
        f"are stored in s3://{storage.s3_bucket_name}/{storage.bucket_path}"
        if isinstance(storage, S3Storage)
        else "are only counted, as no bucket is configured"
    )
    identifier = "any identifier" if config.identifier_type == "any" else config.identifier_type
    yield (
        f"Writing to {track_url} with up to {counted(config.max_concurrent_requests, 'concurrent request')}, identifying "
        f"people by {identifier}. Rejected rows {rejected}."
    )
    yield from plan_lines(config, streams)


def pace_line(max_rows_per_second: int) -> str:
    """The limit that the configuration sets."""
    return (
        f"Throttled on purpose: at most {counted(max_rows_per_second, 'row')} per second "
        f"{'is' if max_rows_per_second == 1 else 'are'} sent, as configured in max_rows_per_second."
    )


def plan_lines(config: Config, streams: Sequence[StreamSync]) -> Iterator[str]:
    """Which stream becomes which object, and what the configuration changes about all rows."""
    yield from settings_lines(config)
    for stream in streams[:_MAX_LISTED_STREAMS]:
        yield stream_line(stream)
    if len(streams) > _MAX_LISTED_STREAMS:
        yield f"{counted(len(streams) - _MAX_LISTED_STREAMS, 'more stream')} not listed."


def settings_lines(config: Config) -> Iterator[str]:
    """What the configuration changes about the rows of all streams."""
    if config.max_rows_per_second:
        yield pace_line(config.max_rows_per_second)
    if config.null_values == "omit":
        yield "Null attributes are left out (null_values: omit)."


def stream_line(stream: StreamSync) -> str:
    """Which object a stream becomes, and what is unusual about how its rows are written."""
    how = how_written(stream)
    separator = ", " if stream.target.sync_mode == "update" else "; "
    return f"Stream {stream.stream} goes to {stream.target.name}{separator + how if how else ''}."


def how_written(stream: StreamSync) -> str:
    """What is unusual about how a stream's rows are written; "" if nothing is."""
    how = []
    if stream.target.sync_mode == "update":
        how.append("updating people who exist and creating nobody")
    if stream.target.names_a_person and isinstance(stream.identification, AnyIdentifier):
        columns = [kind.column for kind in stream.identification.alternatives]
        how.append(
            f"its primary key identifies people by {columns[0]}"
            if len(columns) == 1
            else f"the first of {', '.join(columns)} that a row has identifies the person"
        )
    return "; ".join(how)


def progress_line(
    streams: Iterable[StreamSync],
    requests: RequestCounts,
    seconds: float,
    rows_before: int,
    delivered_word: str = "delivered",
    max_rows_per_second: int = 0,
) -> str:
    """Progress; `rows_before` were read `seconds` ago."""
    counts = [stream.counts for stream in streams]
    read = sum(count.read for count in counts)
    rejected = sum((count.rejected for count in counts), Counter[tuple[str, str]]())
    skipped = sum((count.skipped for count in counts), Counter[Skipped]())
    return (
        f"{counted(read, 'row')} read ({(read - rows_before) / max(seconds, 0.001):,.0f} rows/s), "
        f"{sum(count.delivered for count in counts):,} {delivered_word} in {counted(requests.requests, 'request')}, "
        f"{_rejected(rejected)}{_skipped(skipped)}, {_retries(requests)}, {counted(sum(count.waiting for count in counts), 'row')} waiting."
        f"{' ' + pace_line(max_rows_per_second) if max_rows_per_second else ''}"
    )


def pace_words(requests: int, sent_bytes: int, seconds: float, states: StateCounts) -> str:
    """How fast requests went out in the last `seconds`, and how many of the source's rows are acknowledged."""
    duration = max(seconds, 0.001)
    pace = f" Lately {requests / duration:,.1f} requests/s and {sent_bytes / duration / 1e6:,.2f} MB/s."
    if not states.source_rows:
        return pace
    return (
        f"{pace} Of the {counted(states.source_rows, 'row')} that the source counted in its states so far, "
        f"{states.acknowledged_rows:,} are acknowledged."
    )


def summary_lines(
    streams: Sequence[StreamSync], requests: RequestCounts, delivered_word: str = "delivered"
) -> Iterator[Line]:
    """The outcome of each stream's rows."""
    # Where not all are listed, those with rejected rows come first: somebody must look at them.
    if len(streams) > _MAX_LISTED_STREAMS:
        streams = sorted(streams, key=lambda stream: not stream.counts.rejected)
    for stream in streams[:_MAX_LISTED_STREAMS]:
        counts = stream.counts
        waiting = f", {counts.waiting:,} not settled" if counts.waiting else ""
        yield Line(
            f"Stream {stream.stream}: {counted(counts.read, 'row')} read, {counts.delivered:,} {delivered_word}, "
            f"{_rejected(counts.rejected)}{_skipped(counts.skipped)}{waiting}.",
            is_warning=bool(counts.rejected),
        )
        if counts.read > counts.skipped.total() and not counts.delivered:
            verb = "was delivered" if delivered_word == "delivered" else delivered_word
            rows = f"{counted(counts.read, 'row')} {'was' if counts.read == 1 else 'were'} read"
            yield Line(f"No row of stream {stream.stream} {verb}, although {rows}.", is_warning=True)
        if stream.event_ages and stream.event_ages.total:
            yield Line(_event_ages_line(stream, stream.event_ages))
    total = len(streams)
    if total > _MAX_LISTED_STREAMS:
        yield Line(f"{counted(total - _MAX_LISTED_STREAMS, 'more stream')} not listed.")
    # A dry run makes none, and has a line of its own about those of the sync.
    if requests.requests or requests.retries:
        yield Line(f"{counted(requests.requests, 'request')} to Customer.io, {_retries(requests)}.")


def stored_lines(storage: S3Storage, rows: int, files: int) -> Iterator[Line]:
    """What was put into the bucket."""
    if rows:
        yield Line(
            f"{counted(rows, 'rejected row')} stored in {counted(files, 'file')} under "
            f"s3://{storage.s3_bucket_name}/{storage.bucket_path}. Summarize them with the command rejected, and resend them "
            "with replay."
        )


def unkept_lines(config: Config, streams: Iterable[StreamSync]) -> Iterator[Line]:
    """A warning about rejected rows that are stored nowhere."""
    rejected = sum(stream.counts.rejected.total() for stream in streams)
    if rejected and not isinstance(config.object_storage_config, S3Storage):
        yield Line(
            f"{counted(rejected, 'rejected row')} {'is' if rejected == 1 else 'are'} stored nowhere, as no bucket is "
            "configured. To keep such rows with the reasons, and to fix and resend them, set Rejected rows "
            "(object_storage_config).",
            is_warning=True,
        )


def _event_ages_line(stream: StreamSync, ages: EventAges) -> str:
    return (
        f"Stream {stream.stream}: of {counted(ages.total, 'event')}, {ages.recent:,} at most {RECENT_HOURS} hours old, which "
        f"may trigger campaigns; {ages.older:,} older, which won't; {ages.future:,} in the future (when the sync started)."
    )


def skipped_type_line(name: str) -> str:
    """A warning about messages of an unknown type."""
    return (
        f"Messages of the unknown type {name or HIDDEN} are skipped; they are not part of the protocol that "
        "this version of the connector knows. Rows and states are not affected."
    )


def skipped_line(stream: StreamSync, skipped: Counter[Skipped]) -> str:
    """Rows of a replayed file that were not sent although nothing is wrong with them."""
    return f"Stream {stream.stream}: {_skipped(skipped).removeprefix(', ')}. Skipped rows count as accepted."


def notice_line(stream: StreamSync, notice: Notice) -> str:
    """A warning about columns of a stream."""
    match notice:
        case MailAttributes(names):
            return (
                f"Stream {stream.stream} sends events with {_columns(stream, names)}. Customer.io uses attributes with these names "
                "to address the emails that an event triggers, instead of the person's own address. Rename the column if "
                "that is not intended."
            )
        case IgnoredColumns(names, is_last):
            further = " Further columns may be ignored; they are not listed." if is_last else ""
            return (
                f"{stream.target.name} ignores {counted(len(names), 'column')} of stream {stream.stream}: "
                f"{_columns(stream, names)}.{further}"
            )
        case RefusedAttributes(names):
            return (
                f"Customer.io refuses devices with an attribute {_columns(stream, names, ' or ')}, so {stream.target.name} leaves it out of "
                f"the rows of stream {stream.stream}. Rename the column if you need it."
            )
        case UnclearBooleans(names, is_last):
            further = " There may be further ones; they are not listed." if is_last else ""
            return (
                f"Stream {stream.stream} has values in {_columns(stream, names)} that are neither true nor false. They were sent as "
                "they are; Customer.io may read them as false, that is, take people who unsubscribed as subscribed. Correct "
                f"them in the source.{further}"
            )
        case UnreadableTimes(values):
            named = Counter[str]()
            for name, times in values.items():
                named[stream.columns.shown(name)] += times
            return (
                f"Stream {stream.stream}: {counted(values.total(), 'value')} of date columns could not be read as a time, and "
                f"kept the form that they have in the row{_listed(named)}. Customer.io can't compare them with dates."
            )
        case _:
            assert_never(notice)


def _columns(stream: StreamSync, names: Iterable[str], separator: str = ", ") -> str:
    return separator.join(dict.fromkeys(map(stream.columns.shown, names)))


def _rejected(rejected: Counter[tuple[str, str]]) -> str:
    named = Counter({reason_with_column(reason, column): rows for (reason, column), rows in rejected.items()})
    return f"{rejected.total():,} rejected{_listed(named)}"


def _skipped(skipped: Counter[Skipped]) -> str:
    """How many rows were skipped, if any."""
    if not skipped:
        return ""
    named = Counter({why.reason: rows for why, rows in skipped.items()})
    return f", {skipped.total():,} skipped{_listed(named)}"


def _retries(requests: RequestCounts) -> str:
    return f"{counted(requests.retries.total(), 'retry', 'retries')}{_listed(requests.retries)}"


def _listed(counts: Counter[str]) -> str:
    """The most frequent by name, and the rest in one, so that the list adds up to the total."""
    if not counts:
        return ""
    shown = counts.most_common(_MAX_LISTED_REASONS)
    rest = counts.total() - sum(times for _, times in shown)
    return f" [{', '.join(f'{name}: {times:,}' for name, times in [*shown, *([('others', rest)] if rest else [])])}]"
