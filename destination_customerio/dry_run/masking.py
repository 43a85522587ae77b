"""Masks the values in parsed JSON, and keeps the names that explain them."""

from __future__ import annotations

import re
from typing import Any

from destination_customerio.exact_json.codec import JsonObject, encode
from destination_customerio.masking import masked

# Members of an entry whose values are the API's words, not the row's.
_API_WORDS = frozenset({"type", "action"})
# A nested key may itself be a value, as in a map from email addresses to counts.
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z_ .-]{0,59}[0-9]{0,3}")


def masked_row(row: JsonObject) -> JsonObject:
    """A row with its column names and the shapes of its values."""
    return {name: _masked(value) for name, value in row.items()}


def masked_entry(entry: JsonObject) -> JsonObject:
    """An entry with the shapes of its values; names of attributes are column names, so they are kept."""
    return {name: value if name in _API_WORDS else _masked(value, depth=1) for name, value in entry.items()}


def _masked(value: Any, depth: int = 0) -> Any:
    """`depth` is how many levels of keys are names of ours or of columns."""
    match value:
        case dict():
            return {
                key if depth or _PLAIN_KEY.fullmatch(key) else masked(key): _masked(item, max(0, depth - 1))
                for key, item in value.items()
            }
        case list():
            return [_masked(item, depth) for item in value]
        case str():
            return masked(value)
        case bool() | None:
            return value
        case _:
            return masked(encode(value).decode())
