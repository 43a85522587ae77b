"""Parses and encodes JSON without changing any value.

orjson is fast, but rejects some of the values in warehouses and silently changes others: it rejects NaN, Infinity, lone
surrogates and numbers outside the range of a double, turns integers over 64 bits into floats, and rounds decimals to the
nearest double. Lines with such values are rare, so only they take the slow path through the standard library, where

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

# A decimal of up to 15 digits is the same after it was a double; with 16 and the point it has 17 characters. An integer
# of up to 18 digits always fits in 64 bits; a negative one of 19 may not, nor may any of 20.
_LONG_NUMBER = b"0" * 17
_DIGITS_AND_POINT_TO_ZERO = bytes.maketrans(b"123456789.", b"0" * 10)
_LONG_INTEGER_CHARACTERS = 20
_NUMBER = re.compile(rb"-?[0-9]++(\.[0-9]++|)(?:[eE][+-]?+[0-9]++)?+")
# What may precede a number. Digits that come after anything else are part of a text.
_BEFORE_NUMBER = b":,[ \t\r\n"
# int() does not convert more digits than about this; Decimal is exact for such a number.
_MAX_INT_DIGITS = 4_000


class NestedTooDeeply(ValueError):  # noqa: N818 - it describes the text
    """Objects or arrays are nested deeper than the parsers support; the text may be valid JSON."""


def may_hold_long_numbers(text: bytes) -> bool:
    """Whether `text`, of any length, has a run of 17 digits and points: a cheap test for many lines at once."""
    return _LONG_NUMBER in text.translate(_DIGITS_AND_POINT_TO_ZERO)


def parse(text: bytes) -> Any:
    """Parse JSON, exactly where orjson would refuse or round.

    Raises:
        ValueError: not JSON. The message does not contain any of the text.
        NestedTooDeeply: nested too deeply to be parsed.
    """
    return parse_exactly(text) if _holds_long_number(text) else parse_ordinary(text)


def parse_object(text: bytes) -> JsonObject | None:
    """The JSON object in a text, parsed as by `parse`; None if the text is anything else."""
    try:
        return as_object(parse(text))
    except ValueError:
        return None


def parse_ordinary(text: bytes) -> Any:
    """Parse JSON that has no long numbers (see `may_hold_long_numbers`); otherwise as `parse`."""
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


def _holds_long_number(text: bytes) -> bool:
    """Whether a JSON text has a number that orjson would change."""
    runs = text.translate(_DIGITS_AND_POINT_TO_ZERO)
    at = runs.find(_LONG_NUMBER)
    while at >= 0:
        start = at - 1 if text[at - 1 : at] == b"-" else at
        if (start == 0 or text[start - 1] in _BEFORE_NUMBER) and (number := _NUMBER.match(text, start)):
            if _is_changed(number):
                return True
            at = number.end()
        else:
            at += len(_LONG_NUMBER)
        at = runs.find(_LONG_NUMBER, at)
    return False


def _is_changed(number: re.Match[bytes]) -> bool:
    text = number[0].decode()
    if number.end(1) == number.end() and not number[1]:
        return len(text) >= _LONG_INTEGER_CHARACTERS
    # As a double, most decimals are written as before: they have been doubles in the source.
    written = repr(float(text))
    return written != text and Decimal(written) != _exact_decimal(text)


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
