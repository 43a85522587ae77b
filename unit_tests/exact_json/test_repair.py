"""What JSON can't hold is repaired, and nothing else."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.exact_json.repair import (
    REPLACEMENT,
    _repaired_pieces,
    repaired,
    unused_replacement,
)
from unit_tests.exact_json import json_values

odd_text = st.lists(
    st.sampled_from(
        [
            "NaN",
            "Infinity",
            "-Infinity",
            "\\",
            '"',
            "\ud800",
            "\udc00",
            "\ud83d\ude00",
            ",",
            "]",
            " ",
            "\\u",
            "é",
        ]
    )
).map("".join)
odd_values = json_values.nested(st.floats() | odd_text | json_values.scalars, odd_text)


def expected(value: Any) -> Any:
    """The value as it has to arrive."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [expected(item) for item in value]
        case dict():
            return {expected(name): expected(item) for name, item in value.items()}
    return value


def strictly(text: bytes) -> Any:
    """The value of a JSON text, which has to be UTF-8 and to hold no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text.decode(), parse_constant=refuse)


@given(odd_values.flatmap(json_values.written))
def test_repaired_text_holds_the_same_values(text: str) -> None:
    """Null for NaN and the infinities, U+FFFD for lone surrogates, and the same words in texts."""
    # Not every parser follows the standard one in joining surrogates that are written as they are.
    escaped = json.dumps(json.loads(text))
    again = expected(json.loads(escaped))
    assert strictly(repaired(escaped.encode())) == again


@given(odd_values, st.integers(1_000, 40_000))
def test_long_texts_are_repaired_across_pieces(value: Any, length: int) -> None:
    """Wherever a piece ends."""
    values = [value, "x" * length, value, "NaN" * length, value, [math.nan] * (length // 4), value]
    assert strictly(repaired(json.dumps(values).encode())) == expected(values)


@given(json_values.values.flatmap(json_values.written))
def test_json_stays_as_it_is(text: str) -> None:
    """To the byte."""
    assert repaired(text.encode()) == text.encode()


@pytest.mark.parametrize(
    "text",
    [b"[nan]", b"[Nan]", b"[+Infinity]", b'["\x00NaN"]', b"NaNNaN", b'["\\ud8zz"]', b"", b'["', b'"\\'],
)
def test_wrong_text_stays_wrong(text: bytes) -> None:
    """Only what the standard library would read is repaired."""
    with pytest.raises(json.JSONDecodeError):
        strictly(repaired(text))


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (rb'"\ud800\udc00"', rb'"\ud800\udc00"'),
        (rb'"\ud800\ud800\udc00\udc00"', rb'"\ufffd\ud800\udc00\ufffd"'),
        (rb'"\\ud800"', rb'"\\ud800"'),
        (rb'"\\\ud800"', rb'"\\\ufffd"'),
        (rb'"\"NaN\"",NaN', rb'"\"NaN\"",null'),
        (rb'"\uDBFF"', rb'"\ufffd"'),
    ],
)
def test_examples(text: bytes, sent: bytes) -> None:
    """Pairs of surrogates, and backslashes before them."""
    assert repaired(text) == sent


@pytest.mark.parametrize(
    "piece",
    [
        r"\ud800",
        r"\udc00",
        r"\ud83d\ude00",
        r"\ud83d\ude00\ud800 ",
        r"\"",
        r"\\",
        "deadbeef01",
        "1234567890",
        "寿司",
        "NaN ",
    ],
)
def test_long_strings_of_one_thing_are_repaired_in_pieces(piece: str) -> None:
    """No cut is made within an escape or a pair."""
    value = json.loads(f'"{piece * 50_000}"')
    text = json.dumps([math.nan, value, math.inf]).encode()
    assert strictly(repaired(text)) == [None, expected(value), None]
    assert len(list(_repaired_pieces(text, REPLACEMENT, has_nan=True))) > 1


def test_lone_surrogates_show_by_an_unused_spelling() -> None:
    """No other escape has it."""
    text = rb'["\ufffd", "\ud800", "\ufffD"]'
    replacement = unused_replacement(text)
    assert repaired(text, replacement) == rb'["\ufffd", "%b", "\ufffD"]' % replacement
    assert json.loads(repaired(text, replacement)) == ["\ufffd"] * 3
