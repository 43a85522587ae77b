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

_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb'[^\[\]{}",:\s]+')
# Up to the next bracket outside of strings.
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([\[\]{}])', re.DOTALL)


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
    at = _skip_space(text, start)
    if text[at : at + 1] != b"{":
        raise ValueError("not a JSON object")
    at = _skip_space(text, at + 1)
    while text[at : at + 1] != b"}":
        name = _match(_STRING, text, at)
        colon = _skip_space(text, name.end())
        value_start = _skip_space(text, colon + 1)
        value_end = _value_end(text, value_start)
        if text[colon : colon + 1] != b":":
            raise ValueError("not a JSON object")
        yield Member(_decoded(name.group()), at, value_start, value_end)
        at = _skip_space(text, value_end)
        if text[at : at + 1] == b",":
            at = _skip_space(text, at + 1)
        elif text[at : at + 1] != b"}":
            raise ValueError("not a JSON object")


def _decoded(string: bytes) -> str:
    """The text of a JSON string."""
    if b"\\" in string:
        text: str = json.loads(string)
        return text
    return string[1:-1].decode()


def _value_end(text: bytes, start: int) -> int:
    first = text[start : start + 1]
    if first == b'"':
        return _match(_STRING, text, start).end()
    if first not in (b"{", b"["):
        return _match(_SCALAR, text, start).end()
    depth = 0
    while bracket := _TO_BRACKET.match(text, start):
        depth += 1 if bracket[1] in b"{[" else -1
        start = bracket.end()
        if not depth:
            return start
    raise ValueError("the JSON text breaks off")


def _skip_space(text: bytes, at: int) -> int:
    return _match(_SPACE, text, at).end()


def _match(pattern: re.Pattern[bytes], text: bytes, at: int) -> re.Match[bytes]:
    if found := pattern.match(text, at):
        return found
    raise ValueError("the JSON text breaks off")
