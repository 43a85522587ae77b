"""One stream of a running sync: its assembler, its queue in the ledger, its counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from destination_customerio.ledger import StreamQueue
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.event_ages import EventAges
from destination_customerio.redaction import countable

if TYPE_CHECKING:
    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.errors import Rejection
    from destination_customerio.mapping.airbyte_columns import Skipped
    from destination_customerio.mapping.assembler import RowRename
    from destination_customerio.mapping.columns import AssemblySettings
    from destination_customerio.mapping.objects import DestinationObject

# Rows made of maps may bring new column names forever, of any length; counts by name must not grow with them.
_MAX_REJECTED_KINDS = 200
_MAX_COLUMN_CHARACTERS = 200
_OTHER = ("other", "")


@dataclass(slots=True)
class RowCounts:
    """Rows of one stream; `rejected` by reason and column, `skipped` by reason."""

    read: int = 0
    delivered: int = 0
    skipped: Counter[Skipped] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def waiting(self) -> int:
        """Rows that were read and are not settled yet."""
        return self.read - self.delivered - self.skipped.total() - self.rejected.total()


class StreamSync:
    """One stream of a running sync.

    event_ages  the ages of its events relative to `started_at`, in unix seconds; None if either does not exist
    """

    __slots__ = ("assembler", "counts", "event_ages", "queue", "stream", "target")

    def __init__(
        self,
        stream: Stream,
        target: DestinationObject,
        settings: AssemblySettings,
        rename: RowRename | None = None,
        started_at: float | None = None,
    ) -> None:
        self.stream = stream
        self.target = target
        self.event_ages = EventAges(started_at) if target.is_event and started_at is not None else None
        self.assembler = Assembler(stream, target, settings, rename, self.event_ages)
        self.queue = StreamQueue(str(stream))
        self.counts = RowCounts()

    def count_rejected(self, rejection: Rejection) -> None:
        """Count one row that the connector rejected; the reason is ours, the column name the row's."""
        self._count(rejection.reason, rejection.field)

    def count_refused(self, rejection: Rejection, line: bytes) -> None:
        """Count one row that the server rejected, by the server's reason and field as far as they are safe to log."""
        self._count(*countable(rejection, line))

    def _count(self, reason: str, column: str) -> None:
        count_kind(self.counts.rejected, reason, column)


def count_kind(rejected: Counter[tuple[str, str]], reason: str, column: str) -> None:
    """Count one rejected row by reason and column; beyond a limit, new kinds count as `other`."""
    kind = reason, column[:_MAX_COLUMN_CHARACTERS]
    if len(rejected) >= _MAX_REJECTED_KINDS and kind not in rejected:
        kind = _OTHER
    rejected[kind] += 1
