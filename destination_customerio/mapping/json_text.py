"""JSON text in columns that the schema types as objects or arrays: many warehouses store these as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.codec import JsonObject, as_object, as_raw, is_raw_text, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def json_columns(properties: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that a schema types as object or array; those that it also types as text are what they are."""
    found = ((name, _types(schema)) for name, schema in properties.items())
    return tuple(name for name, types in found if types & {"object", "array"} and "string" not in types)


def parse_json_text(attributes: JsonObject, columns: Iterable[str]) -> None:
    """Replace JSON text by the object or array that it holds, in place; any other value stays."""
    for column in columns:
        value = attributes.get(column)
        text = plain(value) if is_raw_text(value) else value
        if type(text) is not str or not text.lstrip().startswith(("{", "[")):
            continue
        try:
            attributes[column] = as_raw(text.encode())
        except ValueError:
            continue


def _types(schema: Any) -> set[str]:
    schema = as_object(schema) or {}
    named = schema.get("type")
    types = {kind for kind in (named if isinstance(named, list) else [named]) if isinstance(kind, str)}
    for options in (schema.get("oneOf"), schema.get("anyOf")):
        for option in options if isinstance(options, list) else ():
            types |= _types(option)
    return types
