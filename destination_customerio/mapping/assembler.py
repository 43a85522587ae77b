"""Turns a row of one stream into the bytes of one entry, or into the reason why it can't be sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import JsonObject, NestedTooDeeply, encode
from destination_customerio.mapping import limits
from destination_customerio.mapping.columns import AssemblySettings, Columns

if TYPE_CHECKING:
    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.mapping.identifiers import OrderKey
    from destination_customerio.mapping.objects import DestinationObject
    from destination_customerio.routing.rename import Rename

# An event attribute of these names changes where Customer.io sends the mails of a campaign.
_MAIL_ATTRIBUTES = frozenset({"recipient", "from_address", "reply_to"})
# Rows made of maps may bring new column names for ever; the memory of names must not grow with them.
_MAX_KNOWN_NAMES = 10_000
_MAX_IGNORED_NAMES = 100


class Assembler:
    """Assembles the rows of one stream.

    mail_attributes  columns seen so far that redirect an event's mails; the sync warns of them once
    ignored_columns  columns seen so far that the object has no place for; the sync tells of them once
    """

    def __init__(self, stream: Stream, target: DestinationObject, settings: AssemblySettings) -> None:
        self.mail_attributes: set[str] = set()
        self.ignored_columns: set[str] = set()
        self._build = target.build
        self._columns = Columns(stream, settings)
        self._dates = self._columns.dates
        self._attributes_are_limited = target.attributes == "limited"
        self._look_at_names = {
            "limited": self._check_names,
            "of_event": self._note_mail_attributes,
            "free": self._accept_names,
            "ignored": self._note_ignored_columns,
        }[target.attributes]
        self._known_names: set[str] = set()

    def assemble(self, data: JsonObject) -> tuple[OrderKey | tuple[OrderKey, OrderKey], bytes]:
        """What the row must stay in order with, and its encoded entry. The row is taken apart.

        Raises:
            Rejection: the row can't be sent.
            ExactDigitsNeeded: the row must be parsed exactly and assembled again.
        """
        try:
            order, entry = self._build(self._columns, data)
            # All named columns are taken out by now: what is left of the row are its attributes.
            for column in self._dates:
                self._columns.convert(data, column)
            self._look_at_names(data)
            encoded = encode(entry)
        except NestedTooDeeply:
            raise Rejection("invalid", "", "The row's objects are nested too deeply to be sent.") from None
        if len(encoded) > limits.MAX_VALUE_BYTES:  # in a shorter entry no value can be over its limit
            if self._attributes_are_limited:
                limits.check_attribute_count(data)
                limits.check_values(data)
            limits.check_entry_size(len(encoded))
        return order, encoded

    def _check_names(self, attributes: JsonObject) -> None:
        """Check names seen for the first time; the names of a stream's rows are nearly always the same ones."""
        if attributes.keys() <= self._known_names:
            return
        limits.check_attribute_count(attributes)
        new = attributes.keys() - self._known_names
        limits.check_names(new)
        if len(self._known_names) + len(new) > _MAX_KNOWN_NAMES:
            self._known_names.clear()
        self._known_names |= new

    def _accept_names(self, attributes: JsonObject) -> None:
        """Names that the API sets no limit to."""

    def _note_mail_attributes(self, attributes: JsonObject) -> None:
        # This way round it is three lookups, however wide the row.
        if not attributes.keys().isdisjoint(_MAIL_ATTRIBUTES):
            self.mail_attributes |= _MAIL_ATTRIBUTES & attributes.keys()

    def _note_ignored_columns(self, rest: JsonObject) -> None:
        if rest and len(self.ignored_columns) < _MAX_IGNORED_NAMES:
            self.ignored_columns |= rest.keys()


class MappedAssembler(Assembler):
    """Assembles the rows of a stream whose columns are renamed first; see `Assembler`."""

    def __init__(
        self,
        stream: Stream,
        target: DestinationObject,
        settings: AssemblySettings,
        rename: Rename,
    ) -> None:
        stream = replace(stream, properties=rename.of_schema(stream.properties))
        super().__init__(stream, target, settings)
        self._rename = rename
        self._columns: _ColumnsOfRenamedRows = _ColumnsOfRenamedRows(stream, settings)

    def assemble(self, data: JsonObject) -> tuple[OrderKey | tuple[OrderKey, OrderKey], bytes]:
        """See `Assembler.assemble`. A rejection names the column as the row spells it, not as it was renamed."""
        self._columns.row = data
        try:
            return super().assemble(self._rename(data))
        except Rejection as rejection:
            if source := self._rename.sources.get(rejection.field):
                message = f"{rejection.message} ({rejection.field} is mapped from {source}.)"
                raise Rejection(rejection.reason, source, message) from None
            raise


class _ColumnsOfRenamedRows(Columns):
    """Reads renamed columns, but makes ids of the row as it came: two rows that differ stay two, whatever is dropped."""

    row: JsonObject

    def row_id(self, data: JsonObject) -> str | None:
        """See `Columns.row_id`."""
        del data
        return super().row_id(self.row)
