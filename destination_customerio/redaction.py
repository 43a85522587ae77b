"""Takes the values of rows out of a server's words, before these go where values must not: into a trace, and so into a log.

A server that refuses rows likes to quote them. In a dead letter, beside the row itself, its words may stand as they are.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.codec import encode, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from destination_customerio.errors import Rejection

# Shorter values (a flag, a small number, a country) would take the words apart, and tell nothing of anybody.
_MIN_CHARACTERS = 3
_MAX_CHARACTERS = 500
_MAX_SHAPE_CHARACTERS = 40
_IN_PLACE = "…"
KNOWN_REASONS = frozenset({"required", "invalid", "too_large", "refused"})


def without_values(words: str, lines: Iterable[bytes]) -> str:
    """The words, cut to 500 characters, without any value that stands in the data of these RECORD lines.

    A value is known again in upper and lower case, and as JSON spells it.
    """
    folded = words.casefold()
    found = {
        spelling
        for line in lines
        for text in _texts(line)
        if len(text) <= len(folded)  # casefold() makes no text shorter, nor does any spelling
        for spelling in (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
        if spelling.casefold() in folded
    }
    # The longest first, as one value may be a part of another.
    for text in sorted(found, key=len, reverse=True):
        words = re.sub(re.escape(text), _IN_PLACE, words, flags=re.IGNORECASE)
    return words[:_MAX_CHARACTERS]


def countable(rejection: Rejection, line: bytes) -> tuple[str, str]:
    """The server's reason and field for a row, as they may stand in a log: without them where they quote the row."""
    reason, column = rejection.reason, rejection.field
    # The reasons that we know mean the same as ours, whatever the row holds.
    if reason not in KNOWN_REASONS and without_values(reason, [line]) != reason:
        reason = "refused"
    return reason, column if without_values(column, [line]) == column else ""


def masked(text: str) -> str:
    """The shape of a text: letters as x, digits as 9, at most 40 characters.

    Punctuation tells the shape (`xxx@xxxxxxx.xxx`, `+99 999`); all else that is neither letter nor digit becomes x too.
    """
    shape = "".join(map(_masked, text[:_MAX_SHAPE_CHARACTERS]))
    return shape[:-1] + "…" if len(text) > _MAX_SHAPE_CHARACTERS else shape


def printable(text: str) -> str:
    """A text that a terminal takes for nothing but text: without control characters and lone surrogates."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _texts(line: bytes) -> Iterator[str]:
    try:
        data = parse(line)["record"]["data"]
    except (ValueError, KeyError, TypeError):
        return
    pending: list[Any] = [data]
    while pending:
        match pending.pop():
            case dict() as members:
                pending += members.values()
            case list() as items:
                pending += items
            case str() as text:
                if len(core := text.strip()) >= _MIN_CHARACTERS:
                    yield core
            case bool() | None:
                continue
            case number:
                if len(digits := encode(number).decode()) >= _MIN_CHARACTERS:
                    yield digits


def _masked(character: str) -> str:
    if character.isdecimal():
        return "9"
    if character.isspace():
        return " "
    return character if character.isascii() and character.isprintable() and not character.isalpha() else "x"
