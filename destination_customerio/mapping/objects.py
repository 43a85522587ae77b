"""The destination objects: one table, read by `discover`, by routing and by the assembler.

A new object is a row of `DESTINATION_OBJECTS`, and a function in `entries.py` unless there is one already. What a stream
with the sync mode `update` can become is a row of `UPDATES`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from destination_customerio.mapping import entries
from destination_customerio.mapping.destination_object import Column, DestinationObject
from destination_customerio.mapping.identifiers import MERGEABLE_KINDS
from destination_customerio.mapping.relationships import RELATIONSHIPS

if TYPE_CHECKING:
    from destination_customerio.mapping.identifiers import Identification


def destination_catalog(identification: Identification) -> dict[str, Any]:
    """The destination catalog that `discover` returns, for the configured way to identify people."""
    return {
        "operations": [
            row.catalog_operation(identification)
            for row in all_operations()
            if not row.is_member or can_be_members(identification)
        ]
    }


def can_be_members(identification: Identification) -> bool:
    """Whether people can be added to manual segments by one of their identifiers: all but phones."""
    return any(kind.name != "phone" for kind in identification.alternatives)


def all_operations() -> tuple[DestinationObject, ...]:
    """Everything that a row can become. Updates come last, so that the operations before them keep their places."""
    return (*DESTINATION_OBJECTS.values(), *UPDATES.values())


def sync_modes_of(name: str) -> tuple[str, ...]:
    """The sync modes of an object."""
    return tuple(row.sync_mode for row in all_operations() if row.name == name)


_PERSON = ("identifier",)
_OBJECT = ("object_type_id", "object_id")
_DEVICE = ("identifier", "device_token")
_UPDATED_AT = Column("person_updated_at", "integer")
_RELATIONSHIPS = Column(RELATIONSHIPS, "array", is_listed=False)
_EVENT = (Column("event_id"), Column("timestamp", "integer"))
_MERGED = tuple(Column(f"{side}_{kind}") for side in ("primary", "secondary") for kind in MERGEABLE_KINDS)

DESTINATION_OBJECTS = {
    row.name: row
    for row in (
        DestinationObject(
            "person_identify",
            "append_dedup",
            _PERSON,
            (replace(_UPDATED_AT, is_listed=False), _RELATIONSHIPS),
            "limited",
            entries.identify_person,
            deletion=entries.delete_person,
            attributes_act=True,
        ),
        DestinationObject(
            "person_event",
            "append",
            _PERSON,
            (Column("event_name", required=True), *_EVENT),
            "of_event",
            entries.track_event,
        ),
        DestinationObject(
            "person_page",
            "append",
            _PERSON,
            (Column("name", required=True), *_EVENT),
            "of_event",
            entries.track_page,
        ),
        DestinationObject(
            "person_screen",
            "append",
            _PERSON,
            (Column("name", required=True), *_EVENT),
            "of_event",
            entries.track_screen,
        ),
        DestinationObject(
            "person_delete", "soft_delete", _PERSON, (), "ignored", entries.delete_person, destructive=True
        ),
        DestinationObject(
            "person_suppress", "append", _PERSON, (), "ignored", entries.suppress_person, destructive=True
        ),
        DestinationObject("person_unsuppress", "append", _PERSON, (), "ignored", entries.unsuppress_person),
        DestinationObject(
            "person_merge",
            "append",
            (),
            _MERGED,
            "ignored",
            entries.merge_people,
            destructive=True,
        ),
        DestinationObject(
            "person_device",
            "append_dedup",
            _DEVICE,
            (Column("platform", required=True), Column("last_used", "integer")),
            "of_device",
            entries.add_device,
            deletion=entries.delete_device,
        ),
        DestinationObject(
            "person_device_delete",
            "soft_delete",
            _DEVICE,
            (),
            "ignored",
            entries.delete_device,
            destructive=True,
        ),
        DestinationObject(
            "person_relationship",
            "append_dedup",
            (*_PERSON, *_OBJECT),
            (),
            "limited",
            entries.add_relationship,
            deletion=entries.delete_relationship,
        ),
        DestinationObject(
            "person_relationship_delete",
            "soft_delete",
            (*_PERSON, *_OBJECT),
            (),
            "ignored",
            entries.delete_relationship,
            destructive=True,
        ),
        DestinationObject(
            "object_identify",
            "append_dedup",
            _OBJECT,
            (_RELATIONSHIPS,),
            "limited",
            entries.identify_object,
            deletion=entries.delete_object,
        ),
        DestinationObject(
            "object_delete",
            "soft_delete",
            _OBJECT,
            (),
            "ignored",
            entries.delete_object,
            destructive=True,
        ),
        DestinationObject(
            "object_relationship",
            "append_dedup",
            (*_OBJECT, *_PERSON),
            (),
            "limited",
            entries.add_object_relationship,
            deletion=entries.delete_object_relationship,
        ),
        DestinationObject(
            "object_relationship_delete",
            "soft_delete",
            (*_OBJECT, *_PERSON),
            (),
            "ignored",
            entries.delete_object_relationship,
            destructive=True,
        ),
        DestinationObject(
            "segment_add",
            "append",
            _PERSON,
            (Column("segment_id", required=True),),
            "ignored",
            entries.add_to_segment,
            deletion=entries.remove_from_segment,
            is_member=True,
        ),
        DestinationObject(
            "segment_remove",
            "append",
            _PERSON,
            (Column("segment_id", required=True),),
            "ignored",
            entries.remove_from_segment,
            is_member=True,
        ),
    )
}

# The objects that can be updated without being created.
UPDATES = {
    row.name: row
    for row in (
        replace(
            DESTINATION_OBJECTS["person_identify"],
            sync_mode="update",
            columns=(_UPDATED_AT, _RELATIONSHIPS),
            build=entries.update_person,
        ),
    )
}
