"""A row's timestamps as unix seconds.

Customer.io replaces an event timestamp that it can't read by "now", without a word, so what is not understood here is
an error and never sent. Accepted are

- seconds, integer or decimal; milli-, micro- and nanoseconds, told apart by their size; digit strings of all these;
- ISO 8601 and RFC 3339: a date, or a date and a time with `T` or a space, a fraction of any length, and `Z`, `±hh:mm`,
  `±hhmm`, `±hh` or no zone, which means UTC;
- RFC 2822, as mail and HTTP headers have it.

Zone names are not: they are ambiguous (`IST` is three zones). Fractions are cut off.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import mktime_tz, parsedate_tz
from typing import Any

# The first power of ten that is no longer seconds (the year 5138), milliseconds, microseconds, nanoseconds.
_UNITS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]*)?")
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?"
    r" ?(?:([Zz])|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)
# RFC 2822's own grammar, with a numeric zone or one of the two names that mean +0000 in it.
_RFC_2822 = re.compile(
    r"(?:[A-Za-z]{3}, *)?[0-9]{1,2} +[A-Za-z]{3} +[0-9]{4} +[0-9]{2}:[0-9]{2}(?::[0-9]{2})? +(?:[+-][0-9]{4}|GMT|UT)"
)


def is_absent(value: Any) -> bool:
    """Whether a column holds nothing: null, or text without a visible character."""
    return value is None or (type(value) is str and not value.strip())


def to_unix_seconds(value: Any) -> int:
    """Convert one value to unix seconds.

    Raises:
        ValueError: none of the accepted forms. The error says nothing of the value.
    """
    if type(value) is str:
        return _from_text(value.strip())
    if type(value) is int or type(value) is float or type(value) is Decimal:
        return _from_number(value)
    raise ValueError("neither a number nor text")


def _from_number(value: float | Decimal) -> int:
    for limit, unit in _UNITS:
        if -limit < value < limit:
            return int(value) if unit == 1 else int(Decimal(value) / unit)
    raise ValueError("too large for a timestamp, even in nanoseconds")  # NaN and the infinities end here too


def _from_text(text: str) -> int:
    if _NUMBER.fullmatch(text):
        return _from_number(Decimal(text))
    if match := _ISO.fullmatch(text):
        return _from_iso(match)
    if _RFC_2822.fullmatch(text) and (parsed := parsedate_tz(text)):
        return int(mktime_tz(parsed))
    raise ValueError("no known form of a timestamp")


def _from_iso(match: re.Match[str]) -> int:
    year, month, day, hour, minute, second, _, sign, zone_hours, zone_minutes = match.groups()
    # RFC 3339 knows leap seconds; unix time counts them as the first second of the next minute.
    leap = second == "60"
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    if offset >= timedelta(hours=24):
        raise ValueError("no such zone")
    moment = datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        59 if leap else int(second or 0),
        tzinfo=timezone(-offset if sign == "-" else offset) if sign else UTC,
    )
    return int((moment - _EPOCH).total_seconds()) + leap


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
