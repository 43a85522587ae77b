"""Removes the values of rows from a server's message before it gets into a log or a trace, where no value may appear.

A server that rejects a row often quotes its values. Only in a dead letter, beside the row itself, does the whole message
appear.

A server may quote a value in another case, and so in another length: `HAUPTSTRASSE` for `Hauptstraße`. So the search is
in the case-folded message, which keeps for each folded character the position that it came from.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from destination_customerio.exact_json.codec import encode, is_valid_text, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from destination_customerio.errors import Rejection

# Shorter values (a flag, a small number, a country) identify nobody, and would match parts of ordinary words.
_MIN_CHARACTERS = 3
_MAX_CHARACTERS = 500
_MAX_SHAPE_CHARACTERS = 40
_IN_PLACE = "…"
KNOWN_REASONS = frozenset({"required", "invalid", "too_large", "refused"})

_SURROGATE = re.compile("[\ud800-\udfff]")
# One character, perhaps as a JSON escape, perhaps in upper case with the rest of the message.
_JSON_CHARACTER = re.compile(
    r'\\u(?:d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|[0-9a-f]{4})|\\["\\/bfnrt]|.', re.IGNORECASE | re.DOTALL
)


class _Folded(NamedTuple):
    """A case-folded message, with the start and end in the message of what each character came from."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


def without_values(message: str, lines: Iterable[bytes]) -> str:
    """The message, cut to 500 characters, without any value from the data of these RECORD lines.

    A value is recognized in any case, and with JSON escapes.
    """
    kept: list[str] = []
    end = 0
    for start, stop in sorted(_quotes(message, (text for line in lines for text in _texts(line)))):
        if start >= end:  # otherwise it overlaps the previous quote
            kept += message[end:start], _IN_PLACE
        end = max(end, stop)
    return "".join((*kept, message[end:]))[:_MAX_CHARACTERS]


def countable(rejection: Rejection, line: bytes) -> tuple[str, str]:
    """The server's reason and field for a row, as a log may show them: replaced or left out if they quote the row."""
    reason, column = rejection.reason, rejection.field
    values = list(_texts(line))
    # The known reasons are words of the connector too, even if the row happens to contain one.
    if reason not in KNOWN_REASONS and not _may_be_shown(reason, values):
        reason = "refused"
    return reason, column if _may_be_shown(column, values) else ""


def masked(text: str) -> str:
    """The shape of a text: letters as x, digits as 9, at most 40 characters.

    ASCII punctuation is kept (`xxx@xxxxxxx.xxx`, `+99 999`); anything else becomes x too.
    """
    shape = "".join(map(_masked, text[:_MAX_SHAPE_CHARACTERS]))
    return shape[:-1] + "…" if len(text) > _MAX_SHAPE_CHARACTERS else shape


def printable(text: str) -> str:
    """A text that a terminal only prints: control characters and lone surrogates are replaced."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _may_be_shown(words: str, values: Iterable[str]) -> bool:
    return len(words) <= _MAX_CHARACTERS and not _quotes(words, values)


def _quotes(message: str, values: Iterable[str]) -> set[tuple[int, int]]:
    """The start and end of each quote of a value in the message."""
    views = [_folded_plainly(message)]
    if "\\" in message:
        views.append(_folded_json(message))
    # Folding never shortens a text, so a longer value cannot match.
    longest = max(len(view.text) for view in views)
    found = set()
    for value in values:
        if len(value) > longest:
            continue
        folded = _fold(value)
        for text, starts, ends in views:
            at = text.find(folded)
            while at >= 0:
                after = at + len(folded)
                found.add((starts[at], ends[after - 1]))
                at = text.find(folded, after)
    return found


def _fold(text: str) -> str:
    """One text for all that differ only in case; lone surrogates are replaced, as they are when sent."""
    if not is_valid_text(text):
        text = _SURROGATE.sub("\ufffd", text)
    # casefold() alone would keep the dotless i apart from its upper case, I.
    return text.upper().casefold()


def _folded_plainly(message: str) -> _Folded:
    text = _fold(message)
    if len(text) == len(message):  # each character gives at least one, so here each gave one
        return _Folded(text, range(len(text)), range(1, len(text) + 1))
    return _folded_by_pieces((character, at, at + 1) for at, character in enumerate(message))


def _folded_json(message: str) -> _Folded:
    """The message with its JSON escapes decoded."""
    return _folded_by_pieces(
        (_character(match[0]), match.start(), match.end()) for match in _JSON_CHARACTER.finditer(message)
    )


def _folded_by_pieces(pieces: Iterable[tuple[str, int, int]]) -> _Folded:
    folded: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for character, start, end in pieces:
        piece = _fold(character)
        folded.append(piece)
        starts += [start] * len(piece)
        ends += [end] * len(piece)
    return _Folded("".join(folded), starts, ends)


def _character(spelling: str) -> str:
    if len(spelling) == 1:
        return spelling
    character: str = json.loads(f'"{spelling.lower()}"')
    return character


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
