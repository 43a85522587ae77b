"""Summarizes the rejected rows in the bucket by stream, reason and field.

No value is shown, but one masked example of each kind is. Reasons and fields may be a server's, so only known words and
columns of the row are shown of them (`foreign_text`). Files and rows are read one by one, and memory is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from destination_customerio.dead_letters.kinds import Kind, masked_example
from destination_customerio.dead_letters.reading.reader import layout_of, read_rows
from destination_customerio.dead_letters.reading.row_texts import UnusableFile
from destination_customerio.dead_letters.reading.stream_of_file import Origins
from destination_customerio.dead_letters.row_format import json_string
from destination_customerio.exact_json.codec import parse_object
from destination_customerio.foreign_text import KnownColumns
from destination_customerio.replay.filters import Found
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.reading.bucket import RejectedFiles
    from destination_customerio.dead_letters.reading.layout import DeadLetter
    from destination_customerio.dead_letters.reading.rejected_file import RejectedFile
    from destination_customerio.replay.console import View
    from destination_customerio.replay.filters import Filters

UNKNOWN_STREAM = "(unknown)"

# Sources may name fields, and even streams, by ids, so their number has no limit.
_MAX_KINDS = 1_000
_MAX_NAME_CHARACTERS = 200
_OTHER = ("other", "")
_OTHER_STREAMS = "(others)"
_MAX_SKIPPED = 1_000


@dataclass(slots=True)
class Summary:
    """What was found.

    files          how many files hold rows that match
    rows           how many rows match
    kinds          by stream, reason and field
    mapped         columns that the configuration maps: rows may lack them, and so not name them
    skipped        files that can't be read, or only in part, by key, with the cause in half a sentence; at most 1,000
    skipped_files  how many there are
    note           what there is instead when filters are given and no row matches
    """

    files: int = 0
    rows: int = 0
    kinds: dict[tuple[str, str, str], Kind] = field(default_factory=dict)
    mapped: frozenset[str] = frozenset()
    skipped: dict[str, str] = field(default_factory=dict)
    skipped_files: int = 0
    note: str = ""

    def add(self, stream: str, row: DeadLetter, key: str = "") -> None:
        """Count a row of the file with this key."""
        reason, column = self._kind_of(row)
        stream = stream[:_MAX_NAME_CHARACTERS]
        kind = stream, reason[:_MAX_NAME_CHARACTERS], column[:_MAX_NAME_CHARACTERS]
        if len(self.kinds) >= _MAX_KINDS and kind not in self.kinds:
            kind = stream, *_OTHER
            if len(self.kinds) >= 2 * _MAX_KINDS and kind not in self.kinds:
                kind = _OTHER_STREAMS, *_OTHER
        self.rows += 1
        data, wrong = row.data, row.rejection.field
        self.kinds.setdefault(kind, Kind()).add(
            row.extracted_at,
            # Of a row that can't be read, where it is.
            lambda: f"{key}, {row.fault}" if data is None else masked_example(data, wrong),
        )

    def _kind_of(self, row: DeadLetter) -> tuple[str, str]:
        column = row.rejection.field
        # No catalog says here which columns a stream has, but the row itself does.
        is_known = column in self.mapped or bool(column and row.data and _is_column(column, row.data))
        return KnownColumns.of((column,) if is_known else ()).countable(row.rejection)

    def skip(self, file: RejectedFile, cause: str) -> None:
        """Count a file that can't be read, or only in part."""
        self.skipped_files += 1
        if len(self.skipped) < _MAX_SKIPPED:
            self.skipped[file.key] = cause

    def sorted_kinds(self) -> list[tuple[tuple[str, str, str], Kind]]:
        """Sorted by stream, the most frequent kind first."""
        return sorted(self.kinds.items(), key=lambda item: (item[0][0], -item[1].rows, item[0]))

    def to_json(self) -> dict[str, Any]:
        """The JSON document for programs."""
        return {
            "files": self.files,
            "rows": self.rows,
            "rejected": [
                {
                    "stream": stream,
                    "reason": reason,
                    "field": column,
                    **kind.to_json(),
                }
                for (stream, reason, column), kind in self.sorted_kinds()
            ],
            "skipped_files": self.skipped_files,
            "skipped": [{"key": key, "cause": cause} for key, cause in self.skipped.items()],
            **({"note": self.note} if self.note else {}),
        }


def summarize(
    bucket: RejectedFiles,
    storage: S3Storage,
    filters: Filters,
    view: View,
    mapped_columns: Iterable[str] = (),
) -> Summary:
    """Count the rejected rows in the bucket.

    Args:
        bucket: the files
        storage: the configuration that they were written under
        filters: which rows to count
        view: shows the progress
        mapped_columns: the columns that the configuration maps

    Raises:
        SyncError: the bucket can't be read.
    """
    summary = Summary(mapped=frozenset(mapped_columns))
    origins = Origins(storage)
    found = Found()
    # A row is stored after it was emitted, so no older file holds a row that matches.
    for number, file in enumerate(bucket.each(filters.since or 0)):
        view.on_file(number, None)
        origin = origins.of(file.key, file.label)
        found.add(file, origin)
        if filters.may_hold(file, origin):
            rows_before = summary.rows
            _summarize_file(bucket, file, str(origin) if origin else UNKNOWN_STREAM, filters, summary)
            view.on_rows(summary.rows - rows_before)
    if not summary.rows:
        summary.note = found.instead_of(filters)
    return summary


def _summarize_file(
    bucket: RejectedFiles, file: RejectedFile, stream: str, filters: Filters, summary: Summary
) -> None:
    rows_before = summary.rows
    try:
        with bucket.fetched(file) as content:
            for row in read_rows(layout_of(content)):
                if filters.take(row, file):
                    summary.add(stream, row, file.key)
    except UnusableFile as error:
        rows = summary.rows - rows_before
        summary.skip(file, f"{error}; {counted(rows, 'row')} before that included" if rows else str(error))
    summary.files += summary.rows > rows_before


def _is_column(name: str, data: bytes) -> bool:
    """Whether a row has a column of this name at its top level."""
    # Most rows that don't are found without parsing them.
    return json_string(name) + b":" in data and name in (parse_object(data) or {})
