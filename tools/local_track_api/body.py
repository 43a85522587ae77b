"""The body of a batch request: its entries, each with the very bytes it was sent as.

Sizes and repeats are checked by bytes, so the exact span of each entry in the body is needed. The cheap way
is a proof: entries encoded again and joined that give the body back, byte for byte, *are* the spans. Where they do not
(spaces, other escapes, other notations of a number), the body is scanned, entry by entry.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import orjson

_OPEN = b'{"batch":['
_CLOSE = b"]}"

_BLANKS = re.compile(r"[ \t\n\r]*")

# orjson makes a float of an integer over 64 bits, which has 19 digits at least.
_MAY_BE_LONG_INTEGER = b"0" * 19
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
# More digits are refused by int(); the number is kept as text then.
_MAX_INT_DIGITS = 4_000


class Malformed(Exception):  # noqa: N818 - what the body is, answered with 400
    """The body is not JSON, or not an object with a list `batch` that holds something."""


@dataclass(frozen=True, slots=True)
class SentEntry:
    """One entry: parsed, and its bytes as sent."""

    value: Any
    raw: bytes


def parse_batch(body: bytes) -> list[SentEntry]:
    """The entries of a body, integers exact.

    Raises:
        Malformed: with the sentence for the answer.
    """
    if _MAY_BE_LONG_INTEGER in body.translate(_DIGITS_TO_ZERO):
        return _scan(body)
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("the body is not JSON") from None
    entries = _batch_of(parsed)
    raws = [orjson.dumps(entry) for entry in entries]
    if b"".join((_OPEN, b",".join(raws), _CLOSE)) != body:
        return _scan(body)
    return [SentEntry(entry, raw) for entry, raw in zip(entries, raws, strict=True)]


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON, integers of any size with their digits."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _batch_of(parsed: Any) -> list[Any]:
    batch = parsed.get("batch") if type(parsed) is dict else None
    if type(batch) is not list:
        raise Malformed("the body must be an object with a list called batch")
    if not batch:
        raise Malformed("batch must not be empty")
    return batch


def _scan(body: bytes) -> list[SentEntry]:
    try:
        text = body.decode()
        _batch_of(_DECODER.decode(text))
        entries = [
            SentEntry(_DECODER.decode(text[start:end]), text[start:end].encode())
            for start, end in _spans(text)
        ]
        for entry in entries:
            # A lone surrogate is no character; encoding is what finds it.
            json.dumps(entry.value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    return entries


def _spans(text: str) -> list[tuple[int, int]]:
    """Where the elements of the list `batch` begin and end, in a text already known to be such an object."""
    spans: list[tuple[int, int]] = []
    position = _after(text, 0)
    while text[position] != "}":
        key, position = _DECODER.raw_decode(text, _blanks(text, position))
        position = _blanks(text, _after(text, position))
        if key == "batch":
            # The last of several members of one name is the one that counts.
            spans, position = _elements(text, position)
        else:
            _, position = _DECODER.raw_decode(text, position)
        position = _blanks(text, position)
        if text[position] == ",":
            position = _after(text, position)
    return spans


def _elements(text: str, position: int) -> tuple[list[tuple[int, int]], int]:
    spans = []
    if text[position] != "[":
        return [], _DECODER.raw_decode(text, position)[1]
    position = _after(text, position)
    while text[position] != "]":
        _, end = _DECODER.raw_decode(text, position)
        spans.append((position, end))
        position = _blanks(text, end)
        if text[position] == ",":
            position = _after(text, position)
    return spans, position + 1


def _after(text: str, position: int) -> int:
    """The next position that counts after one punctuation mark, which blanks may surround."""
    return _blanks(text, _blanks(text, position) + 1)


def _blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else digits


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("larger than a double")
    return value


def _refuse_constant(_: str) -> float:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant)
