"""Masks the values in parsed JSON, and keeps the names that explain them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.codec import JsonObject, encode
from destination_customerio.masking import masked

if TYPE_CHECKING:
    from destination_customerio.foreign_text import KnownColumns

# Members of an entry whose values are the API's words, not the row's.
_API_WORDS = frozenset({"type", "action"})
# A nested key may itself be a value, as in a map from email addresses to counts.
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z_ .-]{0,59}[0-9]{0,3}")


def masked_row(row: JsonObject, columns: KnownColumns) -> JsonObject:
    """A row with the shapes of its values; names that may not be shown are masked too."""
    return {shown_name(name, columns): _masked(value) for name, value in row.items()}


def masked_entry(entry: JsonObject, columns: KnownColumns) -> JsonObject:
    """An entry with the shapes of its values."""
    return {name: _masked_member(name, value, columns) for name, value in entry.items()}


def _masked_member(name: str, value: Any, columns: KnownColumns) -> Any:
    if name in _API_WORDS:
        return value
    return masked_row(value, columns) if name == "attributes" else _masked(value)


def shown_name(name: str, columns: KnownColumns) -> str:
    """The name of a column, masked if it may not be shown."""
    return name if not name or columns.shown(name) == name else masked(name)


def _masked(value: Any) -> Any:
    match value:
        case dict():
            return {
                key if _PLAIN_KEY.fullmatch(key) else masked(key): _masked(item)
                for key, item in value.items()
            }
        case list():
            return [_masked(item) for item in value]
        case str():
            return masked(value)
        case bool() | None:
            return value
        case _:
            return masked(encode(value).decode())
