"""Identifiers are sent as Customer.io accepts them, and rows of one person share an order key."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import parse_exactly
from destination_customerio.mapping.identifiers import (
    IDENTIFIER_KINDS,
    identifier,
    order_key,
)

KINDS = ["email", "id", "cio_id", "phone"]
COLUMN = "person_x"


def rejection(value: Any, kind: str) -> Rejection:
    """The rejection of a value; the test fails if it is accepted."""
    with pytest.raises(Rejection) as caught:
        identifier(value, kind, COLUMN)
    assert caught.value.field == COLUMN
    return caught.value


def test_each_kind_of_identifier_has_a_column_and_a_valid_example() -> None:
    """The column is the one in the destination catalog."""
    assert [(kind.name, kind.column) for kind in IDENTIFIER_KINDS.values()] == [
        ("email", "person_email"),
        ("id", "person_id"),
        ("cio_id", "person_cio_id"),
        ("phone", "person_phone"),
    ]
    for kind in IDENTIFIER_KINDS.values():
        assert identifier(kind.example, kind.name, kind.column) == kind.example


@pytest.mark.parametrize("kind", ["email", "id", "cio_id"])
def test_text_is_trimmed_and_otherwise_unchanged(kind: str) -> None:
    """Case, inner spaces and unusual characters are kept; Customer.io validates emails itself."""
    assert identifier(" \tÅda  Lovelace, not an email\n", kind, COLUMN) == "Åda  Lovelace, not an email"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [None, "", "   ", "\n\t", math.nan, math.inf, -math.inf])
def test_null_blank_and_values_sent_as_null_identify_nobody(value: Any, kind: str) -> None:
    """The row is rejected as incomplete."""
    assert rejection(value, kind).reason == "required"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [True, False, {}, {"a": 1}, [], ["ada@example.com"]])
def test_other_types_are_rejected(value: Any, kind: str) -> None:
    """Booleans, objects and arrays are not identifiers."""
    assert rejection(value, kind).reason == "invalid"


@given(st.integers())
def test_integers_keep_their_exact_digits(number: int) -> None:
    """Including those over 2^53 and over 64 bits."""
    assert identifier(number, "id", COLUMN) == str(number)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("9007199254740993", "9007199254740993"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1.0", "1"),
        ("12345.000", "12345"),
        ("1e3", "1000"),
        ("1.5e1", "15"),
        ("-0.0", "0"),
        ("9007199254740993.0", "9007199254740993"),
        ("1.50", "1.50"),
        ("12345678901234567.25", "12345678901234567.25"),
        ("1e22", "10000000000000000000000"),
        ("1E-3", "0.001"),
    ],
)
def test_exactly_parsed_numbers_keep_all_their_digits(written: str, text: str) -> None:
    """An exponent is written out; a whole number has no fraction."""
    assert identifier(parse_exactly(written.encode()), "id", COLUMN) == text


@pytest.mark.parametrize("written", ["NaN", "Infinity", "1e401", "1e-401", "1e99999999999999999999"])
def test_a_number_with_an_absurd_exponent_is_rejected(written: str) -> None:
    """Its digits would take too much memory; NaN and the infinities are null."""
    rejection(parse_exactly(written.encode()), "email")


@pytest.mark.parametrize("text", ["x" * 150, "é" * 75, "1" * 150, " " * 20 + "x" * 150])
def test_an_id_of_150_bytes_is_sent(text: str) -> None:
    """The limit is in UTF-8 bytes after trimming."""
    assert identifier(text, "id", COLUMN) == text.strip()


@pytest.mark.parametrize("value", ["x" * 151, "é" * 76, 10**150, Decimal("0." + "1" * 149)])
def test_an_id_of_151_bytes_is_rejected(value: Any) -> None:
    """The message does not quote it."""
    found = rejection(value, "id")
    assert found.reason == "too_large"
    assert str(value) not in found.message


@pytest.mark.parametrize("kind", ["email", "cio_id"])
def test_other_kinds_have_no_length_limit(kind: str) -> None:
    """Customer.io documents none."""
    assert identifier("x" * 10_000, kind, COLUMN) == "x" * 10_000


@pytest.mark.parametrize("phone", ["+1", "+442079460018", "+123456789012345", " +442079460018 "])
def test_phones_of_up_to_15_digits_are_sent(phone: str) -> None:
    """In E.164 format: a plus sign and the digits."""
    assert identifier(phone, "phone", COLUMN) == phone.strip()


@pytest.mark.parametrize(
    "phone",
    [
        "+",
        "442079460018",
        "+1234567890123456",
        "+0123",
        "+44 2079 460018",
        "+44-2079",
        "00442079460018",
        "+٤٤٢٠٧٩",
        "+1\n2",
        "++1",
        442079460018,
    ],
)
def test_phones_in_other_formats_are_rejected(phone: Any) -> None:
    """Nothing is corrected: a guessed country could be the number of somebody else."""
    assert rejection(phone, "phone").reason == "invalid"


@pytest.mark.parametrize("kind", KINDS)
def test_a_lone_surrogate_is_rejected(kind: str) -> None:
    """It would be sent as another character and could identify somebody else."""
    assert rejection("ada\ud800@example.com", kind).reason == "invalid"


@given(st.emails())
def test_emails_that_differ_in_case_are_one_person(email: str) -> None:
    """Customer.io compares emails without regard to case, so their rows must stay in order."""
    keys = {order_key(form, "email") for form in (email, email.upper(), email.lower(), email.title())}
    assert len(keys) == 1


def test_emails_that_differ_in_outer_spaces_are_one_person() -> None:
    """The key is made of the trimmed email."""
    forms = ["ADA@example.com ", "\tada@Example.COM"]
    assert len({order_key(identifier(form, "email", COLUMN), "email") for form in forms}) == 1


@pytest.mark.parametrize("kind", ["id", "cio_id", "phone"])
def test_other_identifiers_are_case_sensitive(kind: str) -> None:
    """`A` and `a` are two people, with different keys."""
    assert order_key("A", kind) == "A"
    assert order_key("a", kind) == "a"


PLACEHOLDERS = [
    *(
        "null",
        "undefined",
        "None",
        "NaN",
        "nil",
        "[object Object]",
        "<nil>",
        "<null>",
        "(null)",
        "N/A",
        "#N/A",
        r"\N",
    ),
    *("NULL", "Undefined", "NONE", " null ", "nan\u200b"),
]


@pytest.mark.parametrize("kind", IDENTIFIER_KINDS)
@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_what_programs_write_for_nobody_is_rejected(text: str, kind: str) -> None:
    """Thousands of rows would become one person."""
    found = rejection(text, kind)
    assert (found.reason, found.field) == ("invalid", COLUMN)
    assert "when it has no value" in found.message


@pytest.mark.parametrize(
    "text", ["nullable", "None of your business", "N", "n", "0", "nobody", "unknown", "12345.0"]
)
def test_text_that_only_looks_like_a_placeholder_or_a_number_stays(text: str) -> None:
    """Text is never read as anything else."""
    assert identifier(text, "id", COLUMN) == text


@pytest.mark.parametrize("text", ["\u200b", "\ufeff \u2060", "\x00", "\u00ad", "\u200e\u200f"])
def test_an_identifier_of_invisible_characters_is_blank(text: str) -> None:
    """They are trimmed like space."""
    assert rejection(text, "id").reason == "required"
    assert identifier(f"{text}ada{text}", "id", COLUMN) == "ada"


def test_a_cio_id_has_no_prefix() -> None:
    """Other APIs of Customer.io put one before it; other kinds of identifiers may begin so."""
    assert identifier("cio_a3000001", "cio_id", COLUMN) == "a3000001"
    assert identifier("a3000001", "cio_id", COLUMN) == "a3000001"
    assert identifier("cio_a3000001", "id", COLUMN) == "cio_a3000001"
    assert rejection("cio_", "cio_id").reason == "required"
