"""Parses and encodes JSON without changing any value.

orjson is fast, but rejects some of the values in warehouses and silently changes others: it rejects NaN, Infinity, lone
surrogates and numbers outside the range of a double, and turns integers over 64 bits into floats. Lines with such values
are rare, so only they take the slow path through the standard library, where

- integers keep their digits, whatever their size;
- decimals are `Decimal`s, so that they are written as they were read;
- NaN and the infinities become null, as JSON has no notation for them;
- a lone surrogate becomes U+FFFD when it is sent, as a JSON parser on the receiving side would replace it.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import orjson

JsonObject = dict[str, Any]

# An integer of up to 18 digits always fits in 64 bits; a negative one of 19 may not, nor may any of 20.
_MAY_BE_LONG_INTEGER = b"0" * 19
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_INTEGER = re.compile(rb"-[0-9]{19}|[0-9]{20}")
# int() does not convert more digits than about this; Decimal is exact for such a number.
_MAX_INT_DIGITS = 4_000


class NestedTooDeeply(ValueError):  # noqa: N818 - it describes the text
    """Objects or arrays are nested deeper than the parsers support; the text may be valid JSON."""


def may_hold_long_integers(text: bytes) -> bool:
    """Whether `text`, of any length, has a run of 19 digits: a cheap test for many lines at once."""
    return _MAY_BE_LONG_INTEGER in text.translate(_DIGITS_TO_ZERO)


def parse(text: bytes) -> Any:
    """Parse JSON, exactly where orjson would refuse or round.

    Raises:
        ValueError: not JSON. The message does not contain any of the text.
        NestedTooDeeply: nested too deeply to be parsed.
    """
    return parse_exactly(text) if _LONG_INTEGER.search(text) else parse_ordinary(text)


def parse_object(text: bytes) -> JsonObject | None:
    """The JSON object in a text, parsed as by `parse`; None if the text is anything else."""
    try:
        return as_object(parse(text))
    except ValueError:
        return None


def parse_ordinary(text: bytes) -> Any:
    """Parse JSON that has no long integers (see `may_hold_long_integers`); otherwise as `parse`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return parse_exactly(text)


def parse_exactly(text: bytes) -> Any:
    """Parse JSON with decimals as `Decimal` and all integers exact.

    Raises:
        ValueError: as for `parse`.
    """
    try:
        return json.loads(text.decode(), parse_float=_exact_decimal, parse_int=_exact_integer)
    except ValueError:
        raise ValueError("not a JSON text") from None
    except RecursionError:
        raise NestedTooDeeply("nested too deeply") from None


def encode(value: Any) -> bytes:
    """Encode as compact UTF-8 JSON; NaN and the infinities as null, big integers and decimals with their digits.

    Raises:
        NestedTooDeeply: nested deeper than is supported.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return _encode_slowly(value, sort_keys=False)


def encode_canonically(value: Any) -> bytes:
    """Encode equal values to equal bytes, whatever the order of their keys."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _encode_slowly(value, sort_keys=True)


def is_valid_text(text: str) -> bool:
    """Whether `text` can be encoded as UTF-8, that is, contains no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _exact_integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else Decimal(digits)


def _exact_decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits: infinite or zero, by its sign
        return Decimal(float(text))


def _encode_slowly(value: Any, *, sort_keys: bool) -> bytes:
    try:
        return _encode_exactly(value, sort_keys=sort_keys)
    except RecursionError:
        raise NestedTooDeeply("nested too deeply") from None


def _encode_exactly(value: Any, *, sort_keys: bool) -> bytes:
    match value:
        case str():
            return orjson.dumps(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        case dict():
            keys = sorted(value) if sort_keys else value
            members = (
                _encode_exactly(key, sort_keys=sort_keys)
                + b":"
                + _encode_exactly(value[key], sort_keys=sort_keys)
                for key in keys
            )
            return b"{" + b",".join(members) + b"}"
        case list():
            return b"[" + b",".join([_encode_exactly(item, sort_keys=sort_keys) for item in value]) + b"]"
        case bool() | None:
            return orjson.dumps(value)
        case int():
            return str(value).encode()
        case Decimal() if _is_infinite_as_double(value):
            return b"null"
        case Decimal() if sort_keys and Decimal(repr(float(value))) == value:
            # The fast parser would have made the same number this float.
            return orjson.dumps(float(value))
        case Decimal():
            return str(value).encode()
        case float():
            return orjson.dumps(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")  # a bug of the caller: input is parsed JSON


def _is_infinite_as_double(value: Decimal) -> bool:
    """Whether a number with an exponent, such as 1e400, overflows a double; a long integer is no such number."""
    return not value.is_finite() or ("E" in str(value) and math.isinf(float(value)))


def as_object(value: Any) -> JsonObject | None:
    """`value` if it is a JSON object, otherwise None."""
    return cast("JsonObject", value) if type(value) is dict else None
