"""How a mapped stream's rows are renamed before they are read: resolved once per stream, at the start.

- A mapped column keeps its position under its new name.
- A source with dots that is not a column of the row is a path into the row's objects and arrays (`emails.0.value`); its
  value is copied to the end.
- Constants come last.
- A destination column comes from its mapping only: an unmapped column of that name is left out, even if the row does not
  have the source. So the meaning of a name never depends on the row.
- Other columns stay, in their order; with `drop`, only the named columns of the destination object do.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from destination_customerio.config.stream_mappings import ColumnMapping, ConstantMapping
from destination_customerio.errors import ConfigError
from destination_customerio.exact_json.codec import (
    JsonObject,
    Oversized,
    as_object,
    as_raw,
    encode,
    is_raw_object,
    plain,
    raw_items,
    raw_members,
)
from destination_customerio.mapping.json_text import nested

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.stream_mappings import StreamMapping
    from destination_customerio.mapping.destination_object import DestinationObject
    from destination_customerio.mapping.identifiers import Identification
    from destination_customerio.routing.router import Route

_NOTHING = object()
_POSITION = re.compile(r"0|[1-9][0-9]{0,8}")


def resolve_renames(routes: Sequence[Route], configured: Identification) -> list[Rename | None]:
    """How the rows of each route are renamed; None where they are not.

    Raises:
        ConfigError: mapped streams lack required columns of their objects; it names all of these.
    """
    resolved = [Rename(mapping, target, configured) if mapping else None for _, target, mapping in routes]
    missing = [
        f"stream {found.stream} has no {' and no '.join(names)} for {found.target.name}"
        for found, rename in zip(routes, resolved, strict=True)
        if rename and (names := rename.missing_columns(found.stream.properties))
    ]
    if missing:
        raise ConfigError(
            f"Some mapped streams lack columns that are required: {'; '.join(missing)}. Nothing was written. Map a column "
            "of the stream, or a constant, to each of them in the configuration (stream_mappings)."
        )
    return resolved


class Rename:
    """Renames the columns of one stream's rows.

    sources    the source column, as the row spells it, by destination column; constants have none
    constants  the constants by destination column, as they would come in a row
    mapped     the destination columns that are mapped by name, constants included
    """

    def __init__(self, mapping: StreamMapping, target: DestinationObject, configured: Identification) -> None:
        columns = [column for column in mapping.field_mappings if isinstance(column, ColumnMapping)]
        self.sources = {column.destination: column.source for column in columns}
        self._named = {column.name for column in target.named_columns(configured)}
        self.constants = {
            column.destination: _constant(column.value, is_named=column.destination in self._named)
            for column in mapping.field_mappings
            if isinstance(column, ConstantMapping)
        }
        self._moves: dict[str, list[str]] = {}
        for destination, source in self.sources.items():
            self._moves.setdefault(source, []).append(destination)
        self._paths = [
            (source, source.split("."), destination)
            for destination, source in self.sources.items()
            if "." in source
        ]
        self.mapped = frozenset(self.sources.keys() | self.constants.keys())
        self._required = [column.name for column in target.named_columns(configured) if column.required]
        self._keeps_all = mapping.unmapped_fields == "attributes"

    def __call__(self, row: JsonObject) -> JsonObject:
        """A copy of the row under its new names; it shares the values."""
        mapped = self._moved(row)
        for source, path, destination in self._paths:
            if source not in row and (value := _reach(row, path)) is not _NOTHING:
                mapped[destination] = value
        mapped.update(self.constants)
        return mapped

    def of_schema(self, properties: Mapping[str, Any]) -> JsonObject:
        """The properties of a stream's schema under their new names, which say what columns are dates."""
        mapped = self._moved(properties)
        for source, path, destination in self._paths:
            if source not in properties and (schema := _schema_at(properties, path)) is not None:
                mapped[destination] = schema
        return mapped

    def columns_of(self, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """The columns that rows of this schema may have under their new names, including all that the mapping makes."""
        return {**self._moved(properties), **self.sources, **self.constants}

    def destinations(self, row: JsonObject) -> Iterator[tuple[str, str, Any]]:
        """Each column of a parsed row, or path into it, a name that it gets, and its value; "" if it gets no name."""
        for column, value in row.items():
            if column in self._moves:
                yield from ((column, destination, value) for destination in self._moves[column])
            elif column not in self.mapped and (self._keeps_all or column in self._named):
                yield column, column, value
            else:
                yield column, "", value
        for source, path, destination in self._paths:
            if source not in row and path[0] in row:
                value = _reach({path[0]: as_raw(encode(row[path[0]]))}, path)
                if value is not _NOTHING:
                    yield source, destination, plain(value)
        yield from (("", destination, plain(value)) for destination, value in self.constants.items())

    def missing_columns(self, properties: Mapping[str, Any]) -> list[str]:
        """The required columns that are neither mapped nor in the stream's schema; none if the schema is empty."""
        if not properties:
            return []
        return [
            name for name in self._required if name not in self.mapped and name not in self._moved(properties)
        ]

    def warning_lines(self, stream: Stream) -> Iterator[str]:
        """What is probably unintended, as far as the stream's schema shows it."""
        properties = stream.properties
        if not properties:
            return
        for destination, source in self.sources.items():
            if source not in properties and source.split(".")[0] not in properties:
                yield (
                    f"Stream {stream} has no column {source} in its schema, but its mapping reads {destination} from it. "
                    f"Rows without it are sent without {destination}. Check the spelling in the source."
                )
        for name in properties:
            if name in self.mapped and name not in self._moves:
                yield (
                    f"Stream {stream} has a column {name} that is not sent: its mapping replaces it with "
                    f"{f'the column {self.sources[name]}' if name in self.sources else 'a constant'}."
                )

    def _moved(self, row: Mapping[str, Any]) -> JsonObject:
        moves, mapped_names = self._moves, self.mapped
        mapped: JsonObject = {}
        for name, value in row.items():
            if name in moves:
                for destination in moves[name]:
                    mapped[destination] = value
            elif name not in mapped_names and (self._keeps_all or name in self._named):
                mapped[name] = value
        return mapped


def _constant(value: Any, *, is_named: bool) -> Any:
    """A constant as it would come in a row; a named column may be an identifier, which needs a number's digits."""
    return Decimal(repr(value)) if is_named and type(value) is float else value


def _reach(row: JsonObject, path: list[str]) -> Any:
    value = row.get(path[0], _NOTHING)
    for name in path[1:]:
        value = _inner(value, name)
        if value is _NOTHING:
            break
    return value


def _inner(value: Any, name: str) -> Any:
    """What an object or array, or the JSON text of one, has under a name or position."""
    content = nested(value.raw if type(value) is Oversized else value)
    if content is None:
        return _NOTHING
    if is_raw_object(content):
        return (raw_members(content) or {}).get(name, _NOTHING)
    items = raw_items(content) if _POSITION.fullmatch(name) else None
    return items[int(name)] if items and int(name) < len(items) else _NOTHING


def _schema_at(properties: Mapping[str, Any], path: list[str]) -> JsonObject | None:
    schema: JsonObject | None = None
    level: Any = properties
    for name in path:
        items = as_object((schema or {}).get("items")) if _POSITION.fullmatch(name) else None
        schema = items or as_object((as_object(level) or {}).get(name))
        level = (schema or {}).get("properties")
    return schema
