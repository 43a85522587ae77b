"""How a row's columns become one entry of the Track API's batch: a function for each kind of entry.

Each removes its named columns from the row, so that the attributes are left, and returns the keys of the person or
object that the row must stay in order with, and the entry. The table in `objects.py` has the function of each object;
the documentation shows their first sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import encode
from destination_customerio.mapping.acting_attributes import UPDATE
from destination_customerio.mapping.endpoints import SegmentMember, segment_endpoint
from destination_customerio.mapping.limits import check_entry_size
from destination_customerio.mapping.relationships import (
    RELATIONSHIPS,
    related_object,
    related_person,
    take_relationships,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.exact_json.codec import JsonObject
    from destination_customerio.mapping.columns import Columns
    from destination_customerio.mapping.identifiers import Identified, Order

    # The order key and the entry; a row that joins people or objects has an order key of each.
    Entry = tuple[Order, JsonObject]
    MemberEntry = tuple[Order, SegmentMember]
    Build = Callable[[Columns, JsonObject], Entry | MemberEntry]


def identify_person(columns: Columns, data: JsonObject) -> Entry:
    """Create or update a person."""
    key, identifiers = columns.person(data)
    columns.created_at(data)
    entry: JsonObject = {"type": "person", "action": "identify", "identifiers": identifiers}
    if (updated_at := columns.timestamp(data, "person_updated_at")) is not None:
        entry["timestamp"] = updated_at  # Customer.io silently drops an update older than its newest
    entry["attributes"] = data
    if RELATIONSHIPS in data:
        return take_relationships(key, entry, data, related_object)
    return key, entry


def update_person(columns: Columns, data: JsonObject) -> Entry:
    """Update a person who exists; nobody is created."""
    entry = identify_person(columns, data)
    data[UPDATE] = True
    return entry


def track_event(columns: Columns, data: JsonObject) -> Entry:
    """Track an event of a person."""
    return _event(columns, data, "event", "event_name")


def track_page(columns: Columns, data: JsonObject) -> Entry:
    """Track a page view of a person."""
    return _event(columns, data, "page", "name")


def track_screen(columns: Columns, data: JsonObject) -> Entry:
    """Track a person's view of a screen in an app."""
    return _event(columns, data, "screen", "name")


def delete_person(columns: Columns, data: JsonObject) -> Entry:
    """Delete a person."""
    return _person_action(columns, data, "delete")


def suppress_person(columns: Columns, data: JsonObject) -> Entry:
    """Suppress a person: delete them and refuse to add them again."""
    return _person_action(columns, data, "suppress")


def unsuppress_person(columns: Columns, data: JsonObject) -> Entry:
    """Unsuppress a person: allow adding them again."""
    return _person_action(columns, data, "unsuppress")


def merge_people(columns: Columns, data: JsonObject) -> Entry:
    """Merge two people: the secondary is merged into the primary."""
    primary_key, primary_identifiers = columns.merged_person(data, "primary")
    secondary_key, secondary_identifiers = columns.merged_person(data, "secondary")
    if primary_key == secondary_key and primary_identifiers.keys() == secondary_identifiers.keys():
        (kind,) = secondary_identifiers
        raise Rejection(
            "invalid",
            f"secondary_{kind}",
            "Primary and secondary are the same person. A merge deletes the secondary, so this person would be lost.",
        )
    entry = {
        "type": "person",
        "action": "merge",
        "primary": primary_identifiers,
        "secondary": secondary_identifiers,
    }
    return (primary_key, secondary_key), entry


def add_device(columns: Columns, data: JsonObject) -> Entry:
    """Add or update a device of a person."""
    key, identifiers = columns.person(data)
    device: JsonObject = {
        "token": columns.text(data, "device_token"),
        "platform": columns.choice(data, "platform", ("ios", "android")),
    }
    if (last_used := columns.timestamp(data, "last_used")) is not None:
        device["last_used"] = last_used
    device["attributes"] = data
    return key, {"type": "person", "action": "add_device", "identifiers": identifiers, "device": device}


def delete_device(columns: Columns, data: JsonObject) -> Entry:
    """Delete a device of a person."""
    key, identifiers = columns.person(data)
    device = {"token": columns.text(data, "device_token")}
    return key, {"type": "person", "action": "delete_device", "identifiers": identifiers, "device": device}


def add_relationship(columns: Columns, data: JsonObject) -> Entry:
    """Relate a person to an object, or to each of an array of objects; further columns are attributes of the relationship."""
    return _relationships("person", "add_relationships", columns.person(data), columns.objects(data), data)


def delete_relationship(columns: Columns, data: JsonObject) -> Entry:
    """Delete a relationship between a person and an object, or each of an array of objects."""
    return _relationships("person", "delete_relationships", columns.person(data), columns.objects(data))


def add_object_relationship(columns: Columns, data: JsonObject) -> Entry:
    """Relate an object to a person, or to each of an array of people; further columns are attributes of the relationship."""
    return _relationships("object", "add_relationships", columns.object(data), columns.people(data), data)


def delete_object_relationship(columns: Columns, data: JsonObject) -> Entry:
    """Delete a relationship between an object and a person, or each of an array of people."""
    return _relationships("object", "delete_relationships", columns.object(data), columns.people(data))


def identify_object(columns: Columns, data: JsonObject) -> Entry:
    """Create or update an object, such as a company."""
    key, identifiers = columns.object(data)
    columns.created_at(data)
    entry = {"type": "object", "action": "identify", "identifiers": identifiers, "attributes": data}
    if RELATIONSHIPS in data:
        return take_relationships(key, entry, data, related_person)
    return key, entry


def delete_object(columns: Columns, data: JsonObject) -> Entry:
    """Delete an object."""
    key, identifiers = columns.object(data)
    return key, {"type": "object", "action": "delete", "identifiers": identifiers}


def add_to_segment(columns: Columns, data: JsonObject) -> MemberEntry:
    """Add a person to a manual segment."""
    return _member(columns, data, "add_customers")


def remove_from_segment(columns: Columns, data: JsonObject) -> MemberEntry:
    """Remove a person from a manual segment."""
    return _member(columns, data, "remove_customers")


def _member(columns: Columns, data: JsonObject, action: str) -> MemberEntry:
    key, identifiers = columns.person(data)
    ((kind, text),) = identifiers.items()
    if kind == "phone":
        raise Rejection(
            "invalid", "person_phone", "Customer.io's manual segments don't accept phone numbers."
        )
    encoded = encode(text)
    check_entry_size(len(encoded))
    return key, SegmentMember(segment_endpoint(columns.segment_id(data), action, kind), encoded)


def _event(columns: Columns, data: JsonObject, action: str, name_column: str) -> Entry:
    key, identifiers = columns.person(data)
    name = columns.event_name(data, name_column)
    entry: JsonObject = {"type": "person", "action": action, "identifiers": identifiers, "name": name}
    if (event_id := columns.event_id(data, name)) is not None:
        entry["id"] = event_id
    if (timestamp := columns.timestamp(data, "timestamp")) is not None:
        entry["timestamp"] = timestamp
    entry["attributes"] = data
    return key, entry


def _person_action(columns: Columns, data: JsonObject, action: str) -> Entry:
    key, identifiers = columns.person(data)
    return key, {"type": "person", "action": action, "identifiers": identifiers}


def _relationships(
    kind: str, action: str, owner: Identified, others: list[Identified], attributes: JsonObject | None = None
) -> Entry:
    """One entry for all relationships of a row."""
    extra = {} if attributes is None else {"relationship_attributes": attributes}
    entry = {
        "type": kind,
        "action": action,
        "identifiers": owner[1],
        "cio_relationships": [{"identifiers": identifiers, **extra} for _, identifiers in others],
    }
    return (owner[0], *dict.fromkeys(key for key, _ in others)), entry
