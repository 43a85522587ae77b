"""Rows as the connector reads them: their columns are the bytes of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.codec import Raw, encode, plain
from destination_customerio.exact_json.utf8 import is_valid_text

if TYPE_CHECKING:
    from collections.abc import Mapping


def raw(value: Any) -> Any:
    """A value as its bytes; text with a lone surrogate stays text."""
    if type(value) is Raw or (type(value) is str and not is_valid_text(value)):
        return value
    return Raw(encode(value))


def raw_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of values as the connector reads it."""
    return {name: raw(value) for name, value in row.items()}


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of such a row."""
    return {name: plain(value) for name, value in row.items()}
