"""Who a row is about: identifiers as Customer.io accepts them, and as it compares them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import JsonObject, Oversized
from destination_customerio.exact_json.utf8 import is_valid_text
from destination_customerio.mapping.limits import MAX_ID_BYTES, oversized
from destination_customerio.mapping.visible_text import is_blank, trimmed

# Rows with equal keys are about one person or object, and must stay in order.
OrderKey = str
# What a row must stay in order with: the rows of one key, or of all keys that it joins.
Order: TypeAlias = OrderKey | tuple[OrderKey, ...]
# Whom or what a row is about: the order key, and the `identifiers` as sent.
Identified: TypeAlias = tuple[OrderKey, JsonObject]

MAX_DIGITS = 400
_MAX_SEGMENT_DIGITS = 20

# What programs write for a value that they don't have: JavaScript, Python, pandas, Ruby, Go, C, spreadsheets, SQL dumps.
_NOBODY = frozenset(
    (
        "null",
        "undefined",
        "none",
        "nan",
        "nil",
        "[object object]",
        "<nil>",
        "<null>",
        "(null)",
        "n/a",
        "#n/a",
        r"\n",
    )
)
_LONGEST_NOBODY = max(map(len, _NOBODY))

_E164 = re.compile(r"\+[1-9][0-9]{0,14}")


@dataclass(frozen=True, slots=True)
class IdentifierKind:
    """A way to identify a person: `name` in the Track API, `column` in the destination catalog."""

    name: str
    column: str
    example: str

    @property
    def alternatives(self) -> tuple[IdentifierKind, ...]:
        """The ways in which a row may identify a person, as of `AnyIdentifier`: this one."""
        return (self,)


@dataclass(frozen=True, slots=True)
class AnyIdentifier:
    """Each row identifies its person by the first of the alternatives that it has."""

    alternatives: tuple[IdentifierKind, ...]
    name: str = "any"


# How the rows of a stream identify people.
Identification = IdentifierKind | AnyIdentifier

IDENTIFIER_KINDS = {
    kind.name: kind
    for kind in (
        IdentifierKind("email", "person_email", "ada@example.com"),
        IdentifierKind("id", "person_id", "user-42"),
        IdentifierKind("cio_id", "person_cio_id", "a3000001"),
        IdentifierKind("phone", "person_phone", "+442079460018"),
    )
}

# The surest first: an id never changes hands, an email or a phone number may.
ANY_IDENTIFIER = AnyIdentifier(tuple(IDENTIFIER_KINDS[name] for name in ("cio_id", "id", "email", "phone")))

# What the configuration can choose.
IDENTIFICATIONS: dict[str, Identification] = {**IDENTIFIER_KINDS, ANY_IDENTIFIER.name: ANY_IDENTIFIER}

# Only these identify the people of a merge.
MERGEABLE_KINDS = ("email", "id", "cio_id")


def identifier(value: Any, kind: str, column: str) -> str:
    """The identifier in a row's `column`: text trimmed, numbers by their exact digits, whole ones without a fraction.

    Raises:
        Rejection: missing, blank, of another type, or not a valid `kind`.
    """
    text = required_text(value, column)
    if kind == "email":
        return text
    if kind == "cio_id":
        # Other APIs of Customer.io write it so.
        text = required_text(text.removeprefix("cio_"), column)
    if kind == "id" and len(text.encode()) > MAX_ID_BYTES:
        raise Rejection(
            "too_large", column, f"{column} is longer than {MAX_ID_BYTES} bytes, the limit of an id."
        )
    if kind == "phone" and not _E164.fullmatch(text):
        raise Rejection(
            "invalid",
            column,
            f"{column} is not an E.164 phone number: a plus sign and up to 15 digits, without spaces.",
        )
    return text


def identified_person(value: Any, kind: str, column: str) -> Identified:
    """The person that a row's `column` identifies.

    Raises:
        Rejection: as for `identifier`.
    """
    text = identifier(value, kind, column)
    return order_key(text, kind), {kind: text}


def identified_object(object_type_id: Any, object_id: Any) -> Identified:
    """The object that two columns of these names identify.

    Raises:
        Rejection: as for `identifier`.
    """
    identifiers = {
        "object_type_id": identifier(object_type_id, "id", "object_type_id"),
        "object_id": identifier(object_id, "id", "object_id"),
    }
    return object_order_key(**identifiers), identifiers


def order_key(identifier_text: str, kind: str) -> OrderKey:
    """What Customer.io compares: two rows with the same key are about one person and must stay in order."""
    return identifier_text.casefold() if kind == "email" else identifier_text


def object_order_key(object_type_id: str, object_id: str) -> OrderKey:
    """Two rows with the same key are about one object; it never equals the key of a person."""
    return f"{object_type_id}\x00{object_id}"


def segment_id(value: Any) -> str:
    """The id of a manual segment, without leading zeros.

    Raises:
        Rejection: missing, blank, or not a whole number.
    """
    text = required_text(value, "segment_id")
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_SEGMENT_DIGITS):
        raise Rejection(
            "invalid",
            "segment_id",
            "segment_id must be a whole number: the id of a manual segment, as it is in the segment's URL in Customer.io.",
        )
    return str(int(text))


def required_text(value: Any, column: str) -> str:
    """A required value that is text or a number, as trimmed text.

    Raises:
        Rejection: as for `identifier`.
    """
    if type(value) is str:
        text = value.strip()
        if not text.isprintable():
            text = trimmed(text)
    else:
        text = _digits(value, column)
    if not text:
        raise Rejection("required", column, f"{column} is missing or blank.")
    if len(text) <= _LONGEST_NOBODY and is_nobody(text):
        raise Rejection(
            "invalid",
            column,
            f"{column} is the text that a program writes when it has no value, such as null or undefined, so it identifies "
            "nobody and nothing.",
        )
    if not (text.isascii() or is_valid_text(text)):
        raise Rejection(
            "invalid", column, f"{column} contains a lone surrogate, which is not a valid character."
        )
    return text


def is_nobody(text: str) -> bool:
    """Whether trimmed text is what programs write when they have no value."""
    return text.lower() in _NOBODY


def names_nobody(value: Any) -> bool:
    """Whether a value is blank, or what programs write for a value that they don't have."""
    return is_blank(value) or (type(value) is str and is_nobody(trimmed(value)))


def _digits(value: Any, column: str) -> str:
    match value:
        case bool() | dict() | list():
            raise Rejection("invalid", column, f"{column} must be text or a number.")
        case Oversized():
            raise oversized(column)
        case int():
            return str(value)
        case Decimal() if value.is_finite() and abs(value.adjusted()) <= MAX_DIGITS:
            # A column of whole numbers with a null among them is often a column of floats.
            return str(int(value)) if value == int(value) else f"{value:f}"
        case Decimal():
            raise Rejection("invalid", column, f"{column} is a number outside the supported range.")
    return ""  # null
