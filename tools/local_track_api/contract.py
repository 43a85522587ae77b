"""The Track API's contract for one entry of a batch: every shape and every limit, checked on its own.

Written from the published reference, and sharing no code with the connector, so that a mistake of the one can't hide in
the other. It is stricter than Customer.io in one way: members that an action does not have are refused, as a misspelt
one would otherwise be lost silently.

Sizes are UTF-8 bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tools.local_track_api.body import encode
from tools.local_track_api.members import (
    BrokenRule,
    EntryError,
    no_others,
    object_of,
    only,
    optional_object,
    required,
    text_of,
    too_large,
)

if TYPE_CHECKING:
    from collections.abc import Callable

JsonObject = dict[str, Any]

MAX_BODY_BYTES = 500_000
MAX_ENTRY_BYTES = 32_768
MAX_ATTRIBUTES = 300
MAX_ATTRIBUTE_NAME_BYTES = 150
MAX_ATTRIBUTE_VALUE_BYTES = 1_000
MAX_DATA_BYTES = 100_000
MAX_EVENT_NAME_BYTES = 100
MAX_ID_BYTES = 150

# The first number that can't be seconds (the year 5138): somebody forgot to convert milliseconds.
_FIRST_NOT_SECONDS = 10**11

_E164 = re.compile(r"\+[0-9]{1,15}")
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}")

_PERSON_IDENTIFIERS = ("email", "id", "cio_id", "phone")
_MERGE_IDENTIFIERS = ("id", "email", "cio_id")
_PLATFORMS = ("ios", "android")
_NOT_OF_DEVICES = ("token", "platform")
_PREFERENCES = "cio_subscription_preferences"


def check_entry(entry: object, size: int) -> EntryError | None:
    """The first rule that an entry breaks, or None.

    Args:
        entry: The parsed entry.
        size: Its bytes as sent.
    """
    try:
        _check(entry, size)
    except BrokenRule as broken:
        return broken.error
    return None


def _check(entry: object, size: int) -> None:
    members = object_of(entry, "entry")
    attributes = members.get("attributes")
    # Only an entry of this size can hold that much, and only in this order is the more specific of the two limits named.
    if size > MAX_DATA_BYTES and attributes is not None and len(encode(attributes)) > MAX_DATA_BYTES:
        raise too_large("attributes", MAX_DATA_BYTES)
    if size > MAX_ENTRY_BYTES:
        raise BrokenRule(
            "too_large", "entry", f"entry is {size} bytes, more than the limit of {MAX_ENTRY_BYTES} bytes"
        )
    kind = text_of(members, "type")
    action = text_of(members, "action")
    actions = _ACTIONS.get(kind)
    if actions is None:
        raise BrokenRule("invalid", "type", "type must be person or object")
    check = actions.get(action)
    if check is None:
        raise BrokenRule("invalid", "action", f"action is none that a {kind} has")
    check(members, size)


def _person_identify(entry: JsonObject, size: int) -> None:
    only(entry, "identifiers", "attributes", "timestamp", "cio_relationships")
    _person(entry, "identifiers", _PERSON_IDENTIFIERS)
    if "cio_relationships" in entry:
        for relationship in _relationships(entry):
            _object_ids(relationship)
    _timestamp(entry, "timestamp")
    _limited_attributes(entry, size)
    _acting_attributes(optional_object(entry, "attributes"))


def _person_event(entry: JsonObject, _size: int) -> None:
    only(entry, "identifiers", "attributes", "name", "id", "timestamp")
    _person(entry, "identifiers", _PERSON_IDENTIFIERS)
    name = text_of(entry, "name")
    if len(name.encode()) > MAX_EVENT_NAME_BYTES:
        raise too_large("name", MAX_EVENT_NAME_BYTES)
    if "id" in entry and not _ULID.fullmatch(text_of(entry, "id")):
        raise BrokenRule("invalid", "id", "id must be a ULID")
    _timestamp(entry, "timestamp")
    optional_object(entry, "attributes")


def _person_only(entry: JsonObject, _size: int) -> None:
    only(entry, "identifiers")
    _person(entry, "identifiers", _PERSON_IDENTIFIERS)


def _person_merge(entry: JsonObject, _size: int) -> None:
    only(entry, "primary", "secondary")
    _person(entry, "primary", _MERGE_IDENTIFIERS)
    _person(entry, "secondary", _MERGE_IDENTIFIERS)


def _person_add_device(entry: JsonObject, _size: int) -> None:
    device = _device(entry, "token", "platform", "last_used", "attributes")
    if text_of(device, "platform") not in _PLATFORMS:
        raise BrokenRule("invalid", "platform", "platform must be ios or android")
    _timestamp(device, "last_used")
    for name in optional_object(device, "attributes"):
        if name in _NOT_OF_DEVICES:
            raise BrokenRule("invalid", f"device.attributes.{name}", f"{name} is reserved")


def _person_delete_device(entry: JsonObject, _size: int) -> None:
    _device(entry, "token")


def _person_relationships(entry: JsonObject, _size: int) -> None:
    only(entry, "identifiers", "cio_relationships")
    _person(entry, "identifiers", _PERSON_IDENTIFIERS)
    for relationship in _relationships(entry):
        _object_ids(relationship)


def _object_identify(entry: JsonObject, size: int) -> None:
    only(entry, "identifiers", "attributes", "cio_relationships")
    _object_ids(entry)
    if "cio_relationships" in entry:
        for relationship in _relationships(entry):
            _person(relationship, "identifiers", _PERSON_IDENTIFIERS)
    _limited_attributes(entry, size)


def _object_delete(entry: JsonObject, _size: int) -> None:
    only(entry, "identifiers")
    _object_ids(entry)


def _object_relationships(entry: JsonObject, _size: int) -> None:
    only(entry, "identifiers", "cio_relationships")
    _object_ids(entry)
    for relationship in _relationships(entry):
        _person(relationship, "identifiers", _PERSON_IDENTIFIERS)


_ACTIONS: dict[str, dict[str, Callable[[JsonObject, int], None]]] = {
    "person": {
        "identify": _person_identify,
        "event": _person_event,
        "page": _person_event,
        "screen": _person_event,
        "delete": _person_only,
        "suppress": _person_only,
        "unsuppress": _person_only,
        "merge": _person_merge,
        "add_device": _person_add_device,
        "delete_device": _person_delete_device,
        "add_relationships": _person_relationships,
        "delete_relationships": _person_relationships,
    },
    "object": {
        "identify": _object_identify,
        "delete": _object_delete,
        "add_relationships": _object_relationships,
        "delete_relationships": _object_relationships,
    },
}


def _person(owner: JsonObject, member: str, kinds: tuple[str, ...]) -> None:
    identifiers = object_of(required(owner, member), member)
    if len(identifiers) != 1:
        raise BrokenRule("invalid", member, f"{member} must hold exactly one identifier")
    kind = next(iter(identifiers))
    if kind not in kinds:
        raise BrokenRule("invalid", member, f"{member} must be one of {', '.join(kinds)}")
    value = text_of(identifiers, kind)
    if kind == "id" and len(value.encode()) > MAX_ID_BYTES:
        raise too_large("id", MAX_ID_BYTES)
    if kind == "phone" and not _E164.fullmatch(value):
        raise BrokenRule("invalid", "phone", "phone must be + and up to 15 digits")


def _object_ids(owner: JsonObject) -> None:
    identifiers = object_of(required(owner, "identifiers"), "identifiers")
    if identifiers.keys() != {"object_type_id", "object_id"}:
        raise BrokenRule("invalid", "identifiers", "identifiers must hold object_type_id and object_id alone")
    text_of(identifiers, "object_type_id")
    text_of(identifiers, "object_id")


def _relationships(entry: JsonObject) -> list[JsonObject]:
    relationships = required(entry, "cio_relationships")
    if type(relationships) is not list or not relationships:
        raise BrokenRule("invalid", "cio_relationships", "cio_relationships must be a list that is not empty")
    for relationship in relationships:
        members = object_of(relationship, "cio_relationships")
        no_others(members, {"identifiers", "relationship_attributes"})
        optional_object(members, "relationship_attributes")
    return relationships


def _device(entry: JsonObject, *members: str) -> JsonObject:
    only(entry, "identifiers", "device")
    _person(entry, "identifiers", _PERSON_IDENTIFIERS)
    device = object_of(required(entry, "device"), "device")
    no_others(device, set(members))
    text_of(device, "token")
    return device


def _limited_attributes(entry: JsonObject, size: int) -> None:
    attributes = optional_object(entry, "attributes")
    if len(attributes) > MAX_ATTRIBUTES:
        raise BrokenRule(
            "too_many", "attributes", f"{len(attributes)} attributes, more than the limit of {MAX_ATTRIBUTES}"
        )
    if size <= MAX_ATTRIBUTE_NAME_BYTES:
        return
    for name, value in attributes.items():
        if len(name.encode()) > MAX_ATTRIBUTE_NAME_BYTES:
            raise BrokenRule(
                "too_large", name, f"the attribute's name is over {MAX_ATTRIBUTE_NAME_BYTES} bytes"
            )
        # An escaped character takes more bytes in the entry than it counts, never fewer.
        if size > MAX_ATTRIBUTE_VALUE_BYTES and _value_bytes(value) > MAX_ATTRIBUTE_VALUE_BYTES:
            raise too_large(name, MAX_ATTRIBUTE_VALUE_BYTES)


def _acting_attributes(attributes: JsonObject) -> None:
    """Attributes that Customer.io acts upon must be booleans; null takes one away."""
    for name in ("unsubscribed", "_update"):
        _boolean(attributes.get(name), name)
    for name, value in attributes.items():
        if name == _PREFERENCES and value is not None:
            topics = optional_object(object_of(value, name), "topics")
            for topic, choice in topics.items():
                _boolean(choice, f"{name}.topics.{topic}")
        elif name.startswith(f"{_PREFERENCES}.topics."):
            _boolean(value, name)


def _boolean(value: object, name: str) -> None:
    if value is not None and type(value) is not bool:
        raise BrokenRule("invalid", name, f"{name} must be true or false")


def _value_bytes(value: object) -> int:
    return len(value.encode()) if type(value) is str else len(encode(value))


def _timestamp(owner: JsonObject, member: str) -> None:
    if member not in owner:
        return
    value = owner[member]
    if type(value) is not int or abs(value) >= _FIRST_NOT_SECONDS:
        raise BrokenRule("invalid", member, f"{member} must be an integer, in unix seconds")
