"""Where the columns of a row went: read off the row and the entry that it became.

Comparing the two, rather than asking each step what it did, cannot disagree with what is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from destination_customerio.exact_json.codec import JsonObject, as_object
from destination_customerio.mapping.acting_attributes import acts
from destination_customerio.mapping.airbyte_columns import is_airbytes
from destination_customerio.mapping.attribute_rules import REFUSED_OF_DEVICES
from destination_customerio.mapping.notices import MAIL_ATTRIBUTES
from destination_customerio.mapping.people import read_kinds
from destination_customerio.mapping.visible_text import is_blank

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from destination_customerio.mapping.destination_object import DestinationObject
    from destination_customerio.mapping.identifiers import Identification

_AIRBYTES = "a column of Airbyte's own"
# What an entry does that a row becomes because it was deleted in its source.
_DELETIONS = frozenset({"delete", "delete_device", "delete_relationships"})

Use = Literal["identifier", "named", "attribute", "converted", "reserved", "left out"]


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What became of one column of a row.

    column   as the row spells it; "" for a constant of the configuration
    becomes  its name in the entry; "" if it was left out, except of a constant, which has no other name
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

    def destinations(self, row: JsonObject) -> Iterable[tuple[str, str, Any]]:
        """Each column of a row, or path into it, a name that it gets, and its value; "" if it gets no name."""
        ...

    @property
    def mapped(self) -> Collection[str]:
        """The names that the configuration maps a column or a constant to."""
        ...


class SameNames:
    """The destinations of rows that are not renamed."""

    mapped: Collection[str] = ()

    def destinations(self, row: JsonObject) -> Iterator[tuple[str, str, Any]]:
        """See `Destinations`."""
        return ((name, name, value) for name, value in row.items())


def column_uses(
    row: JsonObject,
    entry: JsonObject,
    target: DestinationObject,
    identification: Identification,
    names: Destinations,
) -> Iterator[ColumnUse]:
    """What became of each column of a row.

    Args:
        row: the row as it came, parsed
        entry: the entry that was made of it, parsed; of a member of a segment, its ids and what the endpoint says of them
        target: the object that it is an entry of
        identification: how rows identify people
        names: how the stream's columns are renamed
    """
    named = [column.name for column in target.named_columns(identification)]
    people = {kind.column: kind.name for kind in read_kinds(identification)} if target.names_a_person else {}
    attributes = _attributes(entry)
    identifiers = _identifiers(entry)
    is_deletion = entry.get("action") in _DELETIONS
    found = list(names.destinations(row))
    own_names = {name for _, name, value in found if not is_blank(value)}
    for column, name, value in found:
        if not name:
            yield ColumnUse(column, "", "left out", _why_unmapped(column, names))
        elif name in target.identity or people.get(name) in identifiers:
            yield ColumnUse(column, name, "identifier")
        elif name in people:
            yield _other_identifier(column, people[name], value, attributes, own_names)
        elif name in named and not is_deletion:
            yield ColumnUse(column, name, "named")
        elif name not in attributes:
            why = _why_left_out(name, value, target, names, is_deletion=is_deletion)
            yield ColumnUse(column, "" if column else name, "left out", why)
        elif (target.attributes_act and acts(name)) or (target.is_event and name in MAIL_ATTRIBUTES):
            yield ColumnUse(column, name, "reserved")
        elif value != attributes[name]:
            yield ColumnUse(column, name, "converted")
        else:
            yield ColumnUse(column, name, "attribute")


def _other_identifier(
    column: str, kind: str, value: Any, attributes: JsonObject, own_names: Collection[str]
) -> ColumnUse:
    """What became of a person's column that does not identify the person of this row."""
    if is_blank(value):
        return ColumnUse(column, "", "left out", "blank")
    if kind in own_names:
        return ColumnUse(column, "", "left out", f"the row has a column {kind} of its own")
    if kind in attributes:  # Customer.io knows the person by it too
        return ColumnUse(column, kind, "attribute")
    return ColumnUse(column, "", "left out", "not the identifier of this row")


def _identifiers(entry: JsonObject) -> set[str]:
    """The kinds of identifiers of an entry, and of those that it relates."""
    relationships = entry.get("cio_relationships")
    holders = [entry, *(relationships if isinstance(relationships, list) else [])]
    kinds = {entry["id_type"]} if "id_type" in entry else set()
    return kinds.union(*(as_object(holder.get("identifiers")) or {} for holder in holders))


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


def _why_unmapped(column: str, names: Destinations) -> str:
    if is_airbytes(column) and column not in names.mapped:
        return _AIRBYTES
    return "replaced or dropped by the stream's mapping"


def _why_left_out(
    name: str, value: Any, target: DestinationObject, names: Destinations, *, is_deletion: bool
) -> str:
    if is_airbytes(name) and name not in names.mapped:
        return _AIRBYTES
    if target.attributes == "ignored":
        return f"{target.name} has no attributes"
    if is_deletion:
        return "deleted in the source; a deletion has only identifiers"
    if target.attributes == "of_device" and name in REFUSED_OF_DEVICES:
        return "Customer.io refuses devices with it"
    if value is None:
        return "null, which null_values leaves out"
    return "not sent"
