"""What the sync knows of each stream while it runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from destination_customerio.ledger import Track
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.redaction import countable

if TYPE_CHECKING:
    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.errors import Rejection
    from destination_customerio.mapping.assembler import RowRename
    from destination_customerio.mapping.columns import AssemblySettings
    from destination_customerio.mapping.objects import DestinationObject

# Rows made of maps may bring new column names for ever, of any length; what is counted by name must not grow with them.
_MAX_REJECTED_KINDS = 200
_MAX_COLUMN_CHARACTERS = 200
_OTHER = ("other", "")


@dataclass(slots=True)
class RowCounts:
    """Rows of one stream. `rejected` goes by reason and column; rows neither delivered nor rejected are waiting."""

    read: int = 0
    delivered: int = 0
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def waiting(self) -> int:
        """Rows that were read and whose fate is not known yet."""
        return self.read - self.delivered - self.rejected.total()


class StreamSync:
    """One configured stream at work: how its rows become entries, its place in the ledger, its counts."""

    __slots__ = ("assembler", "counts", "stream", "target", "track")

    def __init__(
        self,
        stream: Stream,
        target: DestinationObject,
        settings: AssemblySettings,
        rename: RowRename | None = None,
    ) -> None:
        self.stream = stream
        self.target = target
        self.assembler = Assembler(stream, target, settings, rename)
        self.track = Track(str(stream))
        self.counts = RowCounts()

    def count_rejected(self, rejection: Rejection) -> None:
        """Count one row that the connector rejected: the words are its own, and the column's name the row's."""
        self._count(rejection.reason, rejection.field)

    def count_refused(self, rejection: Rejection, line: bytes) -> None:
        """Count one row that the server rejected, under its words, as far as they may stand in a log."""
        self._count(*countable(rejection, line))

    def _count(self, reason: str, column: str) -> None:
        count_kind(self.counts.rejected, reason, column)


def count_kind(rejected: Counter[tuple[str, str]], reason: str, column: str) -> None:
    """Count one rejected row by reason and column; beyond so many kinds, the further ones as `other`."""
    kind = reason, column[:_MAX_COLUMN_CHARACTERS]
    if len(rejected) >= _MAX_REJECTED_KINDS and kind not in rejected:
        kind = _OTHER
    rejected[kind] += 1
