"""Identifiers go out as Customer.io takes them, and rows of one person share one key."""

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
    ExactDigitsNeeded,
    identifier,
    order_key,
)

KINDS = ["email", "id", "cio_id", "phone"]
COLUMN = "person_x"


def rejection(value: Any, kind: str) -> Rejection:
    """The rejection that a value meets; the test fails when it meets none."""
    with pytest.raises(Rejection) as caught:
        identifier(value, kind, COLUMN)
    assert caught.value.field == COLUMN
    return caught.value


def test_the_four_kinds_and_their_columns() -> None:
    """Each kind reads the column that `discover` names, and its example is one that it takes."""
    assert [(kind.name, kind.column) for kind in IDENTIFIER_KINDS.values()] == [
        ("email", "person_email"),
        ("id", "person_id"),
        ("cio_id", "person_cio_id"),
        ("phone", "person_phone"),
    ]
    for kind in IDENTIFIER_KINDS.values():
        assert identifier(kind.example, kind.name, kind.column) == kind.example


@pytest.mark.parametrize("kind", ["email", "id", "cio_id"])
def test_text_is_trimmed_and_otherwise_kept(kind: str) -> None:
    """Case, inner spaces and odd characters are the user's; email syntax is Customer.io's to judge."""
    assert identifier(" \tÅda  Lovelace, not an email\n", kind, COLUMN) == "Åda  Lovelace, not an email"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [None, "", "   ", "\n\t", math.nan, math.inf, -math.inf])
def test_null_blank_and_what_becomes_null_name_nobody(value: Any, kind: str) -> None:
    """Such a row is rejected as incomplete."""
    assert rejection(value, kind).reason == "required"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [True, False, {}, {"a": 1}, [], ["ada@example.com"]])
def test_other_types_are_rejected(value: Any, kind: str) -> None:
    """Booleans, objects and arrays are no identifiers."""
    assert rejection(value, kind).reason == "invalid"


@given(st.integers())
def test_integers_keep_their_exact_digits(number: int) -> None:
    """Beyond 2^53 and beyond 64 bits too."""
    assert identifier(number, "id", COLUMN) == str(number)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("9007199254740993", "9007199254740993"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1.0", "1.0"),
        ("1.50", "1.50"),
        ("12345678901234567.25", "12345678901234567.25"),
        ("1e22", "10000000000000000000000"),
        ("1E-3", "0.001"),
    ],
)
def test_numbers_as_parsed_exactly_give_all_their_digits(written: str, text: str) -> None:
    """An exponent is written out, and no digit is lost."""
    assert identifier(parse_exactly(written.encode()), "id", COLUMN) == text


@pytest.mark.parametrize("number", [1.0, 1e22, 0.1, -2.5])
def test_a_float_asks_for_the_row_to_be_parsed_exactly(number: float) -> None:
    """A float has lost the digits that were written; guessing them could name somebody else."""
    with pytest.raises(ExactDigitsNeeded):
        identifier(number, "id", COLUMN)


@pytest.mark.parametrize("written", ["NaN", "Infinity", "1e401", "1e-401", "1e99999999999999999999"])
def test_no_number_asks_twice(written: str) -> None:
    """What the exact parser gives is decided at once, absurd numbers included."""
    rejection(parse_exactly(written.encode()), "email")


@pytest.mark.parametrize("text", ["x" * 150, "é" * 75, "1" * 150, " " * 20 + "x" * 150])
def test_an_id_of_150_bytes_is_sent(text: str) -> None:
    """The limit counts UTF-8 bytes of what is sent, after trimming."""
    assert identifier(text, "id", COLUMN) == text.strip()


@pytest.mark.parametrize("value", ["x" * 151, "é" * 76, 10**150, Decimal("0." + "1" * 149)])
def test_an_id_of_151_bytes_is_rejected(value: Any) -> None:
    """One byte more than Customer.io takes; the message does not quote it."""
    found = rejection(value, "id")
    assert found.reason == "too_large"
    assert str(value) not in found.message


@pytest.mark.parametrize("kind", ["email", "cio_id"])
def test_other_kinds_have_no_limit_of_their_own(kind: str) -> None:
    """What the contract doesn't limit is sent."""
    assert identifier("x" * 10_000, kind, COLUMN) == "x" * 10_000


@pytest.mark.parametrize("phone", ["+1", "+442079460018", "+123456789012345", " +442079460018 "])
def test_phones_of_up_to_15_digits_are_sent(phone: str) -> None:
    """E.164: a plus and the digits."""
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
def test_phones_that_are_not_e164_are_rejected(phone: Any) -> None:
    """Nothing is repaired: a guessed country would be somebody else's phone."""
    assert rejection(phone, "phone").reason == "invalid"


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_a_surrogate_pair_is_rejected(kind: str) -> None:
    """It would be sent as another character and so name somebody else."""
    assert rejection("ada\ud800@example.com", kind).reason == "invalid"


@given(st.emails())
def test_emails_that_differ_in_case_are_one_person(email: str) -> None:
    """Customer.io compares emails without regard to case, so their rows must stay in order."""
    keys = {order_key(form, "email") for form in (email, email.upper(), email.lower(), email.title())}
    assert len(keys) == 1


def test_trimmed_emails_share_a_key() -> None:
    """The key is made of what is sent, so spaces around it make no second person."""
    forms = ["ADA@example.com ", "\tada@Example.COM"]
    assert len({order_key(identifier(form, "email", COLUMN), "email") for form in forms}) == 1


@pytest.mark.parametrize("kind", ["id", "cio_id", "phone"])
def test_other_identifiers_are_case_sensitive(kind: str) -> None:
    """`A` and `a` are two people, and the key says so."""
    assert order_key("A", kind) == "A"
    assert order_key("a", kind) == "a"
