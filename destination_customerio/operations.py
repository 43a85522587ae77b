"""The destination objects: one table, read by `discover`, by routing and by the assembler.

A new object is one new row of `DESTINATION_OBJECTS` and one function that turns a row's columns into an entry of the
Track API's batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.columns import Columns
    from destination_customerio.identifiers import IdentifierKind
    from destination_customerio.json_text import JsonObject

    # Takes a row apart; returns the order key (rows of one key stay in order) and the entry.
    Build = Callable[[Columns, JsonObject], tuple[str, JsonObject]]


@dataclass(frozen=True, slots=True)
class Column:
    """A named column of an object; `json_type` as JSON schema has it."""

    name: str
    json_type: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class DestinationObject:
    """One kind of thing that rows become.

    sync_mode         `append` for inserts, `append_dedup` for upserts, `soft_delete` for deletions
    columns           the named columns beside the one that identifies the person
    matches_person    whether the platform may deduplicate by the person's identifier
    limits_attributes whether the limits on attributes (count, names, values) apply; they do not to events
    build             makes the entry
    """

    name: str
    sync_mode: Literal["append", "append_dedup", "soft_delete"]
    columns: tuple[Column, ...]
    matches_person: bool
    limits_attributes: bool
    build: Build

    def catalog_operation(self, kind: IdentifierKind) -> dict[str, Any]:
        """This object as an operation of the destination catalog."""
        identifier = Column(kind.column, "string", required=not self.matches_person)
        columns = (identifier, *self.columns)
        json_schema: dict[str, Any] = {
            "type": "object",
            "properties": {column.name: {"type": column.json_type} for column in columns},
        }
        if required := [column.name for column in columns if column.required]:
            json_schema["required"] = required
        json_schema["additionalProperties"] = True
        return {
            "object_name": self.name,
            "sync_mode": self.sync_mode,
            "json_schema": json_schema,
            "matching_keys": [[kind.column]] if self.matches_person else [],
        }


def destination_catalog(kind: IdentifierKind) -> dict[str, Any]:
    """The destination catalog that `discover` answers, for the configured way to identify people."""
    return {"operations": [row.catalog_operation(kind) for row in DESTINATION_OBJECTS.values()]}


def _person_identify(columns: Columns, data: JsonObject) -> tuple[str, JsonObject]:
    key, identifiers = columns.person(data)
    # The one attribute whose form Customer.io insists on: it must be unix seconds.
    columns.convert(data, "created_at")
    return key, {"type": "person", "action": "identify", "identifiers": identifiers, "attributes": data}


def _person_event(columns: Columns, data: JsonObject) -> tuple[str, JsonObject]:
    row_id = columns.row_id(data)
    key, identifiers = columns.person(data)
    name = columns.event_name(data, "event_name")
    entry = {
        "type": "person",
        "action": "event",
        "identifiers": identifiers,
        "name": name,
        **columns.event_id(data, name, row_id),
        **columns.timestamp(data, "timestamp"),
        "attributes": data,
    }
    return key, entry


DESTINATION_OBJECTS = {
    row.name: row
    for row in (
        DestinationObject(
            name="person_identify",
            sync_mode="append_dedup",
            columns=(),
            matches_person=True,
            limits_attributes=True,
            build=_person_identify,
        ),
        DestinationObject(
            name="person_event",
            sync_mode="append",
            columns=(
                Column("event_name", "string", required=True),
                Column("event_id", "string"),
                Column("timestamp", "integer"),
            ),
            matches_person=False,
            limits_attributes=False,
            build=_person_event,
        ),
    )
}
