"""Bytes that are not UTF-8, and text that has no UTF-8 form, are recognized."""

from __future__ import annotations

import pytest
from hypothesis import given

from destination_customerio.exact_json.utf8 import is_utf8, is_valid_text
from unit_tests.exact_json import json_values


@given(json_values.broken_text)
def test_valid_text_is_what_utf8_can_encode(text: str) -> None:
    """`is_valid_text` agrees with the codec."""
    try:
        text.encode()
    except UnicodeEncodeError:
        assert not is_valid_text(text)
    else:
        assert is_valid_text(text)


@pytest.mark.parametrize(
    "text",
    [b"{}", b"a\xc3\xa9" * 200_000, b"\xf0\x9f\x98\x80" * 200_000, b"x" * ((1 << 18) - 1) + b"\xc3\xa9"],
)
def test_valid_utf8_is_recognized_in_texts_of_any_length(text: bytes) -> None:
    """Also where a character is cut by the end of a piece."""
    assert is_utf8(text)
    for broken in (b"\xff" + text, text + b"\xc3", text[:-1] + b"\xed\xa0\x80"):
        assert not is_utf8(broken)
