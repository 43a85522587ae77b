"""The positions of an object's members are found, however the text is written."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.exact_json.spans import Member, members
from unit_tests.exact_json import json_values


def pairs(text: str) -> list[tuple[str, Any]]:
    """The members as the standard parser finds them, including duplicate names."""
    found: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    return found


@given(json_values.objects.flatmap(json_values.written), st.data())
def test_members_are_those_of_the_parser(text: str, data: st.DataObject) -> None:
    """Names, values and order are those of the standard parser, and each span is exactly the value."""
    before = data.draw(st.sampled_from([b"", b" \n", b'{"skipped": "{"}']))
    line = before + text.encode()
    expected = json.loads(text)
    found = list(members(line, len(before.rstrip()) and len(before)))
    assert [member.name for member in found] == list(expected)
    for member in found:
        span = line[member.start : member.end]
        assert span == span.strip()
        assert json.loads(span.decode()) == expected[member.name]
        assert json.loads(line[member.name_start : member.end].decode().join("{}")) == {
            member.name: expected[member.name]
        }


def test_duplicate_names_are_found_separately() -> None:
    """Nothing is merged, as the text is copied and not parsed."""
    text = '{"a":1,"b":{"a":2},"a":[3]}'
    found = list(members(text.encode()))
    assert [(member.name, text[member.start : member.end]) for member in found] == [
        ("a", "1"),
        ("b", '{"a":2}'),
        ("a", "[3]"),
    ]
    assert [name for name, _ in pairs(text)] == [member.name for member in found]


def test_names_with_lone_surrogates_are_found() -> None:
    """As an escape, a lone surrogate is valid JSON."""
    assert list(members(rb'{"\ud800":1}')) == [Member("\ud800", 1, 10, 11)]


def test_brackets_quotes_and_commas_inside_strings_are_skipped() -> None:
    """Including escaped quotes and backslashes."""
    text = rb'{"}{":"\"}],\\","x":["]","\\\"["],"y":"\\"}'
    assert [text[member.start : member.end] for member in members(text)] == [
        rb'"\"}],\\"',
        rb'["]","\\\"["]',
        rb'"\\"',
    ]


def test_any_depth_is_scanned() -> None:
    """The scan does not recurse, so a value that is too deep for the parsers is still copied whole."""
    deep = b"[" * 200_000 + b"]" * 200_000
    assert list(members(b'{"deep":' + deep + b',"next":1}')) == [
        Member("deep", 1, 8, 8 + len(deep)),
        Member("next", 9 + len(deep), 16 + len(deep), 17 + len(deep)),
    ]


@pytest.mark.parametrize("text", [b"{}", b" { \n } "])
def test_an_empty_object_has_no_members(text: bytes) -> None:
    """And is no error."""
    assert list(members(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'"text"',
        b"{",
        b'{"a"',
        b'{"a":',
        b'{"a":1',
        b'{"a":[1}',
        b'{"a":"x',
        b'{"a" 1}',
        b'{"a":1 "b":2}',
        b'{"\xff":1}',
    ],
)
def test_an_incomplete_text_is_an_error(text: bytes) -> None:
    """A truncated object is never accepted."""
    with pytest.raises(ValueError, match=r"not a JSON object|codec"):
        list(members(text))


@given(json_values.values, st.integers(1, 70_000))
def test_the_end_of_a_long_value_is_found_across_pieces(value: Any, length: int) -> None:
    """Wherever a piece ends: in a string, in an escape, between brackets."""
    inner = [value, '\\"[' * (length // 4), [value] * 3, "]" * length, value]
    text = json.dumps({"a": inner, "b": 1}).encode()
    first, second = members(text)
    assert json.loads(text[first.start : first.end]) == inner
    assert text[second.start : second.end] == b"1"


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b'{"a":' * 300_000 + b"0" + b"}" * 300_000,
        b"[" + b'{"a":[]},' * 300_000 + b"0]",
        b"[" + b"[[[[[[[[[[]]]]]]]]]]," * 100_000 + b"0]",
        b'["' + rb"\"[\\" * 300_000 + b'"]',
        b"[" + b'"[",' * 400_000 + b"0]",
    ],
    ids=["arrays", "objects", "small objects", "saw", "escapes", "brackets in strings"],
)
def test_any_content_is_skipped_whole(text: bytes) -> None:
    """However deep, and however many values."""
    first, second = members(b'{"x":' + text + b',"y":[0]}')
    assert (first.end - first.start, second.name) == (len(text), "y")
    with pytest.raises(ValueError, match="incomplete"):
        list(members(b'{"x":' + text[:-1] + b',"y":0}'))


def test_many_small_values_take_about_as_long_as_many_numbers() -> None:
    """An object may have a hundred thousand empty ones."""
    seconds = []
    for value in (b"10", b"{}"):
        text = b'{"a":0%b}' % (b',"b":%b' % value * 20_000)
        started = time.process_time()
        assert sum(1 for _ in members(text)) == 20_001
        seconds.append(time.process_time() - started)
    numbers, objects = seconds
    assert objects < 50 * numbers
