"""One stream of a running sync: its assembler, its queue in the ledger, its counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from destination_customerio.dead_letters.kinds import bounded_name
from destination_customerio.foreign_text import KnownColumns
from destination_customerio.ledger import StreamQueue
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.event_ages import EventAges

if TYPE_CHECKING:
    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.errors import Rejection
    from destination_customerio.exact_json.codec import JsonObject
    from destination_customerio.mapping.airbyte_columns import Skipped
    from destination_customerio.mapping.assembler import Assembled
    from destination_customerio.mapping.columns import AssemblySettings
    from destination_customerio.mapping.destination_object import DestinationObject
    from destination_customerio.mapping.notices import Notice
    from destination_customerio.routing.rename import Rename


class RowAssembler(Protocol):
    """Makes the entries of one stream's rows; see `Assembler`. Not thread-safe; owned by the coordinator thread."""

    def assemble(self, data: JsonObject, line: bytes) -> Assembled | Skipped:
        """The keys that a row must stay in order with, and its entries; or why the row is skipped."""
        ...

    def take_notices(self) -> list[Notice]:
        """Notices of columns that no earlier call returned."""
        ...

    def take_closing_notices(self) -> list[Notice]:
        """Notices that count values of the rows since the last call."""
        ...


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

    columns     the columns whose names may be shown
    identification
                how its rows identify people
    event_ages  the ages of its events relative to `started_at`, in unix seconds; None if either does not exist
    """

    __slots__ = (
        "assembler",
        "columns",
        "counts",
        "event_ages",
        "identification",
        "queue",
        "rename",
        "stream",
        "target",
    )

    def __init__(
        self,
        stream: Stream,
        target: DestinationObject,
        settings: AssemblySettings,
        rename: Rename | None = None,
        started_at: float | None = None,
    ) -> None:
        self.stream = stream
        self.columns = _columns_of(stream, rename)
        self.target = target
        self.rename = rename
        self.identification = settings.identifier_kind
        self.event_ages = EventAges(started_at) if target.is_event and started_at is not None else None
        self.assembler: RowAssembler = Assembler(stream, target, settings, rename, self.event_ages)
        self.queue = StreamQueue(str(stream))
        self.counts = RowCounts()

    def as_in_row(self, rejection: Rejection) -> Rejection:
        """A rejection whose field, if it is a named column of the object, is the column that the row has it from."""
        named = {column.name for column in self.target.named_columns(self.identification)}
        return (
            rejection.in_row(self.rename.sources) if self.rename and rejection.field in named else rejection
        )

    def count_rejected(self, rejection: Rejection) -> None:
        """Count one row that the connector rejected; the reason is ours, the column name the row's."""
        self._count(rejection.reason, self.columns.shown(rejection.field))

    def count_refused(self, rejection: Rejection) -> None:
        """Count one row that the server rejected, by what may be shown of the server's reason and field."""
        self._count(*self.columns.countable(rejection))

    def _count(self, reason: str, column: str) -> None:
        rejected = self.counts.rejected
        rejected[bounded_name(rejected, reason, column)] += 1


def _columns_of(stream: Stream, rename: Rename | None) -> KnownColumns:
    """The columns of the schema, under their own names and those that the mapping gives them."""
    if rename is None or not stream.properties:
        return KnownColumns.of(stream.properties)
    return KnownColumns.of((*stream.properties, *rename.sources.values(), *rename.mapped))
