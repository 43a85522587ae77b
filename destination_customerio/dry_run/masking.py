"""Masks the values in parsed JSON, and keeps the names that explain them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from destination_customerio.exact_json.codec import JsonObject, as_object, encode
from destination_customerio.mapping.airbyte_columns import is_airbytes
from destination_customerio.masking import masked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from destination_customerio.foreign_text import KnownColumns

# Members of an entry whose values are the API's words, not the row's.
_API_WORDS = frozenset({"type", "action", "id_type"})
# Members of an entry, at any level, whose keys are columns; all other keys of an entry are the API's words.
_ATTRIBUTES = frozenset({"attributes", "relationship_attributes"})
_PLAIN_NAME = re.compile(r"[A-Za-z_]{1,60}[0-9]{0,3}")
# Of both, so that its length does not say which.
_MASKED_BOOLEAN = "xxxx"


@dataclass(frozen=True, slots=True)
class ShownNames:
    """The names in a stream's rows that may be shown.

    columns  its columns
    nested   the members of objects that its schema declares, at any depth
    """

    columns: KnownColumns
    nested: frozenset[str] = frozenset()

    @classmethod
    def of(cls, columns: KnownColumns, properties: Mapping[str, Any]) -> Self:
        """The names of a stream with these properties in its schema."""
        nested = {name for schema in properties.values() for name in _declared(schema)}
        return cls(columns, frozenset(nested))

    def column(self, name: str) -> str:
        """The name of a column, masked if it may not be shown."""
        is_plain_airbytes = is_airbytes(name) and _PLAIN_NAME.fullmatch(name)
        is_shown = not name or self.columns.shown(name) == name or is_plain_airbytes
        return name if is_shown else masked(name)

    def key(self, name: str) -> str:
        """The key of a nested object, masked unless it is declared; it may be a value, as in a map from people to counts."""
        if self.columns.has_schema:
            is_shown = name in self.nested or self.columns.shown_field(name) == name
        else:
            is_shown = _PLAIN_NAME.fullmatch(name) is not None
        return name if is_shown else masked(name)


def shown_columns(row: Iterable[str], names: ShownNames) -> dict[str, str]:
    """A different name to show for each column of a row; masked ones may look the same, and are numbered then."""
    return _distinct((name, names.column(name)) for name in row)


def masked_row(row: JsonObject, names: ShownNames) -> JsonObject:
    """A row with the shapes of its values; names that may not be shown are masked too."""
    shown = shown_columns(row, names)
    return {shown[name]: _masked(value, names) for name, value in row.items()}


def masked_entry(entry: JsonObject, names: ShownNames) -> JsonObject:
    """An entry with the shapes of its values."""
    return {
        name: value if name in _API_WORDS else _masked_member(name, value, names)
        for name, value in entry.items()
    }


def _masked_member(name: str, value: Any, names: ShownNames) -> Any:
    match value:
        case dict() if name in _ATTRIBUTES:
            return masked_row(value, names)
        case dict():
            return {key: _masked_member(key, item, names) for key, item in value.items()}
        case list():
            return [_masked_member(name, item, names) for item in value]
        case _:
            return _masked(value, names)


def _masked(value: Any, names: ShownNames) -> Any:
    match value:
        case dict():
            shown = _distinct((key, names.key(key)) for key in value)
            return {shown[key]: _masked(item, names) for key, item in value.items()}
        case list():
            return [_masked(item, names) for item in value]
        case str():
            return masked(value)
        case bool():
            return _MASKED_BOOLEAN
        case None:  # says nothing about anybody
            return None
        case _:
            return masked(encode(value).decode())


def _distinct(names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Numbers names to show that came before."""
    seen: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for name, text in names:
        seen[text] += 1
        shown[name] = text if seen[text] == 1 else f"{text} ({seen[text]})"
    return shown


def _declared(schema: Any) -> Iterator[str]:
    """The names of the members that a schema declares, at any depth."""
    pending = [schema]
    while pending:
        level = as_object(pending.pop())
        if level is not None:
            properties = as_object(level.get("properties")) or {}
            yield from properties
            pending += [*properties.values(), level.get("items")]
