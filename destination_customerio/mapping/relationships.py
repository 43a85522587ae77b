"""Relationships in the row of a person or an object: the column `cio_relationships`, in the shape of the Track API.

    [{"identifiers": {"object_type_id": "1", "object_id": "acme"}, "relationship_attributes": {"role": "owner"}}]

In the row of an object, the identifiers are those of a person. The array, and each object in it, may be JSON text. Identifiers
are read as in columns of their own; attributes are copied as they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import (
    JsonObject,
    Oversized,
    Raw,
    as_raw,
    compacted,
    encode,
    plain,
    raw_members,
)
from destination_customerio.mapping.acting_attributes import UPDATE
from destination_customerio.mapping.endpoints import Several
from destination_customerio.mapping.identifiers import (
    IDENTIFIER_KINDS,
    Identified,
    Order,
    OrderKey,
    identified_object,
    identified_person,
)
from destination_customerio.mapping.json_text import items_in, members_in, nested
from destination_customerio.mapping.limits import (
    MAX_BODY_BYTES,
    MAX_ENTRY_BYTES,
    MAX_VALUE_BYTES,
    array_in,
    check_attribute_count,
    check_entry_size,
    check_names,
    check_relationship_count,
    check_values,
    oversized,
)
from destination_customerio.mapping.visible_text import is_blank, trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # Reads the identifiers of a person or an object; returns the order key and the identifiers as sent.
    ReadIdentifiers = Callable[[Mapping[str, Any]], Identified]

RELATIONSHIPS = "cio_relationships"
_IDENTIFIERS = "identifiers"
_ATTRIBUTES = "relationship_attributes"
_OPEN = b',"cio_relationships":['
_CLOSE = b"]}"
# Ours, not the API's: 32 requests of one row.
_MAX_REPEATED_BYTES = 32 * MAX_BODY_BYTES


def take_relationships(
    key: OrderKey, entry: JsonObject, data: JsonObject, read: ReadIdentifiers
) -> tuple[Order, JsonObject]:
    """Move the relationships of a row into its entry; returns all keys to stay in order with, and the entry.

    Args:
        key: the order key of the row's person or object
        entry: the entry
        data: the row
        read: `related_object` or `related_person`

    Raises:
        Rejection: not an array of relationships, or one of them is not valid; it names the column.
    """
    found = [
        _relationship(number, item, read) for number, item in enumerate(_items(data.pop(RELATIONSHIPS)), 1)
    ]
    if not found:
        return key, entry
    entry[RELATIONSHIPS] = [relationship for _, relationship in found]
    return (key, *dict.fromkeys(other for other, _ in found)), entry


def check_repeated_attributes(entry: JsonObject, attributes: JsonObject) -> None:
    """Check attributes that all relationships of an array have, before they are repeated for each.

    Raises:
        Rejection: one relationship is larger than an entry, or all together are larger than any row may become.
    """
    related = entry.get(RELATIONSHIPS, ())
    if len(related) < 2 or related[0].get(_ATTRIBUTES) is not attributes:
        return
    size = len(encode(attributes))
    if size > MAX_VALUE_BYTES:
        check_values(attributes)
    check_entry_size(size)
    if size * len(related) > _MAX_REPEATED_BYTES:
        raise Rejection(
            "too_large",
            "",
            f"The row's attributes, repeated for each of its {len(related):,} relationships, have more than "
            f"{_MAX_REPEATED_BYTES:,} bytes. Divide the array among several rows.",
        )


def fitting(entry: JsonObject, encoded: bytes) -> bytes | Several:
    """The encoded entry, or as many entries as its relationships take.

    Attributes are in the first one. The others add or delete further relationships.

    Raises:
        Rejection: what can't be divided is larger than an entry.
    """
    if len(encoded) <= MAX_ENTRY_BYTES:
        return encoded
    if RELATIONSHIPS not in entry:
        check_entry_size(len(encoded))
    items = [compacted(encode(item)) for item in entry[RELATIONSHIPS]]
    is_identify = entry["action"] == "identify"
    head = {name: value for name, value in entry.items() if name != RELATIONSHIPS}
    entries = []
    while items:
        frame = compacted(encode(head))[:-1]
        fitting_items = _fitting_items(items, MAX_ENTRY_BYTES - len(frame) - len(_OPEN) - len(_CLOSE))
        if fitting_items:
            entries.append(b"".join((frame, _OPEN, b",".join(items[:fitting_items]), _CLOSE)))
            items = items[fitting_items:]
        elif is_identify and not entries:
            check_entry_size(len(frame) + 1)
            entries.append(frame + b"}")
        else:
            check_entry_size(len(frame) + len(_OPEN) + len(items[0]) + len(_CLOSE))
        head = _head_of_further(entry)
    return Several(tuple(entries))


def _head_of_further(entry: JsonObject) -> JsonObject:
    """All but the relationships of the entries after the first one.

    To add relationships creates the person; where nobody may be created, they come with another update of the same time.
    """
    further = {"type": entry["type"], "action": entry["action"], "identifiers": entry["identifiers"]}
    if entry["action"] != "identify":
        return further
    if plain(entry["attributes"].get(UPDATE)) is not True:
        return {**further, "action": "add_relationships"}
    time = {"timestamp": entry["timestamp"]} if "timestamp" in entry else {}
    return {**further, **time, "attributes": {UPDATE: True}}


def _fitting_items(items: list[bytes], room: int) -> int:
    """How many of the first items fit, with commas between them."""
    size = -1
    for number, item in enumerate(items):
        size += 1 + len(item)
        if size > room:
            return number
    return len(items)


def related_object(identifiers: Mapping[str, Any]) -> Identified:
    """The order key and the identifiers of an object in a relationship."""
    names = ("object_type_id", "object_id")
    given = _given(identifiers)
    if not given.keys() <= set(names):
        raise _invalid(f"Exactly {' and '.join(names)} must identify the object.")
    return identified_object(given.get("object_type_id"), given.get("object_id"))


def related_person(identifiers: Mapping[str, Any]) -> Identified:
    """The order key and the identifiers of a person in a relationship."""
    given = _given(identifiers)
    if len(given) != 1 or not given.keys() <= IDENTIFIER_KINDS.keys():
        raise _invalid(f"Exactly one of {', '.join(IDENTIFIER_KINDS)} must identify the person.")
    ((kind, value),) = given.items()
    return identified_person(value, kind, kind)


def _given(identifiers: Mapping[str, Any]) -> dict[str, Any]:
    """The identifiers that are not blank: records of warehouses have a field for each, most of them null.

    If all are blank, these, as they are to be reported.
    """
    values = {name: plain(value) for name, value in identifiers.items()}
    return {name: value for name, value in values.items() if not is_blank(value)} or values


def _items(value: Any) -> list[Raw]:
    """The array in a column; null and blank mean none, and so does the JSON text of null."""
    array = array_in(value)
    if array is None and type(value) is Oversized:
        raise oversized(RELATIONSHIPS)
    items = items_in(value if array is None else array)
    if items is None:
        text = plain(value)
        if is_blank(text) or (type(text) is str and trimmed(text) == "null"):
            return []
        raise _invalid(f"{RELATIONSHIPS} must be an array of relationships, or the JSON text of one.")
    check_relationship_count(RELATIONSHIPS, items)
    return items


def _relationship(number: int, item: Raw, read: ReadIdentifiers) -> Identified:
    try:
        content = nested(item)
        if content is not None and len(memoryview(content)) > MAX_ENTRY_BYTES:
            content = as_raw(content)  # without the space between its values
            check_entry_size(len(memoryview(content)))
        members = None if content is None else raw_members(content)
        if members is None or not members.keys() <= {_IDENTIFIERS, _ATTRIBUTES}:
            raise _invalid(f"It must be an object with {_IDENTIFIERS} and, optionally, {_ATTRIBUTES}.")
        identifiers = members_in(members[_IDENTIFIERS]) if _IDENTIFIERS in members else {}
        if identifiers is None:
            raise _invalid(f"{_IDENTIFIERS} must be an object.")
        key, ids = read(identifiers)
        relationship: JsonObject = {_IDENTIFIERS: ids}
        if (attributes := _attributes(members.get(_ATTRIBUTES))) is not None:
            relationship[_ATTRIBUTES] = attributes
    except Rejection as rejection:
        raise Rejection(
            rejection.reason, RELATIONSHIPS, f"{RELATIONSHIPS}, item {number}: {rejection.message}"
        ) from None
    return key, relationship


def _attributes(given: Raw | None) -> JsonObject | None:
    attributes: JsonObject | None = members_in(given)
    if attributes is None:
        if is_blank(plain(given)):
            return None
        raise _invalid(f"{_ATTRIBUTES} must be an object.")
    check_attribute_count(attributes)
    check_names(attributes)
    check_values(attributes)
    return attributes


def _invalid(message: str) -> Rejection:
    return Rejection("invalid", RELATIONSHIPS, message)
