"""Which rejected rows a person means: of a sync, of a stream, since a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from destination_customerio.dead_letters.reading.bucket import RejectedFile
    from destination_customerio.dead_letters.reading.layout import RejectedRow
    from destination_customerio.dead_letters.reading.stream_of_file import Origin


@dataclass(frozen=True, slots=True)
class Filters:
    """All that are given must hold.

    sync_id  the platform's number of the job
    stream   a stream's name, with its namespace and a dot before it or without
    since    milliseconds since 1970: when the source gave the row
    """

    sync_id: int | None = None
    stream: str | None = None
    since: int | None = None

    def may_hold(self, file: RejectedFile, origin: Origin | None) -> bool:
        """Whether it is worth looking into a file. Only its label and its stream are asked."""
        if self.stream is not None and not (origin and origin.is_called(self.stream)):
            return False
        label = file.label
        return self.sync_id is None or label is None or label.sync_id == self.sync_id

    def take(self, row: RejectedRow, file: RejectedFile) -> bool:
        """Whether a row is meant. Where it does not say when it came, the time of its file counts."""
        if self.sync_id is not None and row.sync_id != self.sync_id:
            return False
        extracted_at = file.stored_at if row.extracted_at is None else row.extracted_at
        return self.since is None or extracted_at >= self.since


def parse_since(text: str) -> int:
    """A date or a time in ISO 8601, as milliseconds since 1970; without a zone it is UTC.

    Raises:
        ValueError: it is neither.
    """
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def written_time(milliseconds: int | None) -> str:
    """A time for people and programs, in whole seconds; empty when there is none."""
    if milliseconds is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):  # a row may say anything
        return ""
