"""Leaves null attributes out, so that an empty column of one source doesn't erase what another one knows."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.codec import Raw

if TYPE_CHECKING:
    from destination_customerio.exact_json.codec import JsonObject


def omit_nulls(attributes: JsonObject) -> None:
    """Remove the attributes that would be sent as null, in place; nulls inside objects and arrays stay."""
    for name in [name for name, value in attributes.items() if _is_null(value)]:
        del attributes[name]


def _is_null(value: Any) -> bool:
    if type(value) is Raw:
        return bytes(value) == b"null"
    return value is None or (type(value) in (float, Decimal) and not math.isfinite(value))
