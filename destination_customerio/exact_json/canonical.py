"""One encoding for equal values, from which ids of events are derived."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import orjson

from destination_customerio.exact_json.codec import NestedTooDeeply
from destination_customerio.exact_json.utf8 import without_lone_surrogates


def encode_canonically(value: Any) -> bytes:
    """Encode equal values to equal bytes, whatever the order of their keys. Raw values have to be parsed before.

    Ids are derived from these bytes, so they must never change: orjson formats some floats differently from other encoders.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        pass
    try:
        return _encode_canonically(value)
    except RecursionError:
        raise NestedTooDeeply("nested too deeply") from None


def _encode_canonically(value: Any) -> bytes:
    match value:
        case str():
            return orjson.dumps(without_lone_surrogates(value))
        case dict():
            members = (
                _encode_canonically(key) + b":" + _encode_canonically(value[key]) for key in sorted(value)
            )
            return b"{" + b",".join(members) + b"}"
        case list():
            return b"[" + b",".join([_encode_canonically(item) for item in value]) + b"]"
        case bool() | None | float():
            return orjson.dumps(value)
        case int():
            return str(value).encode()
        case Decimal() if _is_infinite_as_double(value):
            return b"null"
        case Decimal() if Decimal(repr(float(value))) == value:
            return orjson.dumps(float(value))
        case Decimal():
            return str(value).encode()
    raise TypeError(f"{type(value).__name__} has no JSON form")  # a bug of the caller: input is parsed JSON


def _is_infinite_as_double(value: Decimal) -> bool:
    """Whether a number with an exponent, such as 1e400, overflows a double; a long integer is no such number."""
    return not value.is_finite() or ("E" in str(value) and math.isinf(float(value)))
