"""What people are shown of rows and names: the shape of a value, and text that a terminal only prints."""

from __future__ import annotations

_MAX_SHAPE_CHARACTERS = 40


def masked(text: str) -> str:
    """The shape of a text: letters as x, digits as 9, at most 40 characters.

    ASCII punctuation is kept (`xxx@xxxxxxx.xxx`, `+99 999`); anything else becomes x too.
    """
    shape = "".join(map(_masked, text[:_MAX_SHAPE_CHARACTERS]))
    return shape[:-1] + "…" if len(text) > _MAX_SHAPE_CHARACTERS else shape


def printable(text: str) -> str:
    """A text that a terminal only prints: control characters and lone surrogates are replaced."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _masked(character: str) -> str:
    if character.isdecimal():
        return "9"
    if character.isspace():
        return " "
    return character if character.isascii() and character.isprintable() and not character.isalpha() else "x"
