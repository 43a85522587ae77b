"""JSON text becomes an object or array where the schema asks for one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from destination_customerio.mapping.json_text import json_columns, parse_json_text
from unit_tests.exact_json.raw_rows import plain_row, raw_row


def test_columns_are_those_that_the_schema_types_as_object_or_array() -> None:
    """Also as one of several types, but not if text is one of them."""
    properties: dict[str, Any] = {
        "object": {"type": "object"},
        "array": {"type": ["null", "array"]},
        "either": {"oneOf": [{"type": "null"}, {"type": "object"}]},
        "any": {"anyOf": [{"type": "array"}]},
        "text": {"type": "string"},
        "both": {"type": ["object", "string"]},
        "both options": {"oneOf": [{"type": "string"}, {"type": "object"}]},
        "broken": {"type": [["object"]], "oneOf": {"type": "object"}},
        "untyped": {},
        "no schema": True,
    }
    assert json_columns(properties) == ("object", "array", "either", "any")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ('{"city": "London"}', {"city": "London"}),
        (' [1, {"a": null}]\n', [1, {"a": None}]),
        ("[12345678901234567.89]", [Decimal("12345678901234567.89")]),
        ("{}", {}),
        ("\ufeff[1]\u200b", [1]),
        ('\x00 {"a": "[]"}', {"a": "[]"}),
    ],
)
def test_json_text_is_parsed(text: str, parsed: object) -> None:
    """In its place, with all digits; invisible characters around it are no part of it."""
    row = {"a": 1, "x": text, "z": text}
    found = raw_row(row)
    parse_json_text(found, ["x", "absent"])
    assert list(plain_row(found).items()) == [("a", 1), ("x", parsed), ("z", text)]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "London",
        "{London}",
        "[1",
        '"{}"',
        "5",
        "null",
        '{"\ud800": 1}',
        "[" * 2_000,
        None,
        5,
        {"a": 1},
        [],
    ],
)
def test_anything_else_is_passed_as_it_is(value: Any) -> None:
    """The row is not rejected for an attribute."""
    row = raw_row({"x": value})
    parse_json_text(row, ["x"])
    assert plain_row(row) == {"x": value}
