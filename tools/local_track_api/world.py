"""What Customer.io would know after the entries it took: people, events, devices, objects, relationships.

Applies entries that the contract has already passed. The rules, as Customer.io has them:

- Attributes are merged; null is kept as a value. `_update: true` changes only somebody who exists, and is not stored.
- An identify with a `timestamp` older than the last update is silently dropped.
- An event makes the person it names, if need be. An event id seen before is ignored.
- A suppressed person is gone, and whatever comes for them later is dropped, until unsuppressed.
- A merge gives the primary what only the secondary had, and ends the secondary.
- Every identifier is a person of its own until a merge joins them; emails are compared without regard to case.

Every action is one method, named in the two tables at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.local_track_api.profiles import Event, Person, person_key

if TYPE_CHECKING:
    from collections.abc import Callable

JsonObject = dict[str, Any]
ObjectKey = tuple[str, str]


@dataclass(slots=True)
class Ignored:
    """Entries taken with success and without effect, by cause."""

    repeated_events: int = 0
    repeated_events_with_other_content: int = 0
    suppressed: int = 0
    stale_updates: int = 0
    updates_of_nobody: int = 0


class World:
    """The state of one account. Not thread-safe: one lock of the server guards it."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self.people: dict[str, Person] = {}
        self.events: list[Event] = []
        self.objects: dict[ObjectKey, JsonObject] = {}
        self.relationships: dict[tuple[str, ObjectKey], JsonObject] = {}
        self.suppressed: set[str] = set()
        self.segments: dict[str, set[str]] = {}
        self.ignored = Ignored()
        self._event_digests: dict[str, int] = {}
        self._wall_clock = wall_clock

    def person(self, **identifier: str) -> Person | None:
        """Look one person up, as in `person(email="ada@example.com")`."""
        return self.people.get(person_key(identifier))

    def profiles(self) -> list[Person]:
        """Everybody once, also those whom several identifiers name."""
        return list({id(person): person for person in self.people.values()}.values())

    def change_members(self, segment_id: str, action: str, keys: list[str]) -> bool:
        """Add people to a manual segment or remove them, ignoring those who don't exist; False if there is no such segment."""
        members = self.segments.get(segment_id)
        if members is None:
            return False
        known = {self.people[key].key for key in keys if key in self.people}
        members.update(known) if action == "add" else members.difference_update(known)
        return True

    def apply(self, entry: JsonObject, digest: int) -> None:
        """Apply one valid entry; `digest` is a hash of its bytes."""
        kind, action = entry["type"], entry["action"]
        if kind == "object":
            _OBJECT_ACTIONS[action](self, entry)
        elif action in ("event", "page", "screen"):
            self._event(entry, digest)
        else:
            _PERSON_ACTIONS[action](self, entry)

    def _identify(self, entry: JsonObject) -> None:
        if self._is_suppressed(entry["identifiers"]):
            return
        attributes = entry.get("attributes", {})
        timestamp = entry.get("timestamp")
        person = self.people.get(person_key(entry["identifiers"]))
        if person is None and attributes.get("_update") is True:
            self.ignored.updates_of_nobody += 1
            return
        person = person or self._found_or_made(entry["identifiers"])
        if timestamp is not None and person.updated_at is not None and timestamp < person.updated_at:
            self.ignored.stale_updates += 1
            return
        person.updated_at = self._wall_clock() if timestamp is None else timestamp
        person.attributes.update(attributes)
        person.attributes.pop("_update", None)
        for item in entry.get("cio_relationships", ()):
            self._relate(entry["identifiers"], item["identifiers"], item)

    def _event(self, entry: JsonObject, digest: int) -> None:
        if self._is_suppressed(entry["identifiers"]):
            return
        event_id = entry.get("id")
        if event_id is not None:
            # Crockford's base32 has one value for both cases.
            known_by = event_id.upper()
            first_digest = self._event_digests.get(known_by)
            if first_digest is not None:
                self.ignored.repeated_events += 1
                self.ignored.repeated_events_with_other_content += first_digest != digest
                return
            self._event_digests[known_by] = digest
        self.events.append(
            Event(
                self._found_or_made(entry["identifiers"]),
                entry["action"],
                entry["name"],
                event_id,
                entry.get("timestamp"),
                entry.get("attributes", {}),
            )
        )

    def _delete(self, entry: JsonObject) -> None:
        if not self._is_suppressed(entry["identifiers"]):
            self._forget(person_key(entry["identifiers"]))

    def _suppress(self, entry: JsonObject) -> None:
        key = person_key(entry["identifiers"])
        self.suppressed |= self._forget(key) | {key}

    def _unsuppress(self, entry: JsonObject) -> None:
        self.suppressed.discard(person_key(entry["identifiers"]))

    def _merge(self, entry: JsonObject) -> None:
        secondary = self.people.get(person_key(entry["secondary"]))
        if self._is_suppressed(entry["primary"]) or secondary is None:
            return
        primary = self._found_or_made(entry["primary"])
        if primary is secondary:
            return
        primary.attributes = {**secondary.attributes, **primary.attributes}
        primary.devices = {**secondary.devices, **primary.devices}
        for event in self.events:
            if event.person is secondary:
                event.person = primary
        for pair in [pair for pair in self.relationships if pair[0] == secondary.key]:
            attributes = self.relationships.pop(pair)
            self.relationships.setdefault((primary.key, pair[1]), attributes)
        for members in self.segments.values():
            if secondary.key in members:
                members.remove(secondary.key)
                members.add(primary.key)
        for key in secondary.all_keys():
            del self.people[key]
        for kind, value in secondary.identifiers.items():
            if kind not in primary.identifiers:
                primary.identifiers[kind] = value
                self.people[person_key({kind: value})] = primary

    def _add_device(self, entry: JsonObject) -> None:
        if not self._is_suppressed(entry["identifiers"]):
            device = entry["device"]
            self._found_or_made(entry["identifiers"]).devices[device["token"]] = device

    def _delete_device(self, entry: JsonObject) -> None:
        if person := self.people.get(person_key(entry["identifiers"])):
            person.devices.pop(entry["device"]["token"], None)

    def _relate_person(self, entry: JsonObject) -> None:
        for item in entry["cio_relationships"]:
            self._relate(entry["identifiers"], item["identifiers"], item)

    def _unrelate_person(self, entry: JsonObject) -> None:
        for item in entry["cio_relationships"]:
            self._unrelate(entry["identifiers"], item["identifiers"])

    def _identify_object(self, entry: JsonObject) -> None:
        self.objects.setdefault(_object_key(entry["identifiers"]), {}).update(entry.get("attributes", {}))
        for item in entry.get("cio_relationships", ()):
            self._relate(item["identifiers"], entry["identifiers"], item)

    def _delete_object(self, entry: JsonObject) -> None:
        key = _object_key(entry["identifiers"])
        self.objects.pop(key, None)
        self._drop_relationships(lambda pair: pair[1] == key)

    def _relate_object(self, entry: JsonObject) -> None:
        for item in entry["cio_relationships"]:
            self._relate(item["identifiers"], entry["identifiers"], item)

    def _unrelate_object(self, entry: JsonObject) -> None:
        for item in entry["cio_relationships"]:
            self._unrelate(item["identifiers"], entry["identifiers"])

    def _is_suppressed(self, identifiers: JsonObject) -> bool:
        """Whether nothing may be known of somebody; counts what is dropped for that."""
        suppressed = person_key(identifiers) in self.suppressed
        self.ignored.suppressed += suppressed
        return suppressed

    def _forget(self, key: str) -> set[str]:
        """Forget a person with all that belongs to them; returns the keys that named them."""
        person = self.people.get(key)
        if person is None:
            return set()
        for name in person.all_keys():
            del self.people[name]
        self.events = [event for event in self.events if event.person is not person]
        self._drop_relationships(lambda pair: pair[0] == person.key)
        for members in self.segments.values():
            members.discard(person.key)
        return person.all_keys()

    def _relate(self, person: JsonObject, thing: JsonObject, relationship: JsonObject) -> None:
        if self._is_suppressed(person):
            return
        key = self._found_or_made(person).key
        self.objects.setdefault(_object_key(thing), {})
        attributes = self.relationships.setdefault((key, _object_key(thing)), {})
        attributes.update(relationship.get("relationship_attributes", {}))

    def _unrelate(self, person: JsonObject, thing: JsonObject) -> None:
        if found := self.people.get(person_key(person)):
            self.relationships.pop((found.key, _object_key(thing)), None)

    def _drop_relationships(self, gone: Callable[[tuple[str, ObjectKey]], bool]) -> None:
        self.relationships = {
            pair: attributes for pair, attributes in self.relationships.items() if not gone(pair)
        }

    def _found_or_made(self, identifiers: JsonObject) -> Person:
        key = person_key(identifiers)
        person = self.people.get(key)
        if person is None:
            person = self.people[key] = Person(dict(identifiers))
        return person


def _object_key(identifiers: JsonObject) -> ObjectKey:
    return identifiers["object_type_id"], identifiers["object_id"]


_PERSON_ACTIONS: dict[str, Callable[[World, JsonObject], None]] = {
    "identify": World._identify,
    "delete": World._delete,
    "suppress": World._suppress,
    "unsuppress": World._unsuppress,
    "merge": World._merge,
    "add_device": World._add_device,
    "delete_device": World._delete_device,
    "add_relationships": World._relate_person,
    "delete_relationships": World._unrelate_person,
}

_OBJECT_ACTIONS: dict[str, Callable[[World, JsonObject], None]] = {
    "identify": World._identify_object,
    "delete": World._delete_object,
    "add_relationships": World._relate_object,
    "delete_relationships": World._unrelate_object,
}
