"""Who a row is about: reads the identifiers of a person.

Where a row may identify its person in any way, the first identifier that it has does so; the others become attributes of
the person or their event (`email`, `id`, `phone`), by which Customer.io knows the person too. A `cio_id` can't be set, so it
is no attribute. Devices and relationships have attributes of their own, so the others are left out there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import plain
from destination_customerio.mapping.identifiers import (
    ANY_IDENTIFIER,
    IDENTIFIER_KINDS,
    AnyIdentifier,
    IdentifierKind,
    identified_person,
    identifier,
    names_nobody,
)
from destination_customerio.mapping.visible_text import is_blank

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from destination_customerio.exact_json.codec import JsonObject
    from destination_customerio.mapping.identifiers import Identification, Identified

    # Reads the person a row is about.
    ReadPerson = Callable[[JsonObject], Identified]


def person_reader(
    identification: Identification, columns: Collection[str], *, keeps_identifiers: bool
) -> ReadPerson:
    """What reads, and removes, the identifiers of the rows of one stream.

    Args:
        identification: how rows identify people
        columns: the columns of the stream's schema, as far as it is known
        keeps_identifiers: whether further identifiers become attributes
    """
    match identification:
        case IdentifierKind():
            return _OnePerson(identification).read
        case AnyIdentifier():
            return _AnyPerson(identification, columns, keeps_identifiers=keeps_identifiers).read
        case _:
            assert_never(identification)


def read_kinds(identification: Identification) -> tuple[IdentifierKind, ...]:
    """The kinds whose columns a reader removes from a row: where any identifier will do, also those that don't identify."""
    return (ANY_IDENTIFIER if isinstance(identification, AnyIdentifier) else identification).alternatives


class _OnePerson:
    """One column identifies the person; those of other kinds are attributes as any."""

    def __init__(self, kind: IdentifierKind) -> None:
        self._kind = kind.name
        self._column = kind.column

    def read(self, data: JsonObject) -> Identified:
        return identified_person(plain(data.pop(self._column, None)), self._kind, self._column)


class _AnyPerson:
    """The first of several columns that a row has identifies the person; a rejection names one that the schema has."""

    def __init__(
        self, identification: AnyIdentifier, columns: Collection[str], *, keeps_identifiers: bool
    ) -> None:
        self._alternatives = identification.alternatives
        names = [kind.column for kind in self._alternatives]
        self._blamed = next((name for name in names if name in columns), names[0])
        self._missing = (
            f"{names[0]} is missing or blank."
            if len(names) == 1
            else f"None of {', '.join(names)} identifies the person: all are missing or blank."
        )
        self._keeps_identifiers = keeps_identifiers

    def read(self, data: JsonObject) -> Identified:
        given: dict[str, Any] = {}
        for kind in ANY_IDENTIFIER.alternatives:
            value = plain(data.pop(kind.column, None))
            if not is_blank(value):
                given[kind.name] = value
        candidates = [kind for kind in self._alternatives if kind.name in given]
        if not candidates:
            raise Rejection("required", self._blamed, self._missing)
        # What programs write for a value that they don't have identifies nobody, but explains the rejection.
        chosen = next((kind for kind in candidates if not names_nobody(given[kind.name])), candidates[0])
        person = identified_person(given[chosen.name], chosen.name, chosen.column)
        if self._keeps_identifiers:
            for kind in ANY_IDENTIFIER.alternatives:
                value = given.get(kind.name)
                if kind not in (chosen, _CIO_ID) and not names_nobody(value):
                    _add(data, kind.name, identifier(value, kind.name, kind.column))
        return person


_CIO_ID = IDENTIFIER_KINDS["cio_id"]


def _add(attributes: JsonObject, name: str, text: str) -> None:
    """Add an attribute unless the row has a column of its name: in an event, `id` may be the number of an order."""
    if is_blank(plain(attributes.get(name))):
        attributes[name] = text
