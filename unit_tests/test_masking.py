"""Masks show the shape of a value and nothing of the value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.rejected_rows.masking import masked, printable


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
def test_letters_and_digits_are_hidden(text: str, shape: str) -> None:
    """Of any script; punctuation shows the shape."""
    assert masked(text) == shape


@given(st.text(st.characters()))
def test_nothing_else_gets_through(text: str) -> None:
    """Whatever the text, a mask is short, printable, and without any letter or digit of its own."""
    shape = masked(text)
    assert len(shape) <= 40
    assert shape.isprintable()
    assert {character for character in shape if character.isalnum()} <= {"x", "9"}


@given(st.text(st.characters()))
def test_what_is_printed_is_no_command_of_a_terminal(text: str) -> None:
    """Ordinary text is left as it is."""
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
    assert printable("shop.Größe [bold] 1") == "shop.Größe [bold] 1"
