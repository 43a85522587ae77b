"""A report's content: the JSON document of a command, arranged for a reader.

Every number on a page comes from the document, so that the page and `--json` cannot differ.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from destination_customerio import __version__
from destination_customerio.exact_json.codec import encode
from destination_customerio.reports.advice import Advice, advice_for_dry_run, advice_for_stored_rows
from destination_customerio.reports.html import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from destination_customerio.exact_json.codec import JsonObject

# A longer chart than this has no room for its bars; the days before are in the counts.
_MAX_BARS = 90
_BAR_UNITS = 100


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name; `sort` is `good`, `bad` or `quiet`, for its color."""

    name: str
    number: int
    sort: str = "quiet"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart: `share` of its full height in percent, rounded up so that no row is invisible."""

    name: str
    rows: int
    share: int


@dataclass(frozen=True, slots=True)
class RejectedKind:
    """Rejected rows with the same reason and column."""

    reason: str
    column: str
    rows: int
    example: str
    first: str
    last: str
    bars: tuple[Bar, ...]
    advice: Advice


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """Where a column goes."""

    column: str
    use: str
    becomes: str
    note: str
    rows: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A row beside what becomes of it, as JSON texts."""

    outcome: str
    row: str
    entry: str
    reason: str


@dataclass(frozen=True, slots=True)
class StreamPart:
    """What a page says about one stream."""

    name: str
    object: str
    figures: tuple[Figure, ...]
    how: str = ""
    requests: int | None = None
    columns: tuple[ColumnRow, ...] = ()
    rejected: tuple[RejectedKind, ...] = ()
    skipped: tuple[tuple[str, int], ...] = ()
    event_ages: tuple[Figure, ...] = ()
    samples: tuple[Sample, ...] = ()

    @property
    def shares(self) -> tuple[tuple[Figure, float], ...]:
        """The figures with their shares in percent, for a bar; those of no rows have no part of it."""
        total = sum(figure.number for figure in self.figures)
        return tuple((figure, 100 * figure.number / total) for figure in self.figures if figure.number)


@dataclass(frozen=True, slots=True)
class Page:
    """A report."""

    title: str
    lead: str
    why_rejected: str
    totals: tuple[Figure, ...]
    streams: tuple[StreamPart, ...]
    requests: tuple[Figure, ...] = ()
    fullness_percent: int | None = None
    settings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    skipped_files: tuple[tuple[str, str], ...] = ()
    made_at: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    version: str = __version__


def dry_run_page(document: JsonObject) -> str:
    """The report of `write --dry-run`, as HTML."""
    rows, requests = document["rows"], document["requests"]
    fullness = requests["bytes"] / (requests["count"] * requests["limit_bytes"]) if requests["count"] else 0
    part_of_input = "" if document["is_complete"] else " Only a part of the input was read."
    return render(
        Page(
            title="Dry run",
            lead=f"What a sync would do with these rows. Nothing was sent and nothing was stored.{part_of_input}",
            why_rejected="Why rows would be rejected",
            totals=(
                Figure("read", rows["read"]),
                Figure("would be sent", rows["would_be_sent"], "good"),
                Figure("rejected", rows["rejected"], "bad"),
                Figure("skipped", rows["skipped"]),
            ),
            requests=(
                Figure("requests", requests["count"]),
                Figure("bytes", requests["bytes"]),
                Figure("bytes in the fullest", requests["fullest_bytes"]),
                Figure("bytes at most", requests["limit_bytes"]),
            ),
            fullness_percent=round(100 * fullness) if requests["count"] else None,
            settings=tuple(document["settings"]),
            warnings=tuple(document["warnings"]),
            streams=tuple(map(_dry_run_stream, document["streams"])),
        )
    )


def rejected_page(document: JsonObject) -> str:
    """The report of `rejected`, as HTML."""
    by_stream = groupby(document["rejected"], key=lambda kind: kind["stream"])
    return render(
        Page(
            title="Rejected rows",
            lead="The rejected rows in the bucket, and why they were rejected. Values are masked.",
            why_rejected="Why rows were rejected",
            totals=(
                Figure("rejected", document["rows"], "bad"),
                Figure("files", document["files"]),
                Figure("files skipped", document["skipped_files"]),
            ),
            skipped_files=tuple((file["key"], file["cause"]) for file in document["skipped"]),
            streams=tuple(_stored_stream(stream, list(kinds)) for stream, kinds in by_stream),
        )
    )


def replay_page(document: JsonObject) -> str:
    """The report of `replay`, as HTML."""
    rows = document["rows"]
    would = "would be " if document["is_dry_run"] else ""
    lead = "Rejected rows that were sent again."
    if document["is_dry_run"]:
        lead = "What a replay would do. Nothing was sent, and no file was changed."
    if document["is_stopped"]:
        lead += " It was stopped before the end; run it again to resume."
    accepted = "would be sent" if document["is_dry_run"] else "accepted"
    return render(
        Page(
            title="Replay",
            lead=lead,
            why_rejected=f"Why rows {'would be' if document['is_dry_run'] else 'were'} rejected again",
            totals=(
                Figure(accepted, rows["accepted"], "good"),
                Figure(f"{would}rejected again", rows["rejected"], "bad"),
                Figure("files left unchanged", document["skipped_files"]),
            ),
            streams=tuple(
                _replayed_stream(stream, accepted, f"{would}rejected again") for stream in document["streams"]
            ),
        )
    )


def _dry_run_stream(stream: JsonObject) -> StreamPart:
    rows, ages = stream["rows"], stream["event_ages"]
    return StreamPart(
        stream["stream"],
        stream["object"],
        (
            Figure("would be sent", rows["would_be_sent"], "good"),
            Figure("rejected", rows["rejected"], "bad"),
            Figure("skipped", rows["skipped"]),
        ),
        how=f"{stream['how'][:1].upper()}{stream['how'][1:]}." if stream["how"] else "",
        requests=stream["requests"],
        columns=tuple(
            ColumnRow(use["column"] or "(constant)", use["use"], use["becomes"], use["note"], use["rows"])
            for use in stream["columns"]
        ),
        rejected=_kinds(stream["rejected"], advice_for_dry_run),
        skipped=tuple((why["reason"], why["rows"]) for why in stream["skipped"]),
        event_ages=(
            Figure("within 72 hours: may trigger campaigns", ages["recent"], "good"),
            Figure("older: trigger no campaign", ages["older"]),
            Figure("in the future", ages["future"]),
        )
        if ages
        else (),
        samples=tuple(map(_sample, stream["samples"])),
    )


def _replayed_stream(stream: JsonObject, accepted: str, rejected: str) -> StreamPart:
    name, rows = stream["stream"], stream["rows"]
    return StreamPart(
        name,
        stream["object"],
        (Figure(accepted, rows["accepted"], "good"), Figure(rejected, rows["rejected"], "bad")),
        rejected=_kinds(
            stream["rejected"], lambda reason, column: advice_for_stored_rows(reason, column, name)
        ),
    )


def _stored_stream(stream: str, kinds: Sequence[JsonObject]) -> StreamPart:
    return StreamPart(
        stream,
        "",
        (Figure("rejected", sum(kind["rows"] for kind in kinds), "bad"),),
        rejected=_kinds(kinds, lambda reason, column: advice_for_stored_rows(reason, column, stream)),
    )


def _kinds(kinds: Iterable[JsonObject], advice: Callable[[str, str], Advice]) -> tuple[RejectedKind, ...]:
    return tuple(
        RejectedKind(
            kind["reason"],
            kind["field"],
            kind["rows"],
            kind["example"],
            kind["first"],
            kind["last"],
            _bars(kind["by_day"]),
            advice(kind["reason"], kind["field"]),
        )
        for kind in kinds
    )


def _bars(by_day: Mapping[str, int]) -> tuple[Bar, ...]:
    """A bar for each day from the first to the last; none for a single day, which the times say already."""
    if len(by_day) < 2:
        return ()
    last = date.fromisoformat(max(by_day))
    first = max(date.fromisoformat(min(by_day)), last - timedelta(days=_MAX_BARS - 1))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    most = max(by_day.values())
    return tuple(
        Bar(day.isoformat(), rows, -(-_BAR_UNITS * rows // most))
        for day in days
        for rows in (by_day.get(day.isoformat(), 0),)
    )


def _sample(sample: dict[str, Any]) -> Sample:
    reason = sample.get("message") or sample.get("reason") or sample.get("note", "")
    entry = _json(sample["entry"]) if "entry" in sample else ""
    return Sample(sample["outcome"], _json(sample["row"]), entry, reason)


def _json(value: Any, levels: int = 2) -> str:
    """JSON with each member of the outer objects on a line of its own."""
    if not isinstance(value, dict) or not value or not levels:
        return encode(value).decode()
    members = ",\n".join(
        f"{encode(name).decode()}: {_json(item, levels - 1)}" for name, item in value.items()
    )
    return f"{{\n{textwrap.indent(members, '  ')}\n}}"
