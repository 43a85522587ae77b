"""Objects and arrays in columns: many warehouses store these as JSON text, so a value may be either.

Where a column has to hold an object or array, at whatever level, its JSON text will do as well. Attributes are parsed only
in columns that the schema types as objects or arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.codec import (
    JsonObject,
    Raw,
    as_object,
    as_raw,
    is_raw_array,
    is_raw_object,
    is_raw_text,
    plain,
    raw_items,
    raw_members,
)
from destination_customerio.mapping.visible_text import trimmed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def nested(value: Any) -> Raw | None:
    """The object or array that a value is, or that it is the JSON text of; None for anything else."""
    if is_raw_object(value) or is_raw_array(value):
        found: Raw = value
        return found
    text = plain(value) if is_raw_text(value) else value
    if type(text) is not str or not (text := trimmed(text)).startswith(("{", "[")):
        return None
    try:
        return as_raw(text.encode())
    except ValueError:  # also text with a lone surrogate
        return None


def members_in(value: Any) -> dict[str, Raw] | None:
    """The members of the object that a value is, or is the JSON text of; None for anything else."""
    found = nested(value)
    return None if found is None else raw_members(found)


def items_in(value: Any) -> list[Raw] | None:
    """The items of the array that a value is, or is the JSON text of; None for anything else."""
    found = nested(value)
    return None if found is None else raw_items(found)


def json_columns(properties: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that a schema types as object or array; those that it also types as text are what they are."""
    found = ((name, _types(schema)) for name, schema in properties.items())
    return tuple(name for name, types in found if types & {"object", "array"} and "string" not in types)


def parse_json_text(attributes: JsonObject, columns: Iterable[str]) -> None:
    """Replace JSON text by the object or array that it holds, in place; any other value stays."""
    for column in columns:
        if (found := nested(attributes.get(column))) is not None:
            attributes[column] = found


def _types(schema: Any) -> set[str]:
    schema = as_object(schema) or {}
    named = schema.get("type")
    types = {kind for kind in (named if isinstance(named, list) else [named]) if isinstance(kind, str)}
    for options in (schema.get("oneOf"), schema.get("anyOf")):
        for option in options if isinstance(options, list) else ():
            types |= _types(option)
    return types
