"""Rows are checked against the limits of the Track API to the byte."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import encode
from destination_customerio.mapping import limits
from unit_tests.exact_json import json_values


def test_the_limits_are_those_of_the_contract() -> None:
    """As in the reference of the Track API."""
    assert limits.MAX_BODY_BYTES == 500_000
    assert limits.MAX_ENTRY_BYTES == 32_768
    assert limits.MAX_ID_BYTES == 150
    assert limits.MAX_ATTRIBUTES == 300
    assert limits.MAX_NAME_BYTES == 150
    assert limits.MAX_VALUE_BYTES == 1_000
    assert limits.MAX_EVENT_NAME_BYTES == 100


def test_an_entry_may_have_32768_bytes() -> None:
    """One more is rejected, with the size in the message."""
    limits.check_entry_size(32_768)
    with pytest.raises(Rejection) as caught:
        limits.check_entry_size(32_769)
    assert caught.value.reason == "too_large"
    assert "32,769" in caught.value.message


def test_a_person_may_have_300_attributes() -> None:
    """One more is rejected, with the number in the message."""
    limits.check_attribute_count({str(number): None for number in range(300)})
    with pytest.raises(Rejection) as caught:
        limits.check_attribute_count({str(number): None for number in range(301)})
    assert caught.value.reason == "too_large"
    assert "301" in caught.value.message


@pytest.mark.parametrize("name", ["", "x" * 150, "é" * 75, "😀" * 37 + "xx"])
def test_a_name_may_have_150_bytes(name: str) -> None:
    """In UTF-8, not in characters; one more byte is rejected."""
    limits.check_names([name])
    if name:
        with pytest.raises(Rejection) as caught:
            limits.check_names(["short", name + "x"])
        assert (caught.value.reason, caught.value.field) == ("too_large", name + "x")


def test_a_name_with_a_lone_surrogate_is_rejected() -> None:
    """It would be sent as another name, which may be that of another column."""
    with pytest.raises(Rejection) as caught:
        limits.check_names(["a\ud800"])
    assert (caught.value.reason, caught.value.field) == ("invalid", "")


@pytest.mark.parametrize(
    ("largest", "too_large"),
    [
        ("x" * 1_000, "x" * 1_001),
        ("é" * 500, "é" * 500 + "x"),
        ("😀" * 250, "😀" * 250 + "x"),
        ('"' * 1_000, '"' * 1_001),
        ("\ud800" * 333 + "x", "\ud800" * 333 + "xx"),
        (["x" * 996], ["x" * 997]),
        (["é" * 498], ["é" * 498 + "x"]),
        ({"k": "x" * 992}, {"k": "x" * 993}),
        (['"' * 498], ['"' * 499]),
        (10**999, 10**1000),
        (-(10**998), -(10**999)),
        (Decimal("0." + "1" * 998), Decimal("0." + "1" * 999)),
        (Decimal("1" * 1_000), Decimal("1" * 1_001)),
    ],
)
def test_a_value_may_have_1000_bytes(largest: Any, too_large: Any) -> None:
    """Text by its own bytes, anything else by its encoded ones, including numbers with all their digits."""
    limits.check_values({"a": None, "b": largest})
    with pytest.raises(Rejection) as caught:
        limits.check_values({"a": None, "b": too_large})
    assert (caught.value.reason, caught.value.field) == ("too_large", "b")
    assert "1,001" in caught.value.message or "1,002" in caught.value.message


@pytest.mark.parametrize("value", [None, True, 1.5, float("nan"), Decimal("1E+400"), 10**30])
def test_short_values_of_every_type_pass(value: Any) -> None:
    """Only the length is limited."""
    limits.check_values({"a": value})


@given(json_values.values)
def test_only_values_over_the_limit_are_rejected(value: Any) -> None:
    """The shortcuts give the same result as counting every byte."""
    padded = [value, "x" * 960]
    size = len(encode(padded))
    if size <= 1_000:
        limits.check_values({"a": padded})
    else:
        with pytest.raises(Rejection, match="too_large"):
            limits.check_values({"a": padded})
