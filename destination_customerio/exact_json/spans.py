"""Finds the positions of values in a JSON text, so that they can be copied or spliced without being parsed.

States must be returned unchanged, and dead letters must contain the original row: floats as written, duplicate keys,
lone surrogates, any depth. A parser would not preserve these; copying the text does. The scan does not recurse, so it
handles nesting that the parsers do not.

Texts must be valid JSON: accepted by a parser, or rejected only because of their depth.
"""

from __future__ import annotations

import json
import re
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


class Member(NamedTuple):
    """One member of an object: its name, the position of the name, and those of the start and end of its value."""

    name: str
    name_start: int
    start: int
    end: int


def members(text: bytes, start: int = 0) -> Iterator[Member]:
    """The members of the object that begins at or after `start`, in order.

    Raises:
        ValueError: no object begins there, or it is incomplete.
    """
    opening = _match(_OPENING, text, start)
    at, closing = opening.end(), opening[1]
    while not closing:
        member = _match(_MEMBER, text, at)
        end = member.end() if member[2] else _container_end(text, member.end())
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
    depth = 0
    while bracket := _TO_BRACKET.match(text, start):
        depth += 1 if bracket[1] in b"{[" else -1
        start = bracket.end()
        if not depth:
            return start
    raise ValueError("not a JSON object, or an incomplete one")


def _match(pattern: re.Pattern[bytes], text: bytes, at: int) -> re.Match[bytes]:
    if found := pattern.match(text, at):
        return found
    raise ValueError("not a JSON object, or an incomplete one")
