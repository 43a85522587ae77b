"""What happens to the attributes of a stream's rows because of their names.

The rows of a stream nearly always have the same columns in the same order, so what happens to them is decided once. A row
with the columns of the last one costs one comparison, and a conversion or removal only where a name asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.mapping.acting_attributes import ActingAttributes, acts
from destination_customerio.mapping.airbyte_columns import is_airbytes
from destination_customerio.mapping.limits import check_attribute_count, check_names
from destination_customerio.mapping.notices import (
    MAIL_ATTRIBUTES,
    ColumnNames,
    IgnoredColumns,
    MailAttributes,
    Notice,
    RefusedAttributes,
    UnclearBooleans,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from destination_customerio.exact_json.codec import JsonObject
    from destination_customerio.mapping.destination_object import DestinationObject

# Customer.io refuses a device that has one of these among its attributes.
REFUSED_OF_DEVICES = frozenset({"token", "platform"})
# Rows built from maps may bring new column names without end; the memory for names must be bounded.
_MAX_KNOWN_NAMES = 10_000


class AttributeRules:
    """Applies the rules of one stream. Not thread-safe; owned by the coordinator thread.

    mapped  destination columns that the configuration maps by name; these are sent even if they are named like Airbyte's
    """

    def __init__(self, target: DestinationObject, mapped: Collection[str] = ()) -> None:
        self._sort = target.attributes
        self._acts = target.attributes_act
        self._mapped = mapped
        # What is known of the last row: its columns, and which of them are left out and converted.
        self._columns: list[str] = []
        self._left_out_here: list[str] = []
        self._converted_here: list[str] = []
        self._known: set[str] = set()
        self._left_out: set[str] = set()
        self._converted: set[str] = set()
        self._acting = ActingAttributes()
        self._mail_attributes = ColumnNames()
        self._refused = ColumnNames()
        self._ignored_columns = ColumnNames()

    def apply(self, attributes: JsonObject) -> None:
        """Remove and convert attributes in place.

        Raises:
            Rejection: too many attributes, or a name that Customer.io does not accept.
        """
        if list(attributes) != self._columns:
            self._look_at(list(attributes))
        for name in self._left_out_here:
            del attributes[name]
        for name in self._converted_here:
            self._acting.convert(attributes, name)

    def take_notices(self) -> list[Notice]:
        """Notices of columns that no earlier call returned."""
        notices: list[Notice] = []
        if names := self._mail_attributes.take():
            notices.append(MailAttributes(names))
        if names := self._refused.take():
            notices.append(RefusedAttributes(names))
        if names := self._acting.unclear.take():
            notices.append(UnclearBooleans(names, is_last=self._acting.unclear.is_full))
        if names := self._ignored_columns.take():
            notices.append(IgnoredColumns(names, is_last=self._ignored_columns.is_full))
        return notices

    def _look_at(self, columns: list[str]) -> None:
        if not self._known.issuperset(columns):
            self._learn(columns)
        self._left_out_here = [name for name in columns if name in self._left_out]
        self._converted_here = [name for name in columns if name in self._converted]
        self._columns = columns

    def _learn(self, columns: list[str]) -> None:
        new = [name for name in columns if name not in self._known]
        if len(self._known) + len(new) > _MAX_KNOWN_NAMES:
            for names in (self._known, self._left_out, self._converted):
                names.clear()
            new = columns
        airbytes = {name for name in new if is_airbytes(name) and name not in self._mapped}
        self._left_out |= airbytes
        own = [name for name in new if name not in airbytes]
        match self._sort:
            case "limited":
                check_attribute_count([name for name in columns if name not in self._left_out])
                check_names(own)
            case "of_event":
                self._mail_attributes.add([name for name in own if name in MAIL_ATTRIBUTES])
            case "of_device":
                refused = [name for name in own if name in REFUSED_OF_DEVICES]
                self._refused.add(refused)
                self._left_out.update(refused)
            case "ignored":
                self._ignored_columns.add(own)
        if self._acts:
            self._converted.update(name for name in own if acts(name))
        self._known.update(new)
