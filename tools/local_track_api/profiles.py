"""People and their events, and the keys by which people and objects are distinguished."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

JsonObject = dict[str, Any]

_OBJECT_IDENTIFIERS = {"object_type_id", "object_id"}


def person_key(identifiers: JsonObject) -> str:
    """The person that one identifier names, as Customer.io compares it: `email:ada@example.com`."""
    ((kind, value),) = identifiers.items()
    return f"{kind}:{value.casefold() if kind == 'email' else value}"


def subjects_of(entry: JsonObject) -> Iterator[str]:
    """The keys of all people and objects whose order an entry concerns; none for a malformed entry."""
    sources = [entry.get("identifiers"), entry.get("primary"), entry.get("secondary")]
    relationships = entry.get("cio_relationships")
    if type(relationships) is list:
        sources += [item.get("identifiers") for item in relationships if type(item) is dict]
    for identifiers in sources:
        if type(identifiers) is dict and identifiers.keys() == _OBJECT_IDENTIFIERS:
            yield f"object:{identifiers['object_type_id']}:{identifiers['object_id']}"
        elif type(identifiers) is dict and len(identifiers) == 1:
            kind, value = next(iter(identifiers.items()))
            if type(value) is str:
                yield person_key({kind: value})


@dataclass(slots=True, eq=False)
class Person:
    """One profile. `identifiers` as first sent; `updated_at` in unix seconds, of the last identify."""

    identifiers: dict[str, str]
    attributes: JsonObject = field(default_factory=dict)
    devices: dict[str, JsonObject] = field(default_factory=dict)
    updated_at: float | None = None

    @property
    def key(self) -> str:
        """The one key that relationships go by: that of the first identifier."""
        kind, value = next(iter(self.identifiers.items()))
        return person_key({kind: value})

    def all_keys(self) -> set[str]:
        """The keys of all identifiers."""
        return {person_key({kind: value}) for kind, value in self.identifiers.items()}

    def to_json(self) -> JsonObject:
        """For the report."""
        return {
            "identifiers": self.identifiers,
            "attributes": self.attributes,
            "devices": list(self.devices.values()),
        }


@dataclass(slots=True)
class Event:
    """One event, page or screen; `id` and `timestamp` as sent, or None."""

    person: Person
    action: str
    name: str
    id: str | None
    timestamp: int | None
    attributes: JsonObject

    def to_json(self) -> JsonObject:
        """For the report; the person by identifiers."""
        return {
            "identifiers": self.person.identifiers,
            "action": self.action,
            "name": self.name,
            "id": self.id,
            "timestamp": self.timestamp,
            "attributes": self.attributes,
        }
