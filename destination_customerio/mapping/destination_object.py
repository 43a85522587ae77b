"""The form of a destination object: what the rows of a stream can become, and how `discover` offers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from destination_customerio.mapping.entries import Build
    from destination_customerio.mapping.identifiers import Identification


@dataclass(frozen=True, slots=True)
class Column:
    """A named column of an object.

    json_type  its type of JSON schema
    is_listed  whether `discover` lists it; an operation that connections have stored must stay as it is there, so a column
               added later is not listed, but is accepted by name
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

    @property
    def keeps_identifiers(self) -> bool:
        """Whether its attributes say something of one person, so that further identifiers of the person belong there."""
        return self.identity == ("identifier",) and self.attributes != "ignored"

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
