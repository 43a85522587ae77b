"""The members of an object are found where they lie, however the text is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.exact_json.spans import Member, members
from unit_tests.exact_json import json_values


def pairs(text: str) -> list[tuple[str, Any]]:
    """The members as the standard parser finds them, names that stand twice included."""
    found: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    return found


@given(json_values.objects.flatmap(json_values.written), st.data())
def test_members_are_those_of_the_parser(text: str, data: st.DataObject) -> None:
    """Names, values and order agree with the standard parser, and spans begin and end exactly at the value."""
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


def test_a_name_that_stands_twice_is_found_twice() -> None:
    """Nothing is merged: the text is copied, not read."""
    text = '{"a":1,"b":{"a":2},"a":[3]}'
    found = list(members(text.encode()))
    assert [(member.name, text[member.start : member.end]) for member in found] == [
        ("a", "1"),
        ("b", '{"a":2}'),
        ("a", "[3]"),
    ]
    assert [name for name, _ in pairs(text)] == [member.name for member in found]


def test_names_that_are_no_unicode_are_found() -> None:
    """Half of a surrogate pair, escaped, is valid JSON and the value behind it is copied like any other."""
    assert list(members(rb'{"\ud800":1}')) == [Member("\ud800", 1, 10, 11)]


def test_brackets_quotes_and_commas_inside_texts_do_not_count() -> None:
    """A text is skipped as a whole, escaped quotes and backslashes included."""
    text = rb'{"}{":"\"}],\\","x":["]","\\\"["],"y":"\\"}'
    assert [text[member.start : member.end] for member in members(text)] == [
        rb'"\"}],\\"',
        rb'["]","\\\"["]',
        rb'"\\"',
    ]


def test_any_depth_is_followed() -> None:
    """The scan does not recurse, so a value that no parser follows is still copied whole."""
    deep = b"[" * 200_000 + b"]" * 200_000
    assert list(members(b'{"deep":' + deep + b',"next":1}')) == [
        Member("deep", 1, 8, 8 + len(deep)),
        Member("next", 9 + len(deep), 16 + len(deep), 17 + len(deep)),
    ]


@pytest.mark.parametrize("text", [b"{}", b" { \n } "])
def test_an_empty_object_has_no_members(text: bytes) -> None:
    """Nothing is found and nothing is wrong."""
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
def test_a_text_that_breaks_off_is_an_error(text: bytes) -> None:
    """Half an object is never taken for a whole one."""
    with pytest.raises(ValueError, match=r"breaks off|not a JSON object|codec"):
        list(members(text))
