"""Event ids: every id becomes a ULID, the only form that Customer.io accepts, by which it deduplicates events.

A ULID is 128 bits as 26 characters of Crockford's base32, so its first character is 0 to 7.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.canonical import encode_canonically
from destination_customerio.exact_json.codec import JsonObject, encode, parse
from destination_customerio.mapping.airbyte_columns import is_airbytes
from destination_customerio.mapping.identifiers import MAX_DIGITS, names_nobody
from destination_customerio.mapping.limits import MAX_BODY_BYTES
from destination_customerio.mapping.visible_text import trimmed

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.airbyte.catalog import Stream

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]

# Rows built from maps may bring new column names without end; the memory for names must be bounded.
_MAX_KNOWN_NAMES = 10_000

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}")


def encode_ulid(number: int) -> str:
    """The ULID of 128 bits."""
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def is_given(value: Any) -> bool:
    """Whether a row gives an id: blank values are none, nor is text such as `undefined`.

    With the same id for all such events, Customer.io would keep one of them.
    """
    return not names_nobody(value)


def from_column(value: Any, event_name: str) -> str:
    """The ULID of a row's own event id, any value for which `is_given` holds. The same id always gives the same ULID.

    A ULID is kept, a UUID keeps its bits. Anything else is hashed together with the event's name, as ids such as 1, 2, 3
    are unique only among events of one name.

    Raises:
        NestedTooDeeply: an object or array is nested too deeply to be encoded.
    """
    text = trimmed(value) if type(value) is str else _digits_or_json(value)
    if _ULID.fullmatch(text):
        return text
    if _UUID.fullmatch(text):
        return encode_ulid(int(text.replace("-", ""), 16))
    return _hashed(event_name, text)


def from_row(stream: Stream, data: JsonObject) -> str:
    """The ULID of a row's content: syncing the same row again gives the same id.

    Airbyte's own columns are not part of it: they differ each time a row is loaded.
    """
    return _of_content(stream, _without_airbytes(data))


class RowIds:
    """`from_row` for the rows of one stream, which nearly always have the same columns: each name is judged once."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ordinary: set[str] = set()

    def __call__(self, data: JsonObject) -> str:
        """The id of one row."""
        if not self._ordinary.issuperset(data):
            data = _without_airbytes(data)
            if len(self._ordinary) > _MAX_KNOWN_NAMES:
                self._ordinary.clear()
            self._ordinary.update(data)
        return _of_content(self._stream, data)


class FreshIds:
    """New ULIDs, unique across processes, whatever the row.

    Each block of 1,024 ids shares a prefix of the time (48 bits) and random bits (70), because getting both for each row
    would take as long as encoding the row. Within a block, ids ascend.
    """

    def __init__(
        self,
        wall_clock: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._wall_clock = wall_clock
        self._random_bytes = random_bytes
        self._prefix = ""
        self._next = len(_PAIRS)

    def __call__(self, line: bytes) -> str:
        """One more id."""
        del line
        number = self._next
        if number == len(_PAIRS):
            milliseconds = int(self._wall_clock() * 1000) & ((1 << 48) - 1)
            random = int.from_bytes(self._random_bytes(9), "big") & ((1 << 70) - 1)
            self._prefix = encode_ulid(milliseconds << 80 | random << 10)[:24]
            number = 0
        self._next = number + 1
        return self._prefix + _PAIRS[number]


def _without_airbytes(data: JsonObject) -> JsonObject:
    return {name: value for name, value in data.items() if not is_airbytes(name)}


def _of_content(stream: Stream, data: JsonObject) -> str:
    content = encode(data)
    # A longer row is only sent if columns are left out; parsed, it could take many times its memory.
    if len(content) <= MAX_BODY_BYTES:
        content = encode_canonically(parse(content))
    return _hashed(stream.namespace or "", stream.name, content)


def _digits_or_json(value: Any) -> str:
    """One text for each value, however it was written: 1.50 and 1.5 are one number."""
    if type(value) is Decimal and abs(value.adjusted()) <= MAX_DIGITS:
        digits = f"{value:f}"
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    # Written out, a number with a larger exponent would have that many digits.
    return str(value) if type(value) is Decimal else encode_canonically(value).decode()


def _hashed(*parts: str | bytes) -> str:
    # Each part is preceded by its length, so that ("ab", "c") and ("a", "bc") differ.
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return encode_ulid(int.from_bytes(digest.digest()[:16], "big"))
