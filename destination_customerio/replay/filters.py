"""Selects rejected rows by sync, stream and time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from destination_customerio.dead_letters.kinds import written_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from destination_customerio.dead_letters.reading.layout import DeadLetter
    from destination_customerio.dead_letters.reading.rejected_file import RejectedFile
    from destination_customerio.dead_letters.reading.stream_of_file import Origin


@dataclass(frozen=True, slots=True)
class Filters:
    """A row must match all filters that are given.

    sync_id  the number of the Airbyte job
    stream   `name` or `namespace.name`
    since    when the source emitted the row, at the earliest; milliseconds since 1970
    """

    sync_id: int | None = None
    stream: str | None = None
    since: int | None = None

    def may_hold(self, file: RejectedFile, origin: Origin | None) -> bool:
        """Whether a file may hold rows that match, judged by its label and its stream alone."""
        if self.stream is not None and not (origin and origin.is_called(self.stream)):
            return False
        label = file.label
        return self.sync_id is None or label is None or label.sync_id == self.sync_id

    def take(self, row: DeadLetter, file: RejectedFile) -> bool:
        """Whether a row matches. The file's sync and time count where the row names none, as when it can't be read."""
        if self.sync_id is not None and _sync_id(row, file) != self.sync_id:
            return False
        extracted_at = file.stored_at if row.extracted_at is None else row.extracted_at
        return self.since is None or extracted_at >= self.since


# Sources may name streams by ids, without limit.
_MAX_NAME_CHARACTERS = 200
_MAX_NAMED = 20
_MAX_KEPT = 1_000


@dataclass(slots=True)
class Found:
    """The streams and syncs that the files in the bucket belong to, as far as it is known; at most 1,000 of each."""

    files: int = 0
    streams: set[str] = field(default_factory=set)
    sync_ids: set[int] = field(default_factory=set)

    def add(self, file: RejectedFile, origin: Origin | None) -> None:
        """Count a file, whether it matches or not."""
        self.files += 1
        if origin and len(self.streams) < _MAX_KEPT:
            self.streams.add(str(origin)[:_MAX_NAME_CHARACTERS])
        if file.label and len(self.sync_ids) < _MAX_KEPT:
            self.sync_ids.add(file.label.sync_id)

    def instead_of(self, filters: Filters) -> str:
        """A sentence for filters that no row matches: what there is instead; empty when there are no filters."""
        given = [
            *([f"--sync-id {filters.sync_id}"] if filters.sync_id is not None else ()),
            *([f"--stream {filters.stream}"] if filters.stream is not None else ()),
            *([f"--since {written_time(filters.since)}"] if filters.since is not None else ()),
        ]
        if not given:
            return ""
        since = f" stored since {written_time(filters.since)}" if filters.since is not None else ""
        if not self.files:
            return f"No rejected row matches {' '.join(given)}: the bucket path has no files{since}."
        there = "; ".join(
            f"{kind}: {_listed(names)}"
            for kind, names in (("streams", sorted(self.streams)), ("syncs", sorted(self.sync_ids)))
            if names
        )
        return (
            f"No rejected row matches {' '.join(given)}. The files in the bucket{since} are of "
            f"{there or 'unknown streams and syncs'}."
        )


def _listed(names: Sequence[object]) -> str:
    more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(map(str, names[:_MAX_NAMED])) + more


def _sync_id(row: DeadLetter, file: RejectedFile) -> int | None:
    return file.label.sync_id if row.sync_id is None and file.label else row.sync_id


def parse_since(text: str) -> int:
    """An ISO 8601 date or time as milliseconds since 1970; UTC unless it names another zone.

    Raises:
        ValueError: the text is neither a date nor a time.
    """
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
