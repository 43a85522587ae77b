"""How a row's columns become one entry of the Track API's batch: a function for each kind of entry.

Each takes its named columns out of the row, so that what is left are the attributes, and returns what the row must stay
in order with, and the entry. The table in `operations.py` says which object is made by which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.exact_json.codec import JsonObject
    from destination_customerio.mapping.columns import Columns
    from destination_customerio.mapping.identifiers import OrderKey

    # One order key, or the two that a row joins: rows that share one stay in order.
    Entry = tuple[OrderKey | tuple[OrderKey, OrderKey], JsonObject]
    Build = Callable[[Columns, JsonObject], Entry]


def identify_person(columns: Columns, data: JsonObject) -> Entry:
    """Create or update a person."""
    person, identifiers = columns.person(data)
    # The one attribute whose form Customer.io insists on: it must be unix seconds.
    columns.convert(data, "created_at")
    columns.parse_object(data, "cio_subscription_preferences")
    return person, {"type": "person", "action": "identify", "identifiers": identifiers, "attributes": data}


def track_event(columns: Columns, data: JsonObject) -> Entry:
    """An event of a person."""
    return _occurrence(columns, data, "event", "event_name")


def track_page(columns: Columns, data: JsonObject) -> Entry:
    """A page that a person looked at."""
    return _occurrence(columns, data, "page", "name")


def track_screen(columns: Columns, data: JsonObject) -> Entry:
    """A screen of an app that a person looked at."""
    return _occurrence(columns, data, "screen", "name")


def delete_person(columns: Columns, data: JsonObject) -> Entry:
    """Remove a person."""
    return _person_action(columns, data, "delete")


def suppress_person(columns: Columns, data: JsonObject) -> Entry:
    """Remove a person and refuse to take them back."""
    return _person_action(columns, data, "suppress")


def unsuppress_person(columns: Columns, data: JsonObject) -> Entry:
    """Let a suppressed person be added again."""
    return _person_action(columns, data, "unsuppress")


def merge_people(columns: Columns, data: JsonObject) -> Entry:
    """Make two people one: the secondary goes up in the primary."""
    primary, primary_identifiers = columns.one_of_the_people(data, "primary")
    secondary, secondary_identifiers = columns.one_of_the_people(data, "secondary")
    entry = {
        "type": "person",
        "action": "merge",
        "primary": primary_identifiers,
        "secondary": secondary_identifiers,
    }
    return (primary, secondary), entry


def add_device(columns: Columns, data: JsonObject) -> Entry:
    """Give a person a device."""
    person, identifiers = columns.person(data)
    device: JsonObject = {
        "token": columns.text(data, "device_token"),
        "platform": columns.choice(data, "platform", ("ios", "android")),
    }
    if (last_used := columns.timestamp(data, "last_used")) is not None:
        device["last_used"] = last_used
    device["attributes"] = data
    return person, {"type": "person", "action": "add_device", "identifiers": identifiers, "device": device}


def delete_device(columns: Columns, data: JsonObject) -> Entry:
    """Take a device away from a person."""
    person, identifiers = columns.person(data)
    device = {"token": columns.text(data, "device_token")}
    return person, {"type": "person", "action": "delete_device", "identifiers": identifiers, "device": device}


def add_relationship(columns: Columns, data: JsonObject) -> Entry:
    """Relate a person to an object; what else the row has describes the relationship."""
    person, identifiers = columns.person(data)
    thing, thing_identifiers = columns.object(data)
    relationship = {"identifiers": thing_identifiers, "relationship_attributes": data}
    return (person, thing), _person_relationships("add_relationships", identifiers, relationship)


def delete_relationship(columns: Columns, data: JsonObject) -> Entry:
    """End a person's relationship to an object."""
    person, identifiers = columns.person(data)
    thing, thing_identifiers = columns.object(data)
    relationship: JsonObject = {"identifiers": thing_identifiers}
    return (person, thing), _person_relationships("delete_relationships", identifiers, relationship)


def identify_object(columns: Columns, data: JsonObject) -> Entry:
    """Create or update an object, such as a company."""
    thing, identifiers = columns.object(data)
    return thing, {"type": "object", "action": "identify", "identifiers": identifiers, "attributes": data}


def delete_object(columns: Columns, data: JsonObject) -> Entry:
    """Remove an object."""
    thing, identifiers = columns.object(data)
    return thing, {"type": "object", "action": "delete", "identifiers": identifiers}


def _occurrence(columns: Columns, data: JsonObject, action: str, name_column: str) -> Entry:
    person, identifiers = columns.person(data)
    name = columns.event_name(data, name_column)
    entry: JsonObject = {"type": "person", "action": action, "identifiers": identifiers, "name": name}
    if (event_id := columns.event_id(data, name)) is not None:
        entry["id"] = event_id
    if (timestamp := columns.timestamp(data, "timestamp")) is not None:
        entry["timestamp"] = timestamp
    entry["attributes"] = data
    return person, entry


def _person_action(columns: Columns, data: JsonObject, action: str) -> Entry:
    person, identifiers = columns.person(data)
    return person, {"type": "person", "action": action, "identifiers": identifiers}


def _person_relationships(action: str, identifiers: JsonObject, relationship: JsonObject) -> JsonObject:
    return {
        "type": "person",
        "action": action,
        "identifiers": identifiers,
        "cio_relationships": [relationship],
    }
