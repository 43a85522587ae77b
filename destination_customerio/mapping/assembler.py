"""Turns a row of one stream into the bytes of one entry, or into the reason why it isn't or can't be sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import JsonObject, NestedTooDeeply, compacted, encode
from destination_customerio.mapping.airbyte_columns import (
    DELETED,
    DELETED_AT,
    DELETED_AT_FOLDED,
    NOT_DELETED,
    Skipped,
    is_deleted,
)
from destination_customerio.mapping.attribute_rules import AttributeRules
from destination_customerio.mapping.columns import AssemblySettings, Columns
from destination_customerio.mapping.endpoints import SegmentMember, Several
from destination_customerio.mapping.event_ids import RowIds
from destination_customerio.mapping.json_text import json_columns, parse_json_text
from destination_customerio.mapping.limits import (
    MAX_ENTRY_BYTES,
    MAX_VALUE_BYTES,
    check_attribute_count,
    check_values,
    has_long_value,
    nested_too_deeply,
)
from destination_customerio.mapping.notices import UnreadableTimes
from destination_customerio.mapping.null_values import omit_nulls
from destination_customerio.mapping.relationships import check_repeated_attributes, fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.mapping.destination_object import DestinationObject
    from destination_customerio.mapping.event_ages import EventAges
    from destination_customerio.mapping.identifiers import Order
    from destination_customerio.mapping.notices import Notice

    # The keys that a row must stay in order with, and its encoded entry; a member of a segment comes with its endpoint.
    Assembled = tuple[Order, bytes | Several | SegmentMember]


class RowRename(Protocol):
    """Renames the columns of a stream's rows to those of its destination object."""

    @property
    def sources(self) -> Mapping[str, str]:
        """The source column, as the row spells it, by destination column."""

    @property
    def mapped(self) -> Collection[str]:
        """The destination columns that are mapped by name, constants included."""

    def __call__(self, row: JsonObject) -> JsonObject:
        """The row under its new names, in a dict of its own."""

    def of_schema(self, properties: Mapping[str, Any]) -> JsonObject:
        """The properties of the stream's schema under their new names."""


class Assembler:
    """Assembles the rows of one stream. Not thread-safe; owned by the coordinator thread.

    rename      renames each row before it is read; None for no renaming
    event_ages  counts the rows that are events; None for no count
    """

    def __init__(
        self,
        stream: Stream,
        target: DestinationObject,
        settings: AssemblySettings,
        rename: RowRename | None = None,
        event_ages: EventAges | None = None,
    ) -> None:
        if rename:
            stream = replace(stream, properties=rename.of_schema(stream.properties))
        self._rename = rename
        self._event_ages = event_ages
        self._sources = rename.sources if rename else {}
        self._build = target.build
        self._is_deletion = target.is_deletion
        self._deletion = target.deletion if settings.deleted_rows == "delete" else None
        self._columns = Columns(stream, settings, keeps_identifiers=target.keeps_identifiers)
        strategy = settings.event_id_strategy if target.is_event else "none"
        self._row_id = RowIds(stream) if strategy == "from_row" else None
        self._fresh_id = settings.fresh_id if strategy == "retry_safe" else None
        self._attributes_are_limited = target.attributes == "limited"
        self._rules = AttributeRules(target, rename.mapped if rename else ())
        self._steps = self._steps_of(stream, settings)

    def assemble(self, data: JsonObject, line: bytes) -> Assembled | Skipped:
        """The keys that the row must stay in order with, and its encoded entry; or why the row is skipped.

        Args:
            data: the row, whose columns are values, or the bytes of values; it is consumed
            line: the line of its RECORD message

        Raises:
            Rejection: the row can't be sent. It names the column at fault as the row spells it.
        """
        try:
            # In the original row, as renaming may drop the column.
            if (DELETED_AT in data or DELETED_AT_FOLDED in data) and (
                outcome := self._marked(data)
            ) is not None:
                return outcome
            # From the original row: rows that differ are different events, even if renaming drops the difference.
            row_id = self._row_id(data) if self._row_id else None
            attributes = self._rename(data) if self._rename else data
            order, entry = self._build(self._columns, attributes)
            if isinstance(entry, SegmentMember):
                self._rules.apply(attributes)
                return order, entry
            if row_id:
                entry.setdefault("id", row_id)
            elif self._fresh_id and "id" not in entry:
                entry["id"] = self._fresh_id(line)
            for step in self._steps:
                step(attributes)
            if type(order) is tuple:
                check_repeated_attributes(entry, attributes)
            sent: bytes | Several
            sent = encoded = encode(entry)
            if len(encoded) > MAX_VALUE_BYTES:  # in a shorter entry no value can exceed its limit
                sent = self._within_limits(attributes, entry, encoded)
        except NestedTooDeeply:
            raise nested_too_deeply() from None
        except Rejection as rejection:
            raise rejection.in_row(self._sources) from None
        if self._event_ages:
            self._event_ages.count(entry.get("timestamp"))
        return order, sent

    def _steps_of(self, stream: Stream, settings: AssemblySettings) -> list[Callable[[JsonObject], None]]:
        """What converts and checks the attributes of the stream's rows, in place; all named columns are removed by then."""
        steps: list[Callable[[JsonObject], None]] = []
        if self._columns.dates:
            steps.append(self._columns.convert_dates)
        if found := json_columns(stream.properties):
            steps.append(partial(parse_json_text, columns=found))
        if settings.null_values == "omit":  # before they are counted as attributes
            steps.append(omit_nulls)
        return [*steps, self._rules.apply]

    def take_notices(self) -> list[Notice]:
        """Notices of columns that no earlier call returned."""
        return self._rules.take_notices()

    def take_closing_notices(self) -> list[Notice]:
        """Notices that count values of the rows since the last call; columns are named as the rows spell them."""
        unreadable = self._columns.unreadable
        if not unreadable:
            return []
        notice = UnreadableTimes(
            Counter({self._sources.get(name, name): times for name, times in unreadable.items()})
        )
        unreadable.clear()
        return [notice]

    def _within_limits(self, attributes: JsonObject, entry: JsonObject, encoded: bytes) -> bytes | Several:
        """The encoded entry, without the space between its values, or in several entries, if it is too long."""
        is_limited = self._attributes_are_limited
        if is_limited:
            check_attribute_count(attributes)
        if len(encoded) > MAX_ENTRY_BYTES or (is_limited and has_long_value(attributes)):
            if is_limited:
                check_values(attributes)
            return fitting(entry, compacted(encoded))
        return encoded

    def _marked(self, data: JsonObject) -> Assembled | Skipped | None:
        """The outcome of a row that says whether it was deleted in its source; None if it is assembled as any other."""
        deleted = is_deleted(data)
        if self._is_deletion:
            return None if deleted else NOT_DELETED
        if not deleted:
            return None
        if self._deletion is None:
            return DELETED
        order, entry = self._deletion(self._columns, self._rename(data) if self._rename else data)
        return order, entry if isinstance(entry, SegmentMember) else fitting(entry, encode(entry))
