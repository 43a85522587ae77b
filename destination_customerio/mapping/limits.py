"""The Track API's limits, in UTF-8 bytes, checked before a row costs a request.

Documented limits that can't be reached are not checked: 100 KB for all attributes of a person or an event lies beyond
the 32,768 bytes of an entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import JsonObject, encode, is_valid_text

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ENTRY_BYTES = 32_768
MAX_ATTRIBUTES = 300
MAX_NAME_BYTES = 150
MAX_VALUE_BYTES = 1_000
MAX_EVENT_NAME_BYTES = 100

_LARGEST_CHARACTER_BYTES = 4


def check_entry_size(size: int) -> None:
    """Refuse an encoded entry of more than 32,768 bytes."""
    if size > MAX_ENTRY_BYTES:
        raise Rejection(
            "too_large",
            "",
            f"The row takes {size:,} bytes as sent, and Customer.io takes {MAX_ENTRY_BYTES:,} at most.",
        )


def check_attribute_count(attributes: JsonObject) -> None:
    """Refuse a person or an object with more than 300 attributes."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise Rejection(
            "too_large",
            "",
            f"The row has {len(attributes)} attributes, and Customer.io takes {MAX_ATTRIBUTES} at most.",
        )


def check_names(names: Iterable[str]) -> None:
    """Refuse attribute names of more than 150 bytes."""
    for name in names:
        if not is_valid_text(name):
            raise Rejection(
                "invalid", "", "A column's name holds half of a surrogate pair, which is no character."
            )
        if len(name.encode()) > MAX_NAME_BYTES:
            raise Rejection("too_large", name, f"A column's name is longer than {MAX_NAME_BYTES} bytes.")


def check_values(attributes: JsonObject) -> None:
    """Refuse attribute values of more than 1,000 bytes: text by its own bytes, anything else as encoded.

    Numbers count too: those that no double holds are sent with all their digits.
    """
    for name, value in attributes.items():
        if type(value) is str:
            if len(value) * _LARGEST_CHARACTER_BYTES <= MAX_VALUE_BYTES:
                continue
            size = len(value.encode("utf-8", "surrogatepass"))
        elif value is None or type(value) is bool or type(value) is float:
            continue
        else:
            size = len(encode(value))
        if size > MAX_VALUE_BYTES:
            raise Rejection(
                "too_large",
                name,
                f"{name} takes {size:,} bytes, and Customer.io takes {MAX_VALUE_BYTES:,} for one attribute.",
            )
