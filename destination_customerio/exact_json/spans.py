"""Where the values of a JSON text lie, so that they can be copied out or spliced without being read.

States must go out value for value, and dead letters must hold the row as it came: floats as written, duplicate keys,
lone surrogates, any depth. No parser gives that back, but the text itself does. The scan knows no recursion, so it
follows nesting that no parser here can.

Texts are taken to be valid JSON: what a parser refused for its depth alone, or accepted.
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
# A name, and the value up to its end, or up to the bracket with which it begins.
_MEMBER = re.compile(
    rb"(%b)%b:%b(%b|[^\[\]{}\",:\s]++|(?=[\[{]))" % (_STRING, _SPACE, _SPACE, _STRING), re.DOTALL
)
_NEXT = re.compile(_SPACE + rb"(?:,%b|(\}))" % _SPACE)
# Up to the next bracket outside of strings.
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|%b)*+([\[\]{}])' % _STRING, re.DOTALL)


class Member(NamedTuple):
    """One member of an object: its name, where the name begins, and where its value begins and ends."""

    name: str
    name_start: int
    start: int
    end: int


def members(text: bytes, start: int = 0) -> Iterator[Member]:
    """The members of the object that begins at or after `start`, in their order.

    Raises:
        ValueError: no object begins there, or the text breaks off.
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
    raise ValueError("not a JSON object, or it breaks off")


def _match(pattern: re.Pattern[bytes], text: bytes, at: int) -> re.Match[bytes]:
    if found := pattern.match(text, at):
        return found
    raise ValueError("not a JSON object, or it breaks off")
