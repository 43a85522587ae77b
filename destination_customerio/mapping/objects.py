"""The destination objects: one table, read by `discover`, by routing and by the assembler.

A new object is a row of `DESTINATION_OBJECTS`, and a function in `entries.py` unless there is one already. What a stream
with the sync mode `update` can become is a row of `UPDATES`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from destination_customerio.mapping import entries
from destination_customerio.mapping.relationships import RELATIONSHIPS

if TYPE_CHECKING:
    from destination_customerio.mapping.entries import Build
    from destination_customerio.mapping.identifiers import Identification


@dataclass(frozen=True, slots=True)
class Column:
    """A named column of an object.

    json_type  its type of JSON schema
    is_listed  whether `discover` lists it; an operation that connections have stored must stay as it is there, so what it
               takes since is not listed and accepted by name
    """

    name: str
    json_type: str = "string"
    required: bool = False
    is_listed: bool = True


@dataclass(frozen=True, slots=True)
class DestinationObject:
    """What the rows of a stream can become.

    sync_mode    `append` for inserts, `append_dedup` for upserts, `update` for updates of what exists, `soft_delete` for
                 deletions
    identity     the columns that identify what a row is about; "identifier" is the column that identifies a person,
                 whose name depends on the configuration
    columns      the other named columns
    attributes   what happens to all further columns: `limited` by the API's rules for attributes (count, names,
                 values), `of_event` (only the size of the entry is limited), `of_device` (some names are refused), or
                 `ignored`
    build        makes the entry
    deletion     makes the entry that deletes what `build` creates, from a row that was deleted in its source; None where
                 nothing is created that a row could delete
    attributes_act
                 whether some attributes make Customer.io act, and have to be true or false
    destructive  whether it deletes data irreversibly, which the configuration must allow
    is_member    whether its entries are members of manual segments, which have endpoints of their own
    """

    name: str
    sync_mode: Literal["append", "append_dedup", "update", "soft_delete"]
    identity: tuple[str, ...]
    columns: tuple[Column, ...]
    attributes: Literal["limited", "of_event", "of_device", "ignored"]
    build: Build
    deletion: Build | None = None
    attributes_act: bool = False
    destructive: bool = False
    is_member: bool = False

    @property
    def is_deletion(self) -> bool:
        """Whether its rows delete what they identify."""
        return self.sync_mode == "soft_delete"

    @property
    def is_event(self) -> bool:
        """Whether an entry is an event, which Customer.io deduplicates by its id."""
        return self.attributes == "of_event"

    @property
    def names_a_person(self) -> bool:
        """Whether the configuration decides which column identifies the person."""
        return "identifier" in self.identity

    def named_columns(self, identification: Identification) -> tuple[Column, ...]:
        """All named columns, those of the identity first, with the person's columns; one of several is not required."""
        people = identification.alternatives
        return (
            *(Column(kind.column, required=len(people) == 1) for kind in people if self.names_a_person),
            *(Column(name, required=True) for name in self.identity if name != "identifier"),
            *self.columns,
        )

    def catalog_operation(self, identification: Identification) -> dict[str, Any]:
        """This object as an operation of the destination catalog.

        The columns by which an upsert or a deletion matches are not listed as required: the platform requires
        `matching_keys` anyway.
        """
        matches = self.sync_mode != "append"
        columns = self.named_columns(identification)
        json_schema: dict[str, Any] = {
            "type": "object",
            "properties": {column.name: {"type": column.json_type} for column in columns if column.is_listed},
        }
        if required := [column.name for column in (self.columns if matches else columns) if column.required]:
            json_schema["required"] = required
        json_schema["additionalProperties"] = True
        return {
            "object_name": self.name,
            "sync_mode": self.sync_mode,
            "json_schema": json_schema,
            "matching_keys": self._keys(identification) if matches else [],
        }

    def _keys(self, identification: Identification) -> list[list[str]]:
        """The alternative keys: one for each way to identify a person."""
        if not self.names_a_person:
            return [list(self.identity)]
        return [
            [kind.column if name == "identifier" else name for name in self.identity]
            for kind in identification.alternatives
        ]


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
_MERGED = tuple(
    Column(f"{side}_{kind}") for side in ("primary", "secondary") for kind in ("email", "id", "cio_id")
)

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
