"""Shapes of values, and text that is safe to print on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.masking import masked, printable


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Ada@Example.com", "xxx@xxxxxxx.xxx"),
        ("+44 20 7946-0018", "+99 99 9999-9999"),
        ('{"a":[1.5,true]}', '{"x":[9.9,xxxx]}'),
        ("Größe", "xxxxx"),
        ("東京 ٣", "xx 9"),
        ("👍²", "xx"),
        ("a\tb\x00", "x xx"),
        ("", ""),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 39 + "…"),
    ],
)
def test_letters_and_digits_are_masked(text: str, shape: str) -> None:
    """Of any script; ASCII punctuation is kept."""
    assert masked(text) == shape


@given(st.text(st.characters()))
def test_a_mask_contains_no_letter_or_digit_of_the_text(text: str) -> None:
    """It is short and printable, whatever the text."""
    shape = masked(text)
    assert len(shape) <= 40
    assert shape.isprintable()
    assert {character for character in shape if character.isalnum()} <= {"x", "9"}


@given(st.text(st.characters()))
def test_printed_text_contains_no_control_characters(text: str) -> None:
    """Ordinary text is unchanged."""
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
    assert printable("shop.Größe [bold] 1") == "shop.Größe [bold] 1"
