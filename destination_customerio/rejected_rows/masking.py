"""Shows what a value looks like without showing it."""

from __future__ import annotations

_MAX_CHARACTERS = 40


def masked(text: str) -> str:
    """The shape of a text: letters as x, digits as 9, at most 40 characters.

    Punctuation tells the shape (`xxx@xxxxxxx.xxx`, `+99 999`); all else that is neither letter nor digit becomes x too.
    """
    shape = "".join(map(_masked, text[:_MAX_CHARACTERS]))
    return shape[:-1] + "…" if len(text) > _MAX_CHARACTERS else shape


def printable(text: str) -> str:
    """A text that a terminal takes for nothing but text: without control characters and lone surrogates."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _masked(character: str) -> str:
    if character.isdecimal():
        return "9"
    if character.isspace():
        return " "
    return character if character.isascii() and character.isprintable() and not character.isalpha() else "x"
