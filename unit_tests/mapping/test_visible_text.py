"""Invisible characters at the ends of a text are no part of it."""

from __future__ import annotations

import math
import sys
from decimal import Decimal
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.mapping.visible_text import is_blank, trimmed

INVISIBLE = [
    character for character in map(chr, range(sys.maxunicode + 1)) if category(character) in ("Cc", "Cf")
]


def test_every_control_and_format_character_is_trimmed_at_both_ends() -> None:
    """Zero width space, byte order mark, direction marks, word joiner, soft hyphen, NUL, and all others."""
    for character in INVISIBLE:
        assert trimmed(f"{character} \tada{character}lovelace \n{character}") == f"ada{character}lovelace"
        assert trimmed(f" {character}") == ""


@given(st.text(st.characters(categories=["L", "N", "P", "S", "M", "Cs"])))
def test_visible_text_is_unchanged(text: str) -> None:
    """Letters, digits, signs, marks, and lone surrogates."""
    assert trimmed(text) == text


@pytest.mark.parametrize(
    "value", [None, "", " \n", "\u200b", "\x00", math.nan, -math.inf, Decimal("NaN"), Decimal("Infinity")]
)
def test_a_value_that_is_nothing_is_blank(value: Any) -> None:
    """Null, text that shows nothing, and numbers that are sent as null."""
    assert is_blank(value)


@pytest.mark.parametrize("value", ["a", "\u200ba", 0, 0.0, False, Decimal(0), {}, []])
def test_any_other_value_is_not_blank(value: Any) -> None:
    """Zero and false are values."""
    assert not is_blank(value)
