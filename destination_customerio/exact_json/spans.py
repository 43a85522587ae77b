"""Finds the positions of values in a JSON text, so that they can be copied or spliced without being parsed.

States must be returned unchanged, and dead letters must contain the original row: floats as written, duplicate keys,
lone surrogates, any depth. A parser would not preserve these; copying the text does. The scan does not recurse, so it
handles nesting that the parsers do not, and it takes about as long for any content of the same length.

Texts must be valid JSON: accepted by a parser, or rejected only because of their depth.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = rb"[ \t\r\n]*+"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OPENING = re.compile(_SPACE + rb"\{" + _SPACE + rb"(\}?)")
# A name, and its value: whole, or up to the bracket with which it begins.
_MEMBER = re.compile(
    rb"(%b)%b:%b(%b|[^\[\]{}\",:\s]++|(?=[\[{]))" % (_STRING, _SPACE, _SPACE, _STRING), re.DOTALL
)
_NEXT = re.compile(_SPACE + rb"(?:,%b|(\}))" % _SPACE)
# Up to the next bracket outside of strings.
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|%b)*+([\[\]{}])' % _STRING, re.DOTALL)
_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_OPENING_BRACKETS, _CLOSING_BRACKETS = b"[{", b"]}"
_STEPS = {**dict.fromkeys(_OPENING_BRACKETS, 1), **dict.fromkeys(_CLOSING_BRACKETS, -1)}
_NO_BRACKETS = bytes(set(range(256)) - _STEPS.keys())
# In valid JSON, brackets need not be distinguished by their kind.
_PARENTHESES = bytes.maketrans(_OPENING_BRACKETS + _CLOSING_BRACKETS, b"(())")
_PAIRS = [b"(" * depth + b")" * depth for depth in (512, 64, 8, 1)]
_OPEN = ord("(")
_PIECE_BYTES = 1 << 16
# The first piece is small, as most values are: an object may have a hundred thousand empty ones.
_FIRST_PIECE_BYTES = 1 << 8
# How often pairs are removed from a piece: enough for brackets nested as deep as the parsers follow them.
_REMOVALS = 40


class Member(NamedTuple):
    """One member of an object: its name, the position of the name, and those of the start and end of its value."""

    name: str
    name_start: int
    start: int
    end: int


def is_object(text: bytes, start: int = 0) -> bool:
    """Whether an object begins at or after `start`."""
    return _OPENING.match(text, start) is not None


def members(text: bytes, start: int = 0) -> Iterator[Member]:
    """The members of the object that begins at or after `start`, in order.

    Raises:
        ValueError: no object begins there, or it is incomplete.
    """
    opening = _match(_OPENING, text, start)
    at, closing = opening.end(), opening[1]
    while not closing:
        member = _match(_MEMBER, text, at)
        end = member.end() if member[2] else _container_end(text, member.start(2))
        yield Member(_decoded(member[1]), at, member.start(2), end)
        following = _match(_NEXT, text, end)
        at, closing = following.end(), following[1]


def _decoded(string: bytes) -> str:
    """The text of a JSON string."""
    if b"\\" in string:
        text: str = json.loads(string)
        return text
    return string[1:-1].decode()


def _container_end(text: bytes, start: int) -> int:
    """The end of the object or array that begins at `start`.

    A step for each bracket would take a minute for a row of 20 MB. So whole pieces are reduced to their brackets, by
    functions that work on bytes, and only in the piece that may hold the end each bracket counts.
    """
    depth = 1
    start += 1
    in_string = False
    piece_bytes = _FIRST_PIECE_BYTES
    while start < len(text):
        stop = _piece_end(text, start, piece_bytes)
        piece_bytes = min(4 * piece_bytes, _PIECE_BYTES)
        # Without escaped quotes, strings and what is between them alternate.
        parts = text[start:stop].replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')
        brackets = b"".join(parts[in_string::2]).translate(_PARENTHESES, _NO_BRACKETS)
        if depth <= brackets.count(b")"):
            brackets = _without_pairs(brackets)
            if 0 in accumulate((1 if bracket == _OPEN else -1 for bracket in brackets), initial=depth):
                return _end_in_piece(text, start, depth, in_string=in_string)
        depth += brackets.count(b"(") - brackets.count(b")")
        in_string ^= len(parts) % 2 == 0
        start = stop
    raise ValueError("not a JSON object, or an incomplete one")


def _without_pairs(brackets: bytes) -> bytes:
    removals = 0
    for pair in _PAIRS:
        while removals < _REMOVALS and pair in brackets:
            brackets = brackets.replace(pair, b"")
            removals += 1
    return brackets


def _piece_end(text: bytes, start: int, piece_bytes: int) -> int:
    """The end of a piece that does not cut an escape in two."""
    stop = start + piece_bytes
    while text[stop - 1 : stop] == b"\\":
        stop += 1
    return stop


def _end_in_piece(text: bytes, start: int, depth: int, *, in_string: bool) -> int:
    if in_string:
        start = _match(_REST_OF_STRING, text, start).end()
    while depth:
        bracket = _match(_TO_BRACKET, text, start)
        depth += _STEPS[bracket[1][0]]
        start = bracket.end()
    return start


def _match(pattern: re.Pattern[bytes], text: bytes, at: int) -> re.Match[bytes]:
    if found := pattern.match(text, at):
        return found
    raise ValueError("not a JSON object, or an incomplete one")
