"""Where the columns of a row went: read off the row and the entry that it became.

Comparing the two, rather than asking each step what it did, cannot disagree with what is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from destination_customerio.exact_json.codec import JsonObject, as_object
from destination_customerio.mapping.acting_attributes import acts
from destination_customerio.mapping.airbyte_columns import is_airbytes
from destination_customerio.mapping.notices import MAIL_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from destination_customerio.mapping.identifiers import IdentifierKind
    from destination_customerio.mapping.objects import DestinationObject

Use = Literal["identifier", "named", "attribute", "converted", "reserved", "left out"]


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What became of one column of a row.

    column   as the row spells it; "" for a constant of the configuration
    becomes  its name in the entry; "" if it was left out
    use      `identifier` of a person or an object; `named`, a column with a meaning of its own, such as `event_name`;
             `attribute`, sent as it came; `converted`, an attribute whose value was changed; `reserved`, an attribute that
             makes Customer.io act; or `left out`
    note     why it was left out; otherwise ""
    """

    column: str
    becomes: str
    use: Use
    note: str = ""


class Destinations(Protocol):
    """The names that the columns of one stream's rows get."""

    def destinations(self, row: JsonObject) -> Iterable[tuple[str, str]]:
        """Each column of a row, or path into it, and a name that it gets; "" if it gets none."""
        ...

    @property
    def mapped(self) -> Collection[str]:
        """The names that the configuration maps a column or a constant to."""
        ...


class SameNames:
    """The destinations of rows that are not renamed."""

    mapped: Collection[str] = ()

    def destinations(self, row: JsonObject) -> Iterator[tuple[str, str]]:
        """See `Destinations`."""
        return ((name, name) for name in row)


def column_uses(
    row: JsonObject,
    entry: JsonObject,
    target: DestinationObject,
    kind: IdentifierKind,
    names: Destinations,
) -> Iterator[ColumnUse]:
    """What became of each column of a row.

    Args:
        row: the row as it came, parsed
        entry: the entry that was made of it, parsed
        target: the object that it is an entry of
        kind: how the configuration identifies people
        names: how the stream's columns are renamed
    """
    named = [column.name for column in target.named_columns(kind)]
    identity = set(named[: len(target.identity)])
    attributes = _attributes(entry)
    for column, name in names.destinations(row):
        if not name:
            yield ColumnUse(column, "", "left out", "replaced or dropped by the stream's mapping")
        elif name in identity:
            yield ColumnUse(column, name, "identifier")
        elif name in named:
            yield ColumnUse(column, name, "named")
        elif name not in attributes:
            yield ColumnUse(column, "", "left out", _why_left_out(name, target, names))
        elif (target.attributes_act and acts(name)) or (target.is_event and name in MAIL_ATTRIBUTES):
            yield ColumnUse(column, name, "reserved")
        elif column in row and row[column] != attributes[name]:
            yield ColumnUse(column, name, "converted")
        else:
            yield ColumnUse(column, name, "attribute")


def _attributes(entry: JsonObject) -> JsonObject:
    """The attributes of an entry, whichever level they are at."""
    holders: list[Any] = [entry, entry.get("device")]
    keys = "attributes", "relationship_attributes"
    relationships = entry.get("cio_relationships")
    holders += relationships if isinstance(relationships, list) else []
    for holder in map(as_object, holders):
        for key in keys:
            if holder and (found := as_object(holder.get(key))):
                return found
    return {}


def _why_left_out(name: str, target: DestinationObject, names: Destinations) -> str:
    if is_airbytes(name) and name not in names.mapped:
        return "a column of Airbyte's own"
    if target.attributes == "ignored":
        return f"{target.name} has no attributes"
    if target.attributes == "of_device":
        return "Customer.io refuses devices with it"
    return "not sent"
