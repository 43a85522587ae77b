"""A row's timestamps as unix seconds.

Customer.io silently replaces an event timestamp that it can't read with "now", so anything that is not understood here
is an error and is never sent. Accepted are

- seconds, integer or decimal; milliseconds, microseconds and nanoseconds, recognized by their magnitude; all of these as
  digit strings;
- ISO 8601 and RFC 3339: a date, or a date and a time with `T` or a space, a fraction of any length, and `Z`, `±hh:mm`,
  `±hhmm`, `±hh` or no zone, which means UTC;
- RFC 2822, as in the headers of mail and HTTP.

Zone names are not accepted: they are ambiguous (`IST` is three zones). Fractions are truncated.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

# Below each limit (the first: the year 5138), a number is in seconds, milliseconds, microseconds, nanoseconds.
_SECONDS_LIMIT = 10**11
_UNITS = ((_SECONDS_LIMIT, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]*)?")
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
_ISO = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    rf"(?:[Tt ]{_TIME}(?::(?P<second>[0-9]{{2}})(?:[.,][0-9]+)?)?"
    r" ?(?:[Zz]|(?P<sign>[+-])(?P<zone_hours>[0-9]{2})(?::?(?P<zone_minutes>[0-9]{2}))?)?)?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# The grammar of RFC 2822, with a numeric zone or one of the two names that mean +0000.
_RFC_2822 = re.compile(
    rf"(?:(?:mon|tue|wed|thu|fri|sat|sun), *)?(?P<day>[0-9]{{1,2}}) +(?P<month>{'|'.join(_MONTHS)}) +(?P<year>[0-9]{{4}})"
    rf" +{_TIME}(?::(?P<second>[0-9]{{2}}))?"
    r" +(?:(?P<sign>[+-])(?P<zone_hours>[0-9]{2})(?P<zone_minutes>[0-9]{2})|gmt|ut)",
    re.IGNORECASE | re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_absent(value: Any) -> bool:
    """Whether a column is empty: null, or blank text."""
    return value is None or (type(value) is str and not value.strip())


def to_unix_seconds(value: Any) -> int:
    """Convert one value to unix seconds.

    Raises:
        ValueError: none of the accepted forms. The message does not contain the value.
    """
    if type(value) is int and -_SECONDS_LIMIT < value < _SECONDS_LIMIT:
        return value
    if type(value) is str:
        return _from_text(value.strip())
    if type(value) is int or type(value) is float or type(value) is Decimal:
        return _from_number(value)
    raise ValueError("neither a number nor text")


def _from_number(value: float | Decimal) -> int:
    for limit, unit in _UNITS:
        if -limit < value < limit:
            # In integers, as dividing decimals would round. Both steps truncate towards zero.
            whole = int(value)
            return whole // unit if whole >= 0 else -(-whole // unit)
    raise ValueError("too large for a timestamp, even in nanoseconds")  # or NaN or infinite


def _from_text(text: str) -> int:
    if _NUMBER.fullmatch(text):
        return _from_number(Decimal(text))
    if match := _ISO.fullmatch(text):
        return _seconds(match, int(match["month"]))
    if match := _RFC_2822.fullmatch(text):
        return _seconds(match, _MONTHS.index(match["month"].lower()) + 1)
    raise ValueError("not a known timestamp format")


def _seconds(match: re.Match[str], month: int) -> int:
    # Leap seconds are valid in both forms; unix time counts them as the first second of the next minute.
    leap = match["second"] == "60"
    moment = datetime(
        int(match["year"]),
        month,
        int(match["day"]),
        int(match["hour"] or 0),
        int(match["minute"] or 0),
        59 if leap else int(match["second"] or 0),
        tzinfo=UTC,
    )
    zone_hours, zone_minutes = int(match["zone_hours"] or 0), int(match["zone_minutes"] or 0)
    if zone_hours > 23 or zone_minutes > 59:
        raise ValueError("no such zone")
    offset = (zone_hours * 60 + zone_minutes) * 60
    # Counted in whole seconds, as a zone may shift the moment out of the years that datetime supports.
    since_epoch = moment - _EPOCH
    seconds = since_epoch.days * 86_400 + since_epoch.seconds + leap
    return seconds + offset if match["sign"] == "-" else seconds - offset
