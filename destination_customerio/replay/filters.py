"""Selects rejected rows by sync, stream and time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from destination_customerio.dead_letters.reading.bucket import RejectedFile
    from destination_customerio.dead_letters.reading.layout import DeadLetter
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


def _sync_id(row: DeadLetter, file: RejectedFile) -> int | None:
    return file.label.sync_id if row.sync_id is None and file.label else row.sync_id


def parse_since(text: str) -> int:
    """An ISO 8601 date or time as milliseconds since 1970; UTC unless it names another zone.

    Raises:
        ValueError: the text is neither a date nor a time.
    """
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
