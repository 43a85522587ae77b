"""Turns a row of one stream into the bytes of one entry, or into the reason why it can't be sent."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import JsonObject, NestedTooDeeply, encode
from destination_customerio.mapping.columns import AssemblySettings, Columns
from destination_customerio.mapping.event_ids import from_row
from destination_customerio.mapping.limits import (
    MAX_VALUE_BYTES,
    check_attribute_count,
    check_entry_size,
    check_names,
    check_values,
)
from destination_customerio.mapping.notices import (
    MAIL_ATTRIBUTES,
    ColumnNames,
    IgnoredColumns,
    MailAttributes,
    Notice,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.mapping.event_ages import EventAges
    from destination_customerio.mapping.identifiers import OrderKey
    from destination_customerio.mapping.objects import DestinationObject

# Rows made of maps may bring new column names without end; the memory for names must be bounded.
_MAX_KNOWN_NAMES = 10_000


class RowRename(Protocol):
    """Renames the columns of a stream's rows to those of its destination object."""

    @property
    def sources(self) -> Mapping[str, str]:
        """The source column, as the row spells it, by destination column."""

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
        self._columns = Columns(stream, settings)
        self._dates = self._columns.dates
        strategy = settings.event_id_strategy if target.is_event else "none"
        self._row_id = partial(from_row, stream) if strategy == "from_row" else None
        self._fresh_id = settings.fresh_id if strategy == "retry_safe" else None
        self._attributes_are_limited = target.attributes == "limited"
        self._look_at_names = {
            "limited": self._check_names,
            "of_event": self._note_mail_attributes,
            "free": self._accept_names,
            "ignored": self._note_ignored_columns,
        }[target.attributes]
        self._known_names: set[str] = set()
        self._mail_attributes = ColumnNames()
        self._ignored_columns = ColumnNames()

    def assemble(self, data: JsonObject, line: bytes) -> tuple[OrderKey | tuple[OrderKey, OrderKey], bytes]:
        """The keys that the row must stay in order with, and its encoded entry.

        Args:
            data: the row; it is consumed
            line: the line of its RECORD message

        Raises:
            Rejection: the row can't be sent. It names the column at fault as the row spells it.
            ExactDigitsNeeded: the row must be parsed exactly and assembled again.
        """
        try:
            # From the original row: rows that differ are different events, even if renaming drops the difference.
            row_id = self._row_id(data) if self._row_id else None
            attributes = self._rename(data) if self._rename else data
            order, entry = self._build(self._columns, attributes)
            if row_id:
                entry.setdefault("id", row_id)
            elif self._fresh_id and "id" not in entry:
                entry["id"] = self._fresh_id(line)
            # All named columns are removed by now.
            for column in self._dates:
                self._columns.convert(attributes, column)
            self._look_at_names(attributes)
            encoded = encode(entry)
            if len(encoded) > MAX_VALUE_BYTES:  # in a shorter entry no value can exceed its limit
                if self._attributes_are_limited:
                    check_attribute_count(attributes)
                    check_values(attributes)
                check_entry_size(len(encoded))
        except NestedTooDeeply:
            raise Rejection("invalid", "", "The row's objects are nested too deeply to be sent.") from None
        except Rejection as rejection:
            if source := self._sources.get(rejection.field):
                message = f"{rejection.message} ({rejection.field} is mapped from {source}.)"
                raise Rejection(rejection.reason, source, message) from None
            raise
        if self._event_ages:
            self._event_ages.count(entry.get("timestamp"))
        return order, encoded

    def take_notices(self) -> list[Notice]:
        """Notices of columns that no earlier call returned."""
        notices: list[Notice] = []
        if names := self._mail_attributes.take():
            notices.append(MailAttributes(names))
        if names := self._ignored_columns.take():
            notices.append(IgnoredColumns(names, is_last=self._ignored_columns.is_full))
        return notices

    def _check_names(self, attributes: JsonObject) -> None:
        """Check only new names, as the rows of a stream nearly always have the same ones."""
        if self._known_names.issuperset(attributes):
            return
        check_attribute_count(attributes)
        new = attributes.keys() - self._known_names
        check_names(new)
        if len(self._known_names) + len(new) > _MAX_KNOWN_NAMES:
            self._known_names.clear()
        self._known_names |= new

    def _accept_names(self, attributes: JsonObject) -> None:
        """Accept any names, as the API does."""

    def _note_mail_attributes(self, attributes: JsonObject) -> None:
        # In this order it is three lookups, however many columns the row has.
        if not attributes.keys().isdisjoint(MAIL_ATTRIBUTES):
            self._mail_attributes.add(MAIL_ATTRIBUTES & attributes.keys())

    def _note_ignored_columns(self, rest: JsonObject) -> None:
        if rest:
            self._ignored_columns.add(rest)
