"""How a mapped stream's rows are renamed before they are read: resolved once per stream, at the start.

- A column that is mapped is moved: it stands under its new name where it stood under its old one.
- A name with dots that is no column of a row reaches into the row's objects; what is found there is copied to the end.
- Constants come last.
- A mapped name belongs to the mapping alone: an unmapped column of that name is left out, even where a row has nothing
  to put in its place. What the name means then never depends on the row.
- Other columns stay, in their order; with `drop` only those that the destination object has a name for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from destination_customerio.config.stream_mappings import ColumnMapping, ConstantMapping
from destination_customerio.errors import ConfigError
from destination_customerio.exact_json.codec import JsonObject, as_object, parse_exactly

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.stream_mappings import StreamMapping
    from destination_customerio.mapping.identifiers import IdentifierKind
    from destination_customerio.mapping.objects import DestinationObject
    from destination_customerio.routing.router import Route

_NOTHING = object()


def resolve_renames(routes: Sequence[Route], kind: IdentifierKind) -> list[Rename | None]:
    """How the rows of each route are renamed; None where they are read as they come.

    Raises:
        ConfigError: a mapped stream can't give a column that its object needs; it names all such streams and columns.
    """
    resolved = [Rename(mapping, target, kind) if mapping else None for _, target, mapping in routes]
    missing = [
        f"stream {found.stream} has no {' and no '.join(names)} for {found.target.name}"
        for found, rename in zip(routes, resolved, strict=True)
        if rename and (names := rename.missing_columns(found.stream.properties))
    ]
    if missing:
        raise ConfigError(
            f"Some mapped streams lack columns that every row must have: {'; '.join(missing)}. Nothing was written. Map a "
            "column of the stream, or a constant, to each in the configuration (stream_mappings)."
        )
    return resolved


class Rename:
    """Renames the columns of one stream's rows.

    sources  destination column → the column that it comes from, as the row spells it; constants have none
    """

    def __init__(self, mapping: StreamMapping, target: DestinationObject, kind: IdentifierKind) -> None:
        columns = [column for column in mapping.field_mappings if isinstance(column, ColumnMapping)]
        self.sources = {column.destination: column.source for column in columns}
        self._constants = {
            column.destination: column.value
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
        self._mapped = self.sources.keys() | self._constants.keys()
        self._named = {column.name for column in target.named_columns(kind)}
        self._required = [column.name for column in target.named_columns(kind) if column.required]
        self._keeps_all = mapping.unmapped_fields == "attributes"

    def __call__(self, row: JsonObject) -> JsonObject:
        """A row under its new names. The row itself is left as it is; values are shared with it."""
        mapped = self._moved(row)
        for source, path, destination in self._paths:
            if source not in row and (value := _reach(row, path)) is not _NOTHING:
                mapped[destination] = value
        mapped.update(self._constants)
        return mapped

    def of_schema(self, properties: Mapping[str, Any]) -> JsonObject:
        """The properties of a stream's schema under their new names, so that dates are known by them."""
        mapped = self._moved(properties)
        for source, path, destination in self._paths:
            if source not in properties and (schema := _schema_at(properties, path)) is not None:
                mapped[destination] = schema
        return mapped

    def missing_columns(self, properties: Mapping[str, Any]) -> list[str]:
        """The required columns that are neither mapped nor in the stream's schema; none where it has no properties."""
        if not properties:
            return []
        return [
            name
            for name in self._required
            if name not in self._mapped and name not in self._moved(properties)
        ]

    def warning_lines(self, stream: Stream) -> Iterator[str]:
        """What a person may not have meant, as far as the stream's schema shows it."""
        properties = stream.properties
        if not properties:
            return
        for destination, source in self.sources.items():
            if source not in properties and source.split(".")[0] not in properties:
                yield (
                    f"Stream {stream} has no column {source} in its schema, which the mapping reads as {destination}. Rows "
                    "without it go without that column. Check how the source spells it."
                )
        for name in properties:
            if name in self._mapped and name not in self._moves:
                yield (
                    f"Stream {stream} has a column {name}, which is not sent: the mapping puts "
                    f"{f'the column {self.sources[name]}' if name in self.sources else 'a text'} in its place."
                )

    def _moved(self, row: Mapping[str, Any]) -> JsonObject:
        moves, mapped_names = self._moves, self._mapped
        mapped: JsonObject = {}
        for name, value in row.items():
            if name in moves:
                for destination in moves[name]:
                    mapped[destination] = value
            elif name not in mapped_names and (self._keeps_all or name in self._named):
                mapped[name] = value
        return mapped


def _reach(row: JsonObject, path: list[str]) -> Any:
    value: Any = row
    for name in path:
        if type(value) is str:
            value = _parsed(value)
        found = as_object(value)
        if found is None or name not in found:
            return _NOTHING
        value = found[name]
    return value


def _parsed(text: str) -> Any:
    """Objects come as JSON text from warehouses that know no objects."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return parse_exactly(text.encode())
    except ValueError:
        return None


def _schema_at(properties: Mapping[str, Any], path: list[str]) -> JsonObject | None:
    schema: JsonObject | None = None
    level: Any = properties
    for name in path:
        schema = as_object((as_object(level) or {}).get(name))
        level = (schema or {}).get("properties")
    return schema
