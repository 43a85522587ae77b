"""Parses and encodes JSON without changing any value.

The columns of a row are kept as the bytes they came in (`Raw`): a named column is parsed, all others are copied into the
entry. So numbers keep their digits, whatever their size, and texts their escapes.

What is parsed keeps its value too: integers are exact, and a decimal that a float would round is a `Decimal`. NaN, the
infinities and lone surrogates, which JSON can't hold and many programs write, are repaired first (see `repair`).
"""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import msgspec

from destination_customerio.exact_json.repair import repaired
from destination_customerio.exact_json.utf8 import without_lone_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
JsonObject = dict[str, Any]
# A JSON value as the bytes it came in. It is valid UTF-8, and JSON that any parser accepts.
Raw: TypeAlias = msgspec.Raw

# A decimal of up to 15 digits is the same after it was a double; with the point it has 16 characters.
_EXACT_CHARACTERS = 16


class Oversized:
    """A value that is too long to be parsed: copied as its bytes.

    Parsed, it could take many times its memory.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Raw) -> None:
        self.raw = raw


class NestedTooDeeply(ValueError):  # noqa: N818 - it describes the text
    """Objects or arrays are nested deeper than the parser supports; the text may be valid JSON."""


def parse(text: bytes | Raw) -> Any:
    """Parse JSON; a decimal is a float if that is the same number, otherwise a `Decimal`.

    Raises:
        ValueError: not JSON. The message does not contain any of the text.
        NestedTooDeeply: nested too deeply to be parsed.
    """
    return _parse(_PARSER, text)


def parse_exactly(text: bytes | Raw) -> Any:
    """Parse JSON with all decimals as `Decimal`, which keeps their digits as written.

    Raises:
        ValueError: as for `parse`.
    """
    return _parse(_EXACT_PARSER, text)


def plain(value: Any) -> Any:
    """The value of a column: parsed exactly if it is kept as bytes; anything else is a value already."""
    if type(value) is not Raw:
        return value
    try:
        return _decode_exactly(value)
    except (msgspec.DecodeError, RecursionError):
        return parse_exactly(value)


def is_raw_text(value: Any) -> bool:
    """Whether a value is text, kept as bytes."""
    return type(value) is Raw and bytes(memoryview(value)[:1]) == b'"'


def is_raw_object(value: Any) -> bool:
    """Whether a value is an object, kept as bytes."""
    return type(value) is Raw and bytes(memoryview(value)[:1]) == b"{"


def is_raw_array(value: Any) -> bool:
    """Whether a value is an array, kept as bytes."""
    return type(value) is Raw and bytes(memoryview(value)[:1]) == b"["


def parse_object(text: bytes | Raw) -> JsonObject | None:
    """The JSON object in a text, parsed as by `parse`; None if the text is anything else."""
    try:
        return as_object(parse(text))
    except ValueError:
        return None


def check(text: bytes | Raw) -> None:
    """Check that a text is JSON, perhaps after repair.

    Raises:
        ValueError: as for `parse`.
    """
    _read(_RAW.decode, text)


def raw_members(text: bytes | Raw) -> dict[str, Raw] | None:
    """The members of a JSON object, each as its bytes; None if the text is another JSON value.

    Raises:
        ValueError: as for `parse`.
    """
    return _members_or_items(_MEMBERS, text)


def raw_items(text: bytes | Raw) -> list[Raw] | None:
    """The items of a JSON array, each as its bytes; None if the text is another JSON value.

    Raises:
        ValueError: as for `parse`.
    """
    return _members_or_items(_ITEMS, text)


def as_raw(text: bytes | Raw) -> Raw:
    """A JSON text as a value that is copied, without the space between its values.

    Raises:
        ValueError: as for `parse`.
    """
    return Raw(compacted(text))


def without_oversized(row: dict[str, Any], max_bytes: int, max_text_bytes: int) -> JsonObject:
    """The columns of a row; text that is longer than its limit, and anything else that is longer than its own, as `Oversized`.

    The space between values does not count.
    """
    return {name: limited(value, max_bytes, max_text_bytes) for name, value in row.items()}


def limited(value: Any, max_bytes: int, max_text_bytes: int) -> Any:
    """One value of a row, as by `without_oversized`."""
    if type(value) is not Raw or len(memoryview(value)) <= max_bytes:
        return value
    if is_raw_text(value):
        return value if len(memoryview(value)) <= max_text_bytes else Oversized(value)
    value = as_raw(value)
    return value if len(memoryview(value)) <= max_bytes else Oversized(value)


def compacted(text: bytes | Raw) -> bytes:
    """A JSON text without the space between its values; nothing else changes.

    Raises:
        ValueError: as for `parse`.
    """
    return _read(_without_space, text)


def encode(value: Any) -> bytes:
    """Encode as compact UTF-8 JSON: raw values as they are, NaN and the infinities as null, numbers with their digits.

    Raises:
        NestedTooDeeply: nested deeper than is supported.
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(without_lone_surrogates(value))
    except RecursionError:
        raise NestedTooDeeply("nested too deeply") from None


def longest(values: Iterable[Any]) -> int:
    """The size of the longest value as encoded; 0 for none. The values must contain no line end between theirs."""
    return max(map(len, encode_lines(values).split(b"\n")))


def own_bytes(value: Any) -> int:
    """The size of a text without its quotes and escapes, and of any other value without the space between its values."""
    if type(value) is str:
        return len(value.encode("utf-8", "surrogatepass"))
    if type(value) is Oversized:
        return len(memoryview(value.raw))
    text = value if type(value) is Raw else encode(value)
    if bytes(memoryview(text)[:1]) == b'"':
        return len(plain(text).encode()) if b"\\" in bytes(text) else len(memoryview(text)) - len('""')
    return len(compacted(text))


def encode_lines(values: Iterable[Any]) -> bytes:
    """Encode values as by `encode`, each on a line of its own."""
    try:
        return _ENCODER.encode_lines(list(values))
    except UnicodeEncodeError:
        return _ENCODER.encode_lines([without_lone_surrogates(value) for value in values])


def as_object(value: Any) -> JsonObject | None:
    """`value` if it is a JSON object, otherwise None."""
    return cast("JsonObject", value) if type(value) is dict else None


def _bytes_of(value: Any) -> Raw:
    if type(value) is not Oversized:
        raise TypeError(f"{type(value).__name__} has no JSON form")  # a bug of the caller
    return value.raw


def _number(text: str) -> float | Decimal:
    number = float(text)
    if len(text) <= _EXACT_CHARACTERS or not math.isfinite(number):
        return number
    exact = _exact_decimal(text)
    return number if Decimal(repr(number)) == exact else exact


def _exact_decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits: infinite or zero, by its sign
        return Decimal(float(text))


_PARSER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=_number)
_EXACT_PARSER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=_exact_decimal)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_RAW = msgspec.json.Decoder(Raw)
_ITEMS = msgspec.json.Decoder(list[Raw])
_decode_exactly = _EXACT_PARSER.decode
_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_bytes_of)
_encode = _ENCODER.encode


def _parse(parser: msgspec.json.Decoder[Any], text: bytes | Raw) -> Any:
    try:
        return _read(parser.decode, text)
    except msgspec.ValidationError:  # an integer of more digits than int() converts
        hook = _number if parser is _PARSER else _exact_decimal
        try:
            return json.loads(repaired(bytes(text)), parse_float=hook, parse_int=_long_integer)
        except RecursionError:
            raise NestedTooDeeply("nested too deeply") from None


def _without_space(text: bytes | Raw) -> bytes:
    return msgspec.json.format(text, indent=-1)


def _long_integer(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)


def _members_or_items(decoder: msgspec.json.Decoder[T], text: bytes | Raw) -> T | None:
    try:
        return _read(decoder.decode, text)
    except msgspec.ValidationError:  # another value
        return None


def _read(read: Callable[[bytes | Raw], T], text: bytes | Raw) -> T:
    """What a function of msgspec reads in a text, which is repaired if it has to be.

    Raises:
        ValueError, NestedTooDeeply: as for `parse`.
        msgspec.ValidationError: a value of another type than the function expects.
    """
    try:
        return read(text)
    except msgspec.ValidationError:
        raise
    except RecursionError:
        raise NestedTooDeeply("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        fixed = repaired(bytes(text))
        if fixed == text:
            raise ValueError("not a JSON text") from None
    return _read(read, fixed)
