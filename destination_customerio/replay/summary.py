"""What lies in the bucket: rejected rows counted by stream, reason and field.

Values are not shown, but a masked example of each kind is. A server's words are counted as the log counts them, without
what they quote of a row. Files are looked at one after the other, and rows one by one; what is kept is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from destination_customerio.dead_letters.reading.layout import UnusableFile
from destination_customerio.dead_letters.reading.reader import layout_of, read_rows
from destination_customerio.dead_letters.reading.stream_of_file import Origins
from destination_customerio.dead_letters.row_format import json_string
from destination_customerio.exact_json.codec import encode, parse
from destination_customerio.redaction import KNOWN_REASONS, countable, masked
from destination_customerio.replay.filters import written_time

if TYPE_CHECKING:
    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.reading.bucket import RejectedFile, RejectedFiles
    from destination_customerio.dead_letters.reading.layout import RejectedRow
    from destination_customerio.replay.console import View
    from destination_customerio.replay.filters import Filters

UNKNOWN_STREAM = "(unknown)"

# Fields, and even streams, may be named by ids, without end.
_MAX_KINDS = 1_000
_MAX_WORDS = 200
_OTHER = ("other", "")
_OTHER_STREAMS = "(others)"
_MAX_SKIPPED = 1_000


@dataclass(slots=True)
class Kind:
    """Rows that were rejected alike: how many, when the source gave the first and the last, and a masked example."""

    rows: int = 0
    first: int | None = None
    last: int | None = None
    example: str = ""

    def add(self, row: RejectedRow) -> None:
        """Count a row."""
        if not self.rows:
            self.example = _example(row)
        self.rows += 1
        if row.extracted_at is not None:
            self.first = row.extracted_at if self.first is None else min(self.first, row.extracted_at)
            self.last = row.extracted_at if self.last is None else max(self.last, row.extracted_at)


@dataclass(slots=True)
class Summary:
    """What was found.

    kinds          by stream, reason and field
    skipped        files that were left out, with the cause in half a sentence; of very many the first
    skipped_files  how many there are
    """

    files: int = 0
    rows: int = 0
    kinds: dict[tuple[str, str, str], Kind] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    skipped_files: int = 0

    def add(self, stream: str, row: RejectedRow) -> None:
        """Count a row."""
        reason, column = _kind_of(row)
        stream = stream[:_MAX_WORDS]
        kind = stream, reason[:_MAX_WORDS], column[:_MAX_WORDS]
        if len(self.kinds) >= _MAX_KINDS and kind not in self.kinds:
            kind = stream, *_OTHER
            if len(self.kinds) >= 2 * _MAX_KINDS and kind not in self.kinds:
                kind = _OTHER_STREAMS, *_OTHER
        self.rows += 1
        self.kinds.setdefault(kind, Kind()).add(row)

    def skip(self, file: RejectedFile, cause: str) -> None:
        """Leave a file out, or what comes after its fault."""
        self.skipped_files += 1
        if len(self.skipped) < _MAX_SKIPPED:
            self.skipped[file.key] = cause

    def sorted_kinds(self) -> list[tuple[tuple[str, str, str], Kind]]:
        """By stream, the most frequent first."""
        return sorted(self.kinds.items(), key=lambda item: (item[0][0], -item[1].rows, item[0]))

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "files": self.files,
            "rows": self.rows,
            "rejected": [
                {
                    "stream": stream,
                    "reason": reason,
                    "field": column,
                    "rows": kind.rows,
                    "first": written_time(kind.first),
                    "last": written_time(kind.last),
                    "example": kind.example,
                }
                for (stream, reason, column), kind in self.sorted_kinds()
            ],
            "skipped_files": self.skipped_files,
            "skipped": [{"key": key, "cause": cause} for key, cause in self.skipped.items()],
        }


def summarize(bucket: RejectedFiles, storage: S3Storage, filters: Filters, view: View) -> Summary:
    """Count the rejected rows in the bucket.

    Args:
        bucket: the files
        storage: the configuration that they were written under
        filters: which rows count
        view: shows how it gets on

    Raises:
        SyncError: the bucket can't be read.
    """
    summary = Summary()
    origins = Origins(storage)
    # A row is stored after it was given, so older files hold none that is meant.
    for number, file in enumerate(bucket.each(filters.since or 0)):
        view.on_file(number, None)
        origin = origins.of(file.key, file.label)
        if filters.may_hold(file, origin):
            rows_before = summary.rows
            _summarize_file(bucket, file, str(origin) if origin else UNKNOWN_STREAM, filters, summary)
            view.on_rows(summary.rows - rows_before)
    return summary


def _summarize_file(
    bucket: RejectedFiles, file: RejectedFile, stream: str, filters: Filters, summary: Summary
) -> None:
    rows_before = summary.rows
    try:
        with bucket.fetched(file) as content:
            for row in read_rows(layout_of(content)):
                if filters.take(row, file):
                    summary.add(stream, row)
    except UnusableFile as error:
        rows = summary.rows - rows_before
        counted_rows = "the 1 row before that is" if rows == 1 else f"the {rows:,} rows before that are"
        summary.skip(file, f"{error}; {counted_rows} counted" if rows else str(error))
    summary.files += summary.rows > rows_before


def _kind_of(row: RejectedRow) -> tuple[str, str]:
    if row.data is None:
        return row.rejection.reason, ""
    reason, column = row.rejection.reason, row.rejection.field
    # Most are of the connector's own words and name a column of the row: nothing to look for there.
    if reason in KNOWN_REASONS and (not column or json_string(column) + b":" in row.data):
        return reason, column
    return countable(row.rejection, b'{"record":{"data":%b}}' % row.data)


def _example(row: RejectedRow) -> str:
    """The value at fault, masked; the whole row when it is none of the row's columns."""
    if row.data is None:
        return ""
    try:
        data = parse(row.data)
        value = data.get(row.rejection.field, data)
        if value is None:  # which tells nothing of anybody, and much of the rejection
            return "null"
        text = value if isinstance(value, str) else encode(value).decode()
    except (ValueError, AttributeError):
        text = row.data[:100].decode(errors="replace")
    return masked(text)
