"""All limits of the Track API, and the checks of a row against them before it costs a request.

Documented limits that cannot be reached are not checked: 100 KB for all attributes of a person or an event is more than
the 32,768 bytes of an entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import (
    JsonObject,
    Oversized,
    Raw,
    is_raw_array,
    longest,
    own_bytes,
)
from destination_customerio.exact_json.utf8 import is_valid_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sized

# Sizes are in bytes of UTF-8.
MAX_BODY_BYTES = 500_000  # a request
MAX_ENTRY_BYTES = 32_768  # one entry of its batch
MAX_ID_BYTES = 150  # a person's id, an object's id or type
MAX_EVENT_NAME_BYTES = 100
MAX_SEGMENT_IDS = 1_000  # people in a request that adds them to a segment, or removes them
# Of a person, an object or a relationship, not of an event:
MAX_ATTRIBUTES = 300
MAX_NAME_BYTES = 150
MAX_VALUE_BYTES = 1_000
# Ours, not the API's: a named column that is longer is not parsed, which could take forty times its memory. Text takes no
# more than a few times its own. Only arrays of people and objects can be longer than a request, as they are divided among
# several; their items are read one by one, and each becomes an object.
MAX_NESTED_BYTES = 1 << 16
MAX_COLUMN_BYTES = 4 * MAX_BODY_BYTES
MAX_RELATIONSHIPS = 50_000


def oversized(column: str) -> Rejection:
    """The rejection of a row with a named column that is too long to be read."""
    return Rejection(
        "too_large",
        column,
        f"{column} is too long: text, and an array where one is allowed, may have at most {MAX_COLUMN_BYTES:,} bytes; anything "
        f"else {MAX_NESTED_BYTES:,}.",
    )


def array_in(value: Any) -> Raw | None:
    """The array that a column holds, if its items may be read, however long it is as one value."""
    raw = value.raw if type(value) is Oversized else value
    return raw if is_raw_array(raw) and len(memoryview(raw)) <= MAX_COLUMN_BYTES else None


def check_relationship_count(column: str, related: Sized) -> None:
    """Reject an array of more than 50,000 people or objects."""
    if len(related) > MAX_RELATIONSHIPS:
        raise Rejection(
            "too_large",
            column,
            f"{column} has {len(related):,} items; a row may have at most {MAX_RELATIONSHIPS:,}. Divide them among several rows.",
        )


def too_many_columns(columns: int) -> Rejection:
    """The rejection of a row with more columns than this, which no object has room for."""
    return Rejection(
        "too_large",
        "",
        f"The row has more than {columns:,} columns, far more than Customer.io accepts in a row.",
    )


def nested_too_deeply() -> Rejection:
    """The rejection of a row that no parser or encoder can follow to its end."""
    return Rejection("invalid", "", "The row's objects are nested too deeply to be sent.")


def check_entry_size(size: int) -> None:
    """Reject an encoded entry of more than 32,768 bytes."""
    if size > MAX_ENTRY_BYTES:
        raise Rejection(
            "too_large",
            "",
            f"The row is {size:,} bytes long as sent; Customer.io accepts at most {MAX_ENTRY_BYTES:,}.",
        )


def check_attribute_count(attributes: Sized) -> None:
    """Reject a person or an object with more than 300 attributes."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise Rejection(
            "too_large",
            "",
            f"The row has {len(attributes):,} attributes; Customer.io accepts at most {MAX_ATTRIBUTES}.",
        )


def check_names(names: Iterable[str]) -> None:
    """Reject attribute names of more than 150 bytes."""
    for name in names:
        if not is_valid_text(name):
            raise Rejection(
                "invalid", "", "A column name contains a lone surrogate, which is not a valid character."
            )
        if len(name.encode()) > MAX_NAME_BYTES:
            raise Rejection("too_large", name, f"A column name is longer than {MAX_NAME_BYTES} bytes.")


def has_long_value(attributes: JsonObject) -> bool:
    """Whether an attribute may have more than 1,000 bytes: encoded, a value is never shorter than by its own bytes."""
    return longest(attributes.values()) > MAX_VALUE_BYTES


def check_values(attributes: JsonObject) -> None:
    """Reject attribute values of more than 1,000 bytes: text by its own bytes, anything else as encoded."""
    for name, value in attributes.items():
        size = own_bytes(value)
        if size > MAX_VALUE_BYTES:
            raise Rejection(
                "too_large",
                name,
                f"{name} is {size:,} bytes long; Customer.io accepts at most {MAX_VALUE_BYTES:,} for one attribute.",
            )
