"""Turns a row of one stream into the bytes of one entry, or into the reason why it can't be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio import limits
from destination_customerio.columns import AssemblySettings, Columns
from destination_customerio.errors import Rejection
from destination_customerio.json_text import JsonObject, NestedTooDeeply, encode

if TYPE_CHECKING:
    from destination_customerio.catalog import Stream
    from destination_customerio.operations import DestinationObject

# An event attribute of these names changes where Customer.io sends the mails of a campaign.
_MAIL_ATTRIBUTES = ("recipient", "from_address", "reply_to")
# Rows made of maps may bring new column names for ever; the memory of names must not grow with them.
_MAX_KNOWN_NAMES = 10_000


class Assembler:
    """Assembles the rows of one stream.

    mail_attributes  columns seen so far that redirect an event's mails; the sync warns of them once
    """

    def __init__(self, stream: Stream, target: DestinationObject, settings: AssemblySettings) -> None:
        self.target = target
        self.mail_attributes: set[str] = set()
        self._build = target.build
        self._columns = Columns(stream, settings)
        self._dates = self._columns.dates
        self._limits_attributes = target.limits_attributes
        self._known_names: set[str] = set()

    def assemble(self, data: JsonObject) -> tuple[str, bytes]:
        """The order key and the encoded entry of a row, which is taken apart.

        Raises:
            Rejection: the row can't be sent.
            ExactDigitsNeeded: the row must be parsed exactly and assembled again.
        """
        try:
            key, entry = self._build(self._columns, data)
            attributes: JsonObject = entry["attributes"]
            for column in self._dates:
                self._columns.convert(attributes, column)
            if self._limits_attributes:
                self._check_names(attributes)
            else:
                self._note_mail_attributes(attributes)
            encoded = encode(entry)
        except NestedTooDeeply:
            raise Rejection("invalid", "", "The row's objects are nested too deeply to be sent.") from None
        if len(encoded) > limits.MAX_VALUE_BYTES:  # in a shorter entry no value can be over its limit
            self._check_large(attributes, len(encoded))
        return key, encoded

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

    def _note_mail_attributes(self, attributes: JsonObject) -> None:
        for name in _MAIL_ATTRIBUTES:
            if name in attributes:
                self.mail_attributes.add(name)

    def _check_large(self, attributes: JsonObject, size: int) -> None:
        if self._limits_attributes:
            limits.check_attribute_count(attributes)
            limits.check_values(attributes)
        limits.check_entry_size(size)
