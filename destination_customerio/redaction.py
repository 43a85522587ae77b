"""Takes the values of rows out of a server's message, before it goes where values must not: into a trace or a log.

A server that refuses rows often quotes them. In a dead letter, beside the row itself, its message may stay as it is.

A quoted value may have changed its case, and with it its length: `Hauptstraße` is quoted as `HAUPTSTRASSE`. So values
are searched for in the case-folded message, and each folded character knows which characters of the message it came
from; those are cut.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from destination_customerio.exact_json.codec import encode, is_valid_text, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from destination_customerio.errors import Rejection

# Shorter values (a flag, a small number, a country) would cut words of the message, and identify nobody.
_MIN_CHARACTERS = 3
_MAX_CHARACTERS = 500
_MAX_SHAPE_CHARACTERS = 40
_IN_PLACE = "…"
KNOWN_REASONS = frozenset({"required", "invalid", "too_large", "refused"})

_SURROGATE = re.compile("[\ud800-\udfff]")
# One character as JSON may spell it, also where the message was turned to upper case.
_JSON_CHARACTER = re.compile(
    r'\\u(?:d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|[0-9a-f]{4})|\\["\\/bfnrt]|.', re.IGNORECASE | re.DOTALL
)


class _Folded(NamedTuple):
    """A message in folded case; each of its characters came from `message[start:end]`."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


def without_values(message: str, lines: Iterable[bytes]) -> str:
    """The message, cut to 500 characters, without any value from the data of these RECORD lines.

    A value is recognized in any case, and as JSON spells it.
    """
    kept: list[str] = []
    end = 0
    for start, stop in sorted(_quotes(message, (text for line in lines for text in _texts(line)))):
        if start >= end:  # else it overlaps the quote before
            kept += message[end:start], _IN_PLACE
        end = max(end, stop)
    return "".join((*kept, message[end:]))[:_MAX_CHARACTERS]


def countable(rejection: Rejection, line: bytes) -> tuple[str, str]:
    """The server's reason and field for a row, as far as a log may show them: without them where they quote the row."""
    reason, column = rejection.reason, rejection.field
    values = list(_texts(line))
    # The known reasons mean the same as the connector's own, whatever the row holds.
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
    """Where the message quotes a value: from which character up to which."""
    views = [_folded_plainly(message)]
    if "\\" in message:
        views.append(_folded_json(message))
    # A text in folded case is never shorter, so longer values need no look.
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
    """The same text for all that differ in case alone; as sent, without lone surrogates."""
    if not is_valid_text(text):
        text = _SURROGATE.sub("\ufffd", text)
    # By way of upper case, as the dotless i has no other letter for its own in folded case.
    return text.upper().casefold()


def _folded_plainly(message: str) -> _Folded:
    text = _fold(message)
    if len(text) == len(message):  # as each character gives one at least, each gave one
        return _Folded(text, range(len(text)), range(1, len(text) + 1))
    return _folded_by_pieces((character, at, at + 1) for at, character in enumerate(message))


def _folded_json(message: str) -> _Folded:
    """The message with its JSON escapes read."""
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
