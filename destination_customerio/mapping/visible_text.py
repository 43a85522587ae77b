"""Text without the characters at its ends that nobody sees."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any
from unicodedata import category

# Control characters (NUL, escape) and format characters (zero width space, byte order mark, direction marks, soft hyphen).
_INVISIBLE = frozenset({"Cc", "Cf"})


def trimmed(text: str) -> str:
    """The text without space and invisible characters at its ends; those inside stay."""
    text = text.strip()
    # A printable text has no invisible character anywhere, and nearly all texts are printable.
    return text if text.isprintable() else _without_invisible_ends(text)


def is_blank(value: Any) -> bool:
    """Whether a value is nothing: null, text without a visible character, NaN or an infinity (which are sent as null)."""
    if value is None:
        return True
    if type(value) is str:
        return not trimmed(value)
    return (type(value) is float or type(value) is Decimal) and not math.isfinite(value)


def _without_invisible_ends(text: str) -> str:
    start, end = 0, len(text)
    while start < end and _is_invisible(text[start]):
        start += 1
    while end > start and _is_invisible(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_invisible(character: str) -> bool:
    return category(character) in _INVISIBLE or character.isspace()
