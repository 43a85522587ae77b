"""When a record was emitted, in milliseconds: the protocol's unit, which not every client keeps.

PyAirbyte's cache sends seconds, for example. The unit is recognized by size, as for the timestamps of rows.
"""

from __future__ import annotations

from decimal import Decimal

from destination_customerio.exact_json.codec import parse_exactly

# Below each limit (the first: the year 5138), a number is in seconds, milliseconds, microseconds, nanoseconds.
_UNITS_PER_MILLISECOND = (
    (10**11, Decimal("0.001")),
    (10**14, Decimal(1)),
    (10**17, Decimal(1_000)),
    (10**20, Decimal(1_000_000)),
)
_ORDINARY_DIGITS = 13
_NUMBER_STARTS = tuple(b"%c" % character for character in b"-0123456789")


def in_milliseconds(number: float | Decimal) -> int | None:
    """A moment in milliseconds since 1970; None for a number that is none in any unit."""
    for limit, unit in _UNITS_PER_MILLISECOND:
        if -limit < number < limit:
            return int(Decimal(number) / unit)
    return None


def json_in_milliseconds(value: bytes) -> bytes:
    """The JSON text of an `emitted_at` in milliseconds; unchanged if it is no moment in any unit."""
    if len(value) == _ORDINARY_DIGITS and value.isdigit():
        return value
    if value[:1] not in _NUMBER_STARTS:
        return value
    number = parse_exactly(value)
    found = None if number is None else in_milliseconds(number)  # None: -Infinity
    return value if found is None else b"%d" % found
