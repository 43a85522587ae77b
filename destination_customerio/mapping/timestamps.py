"""A row's timestamps as unix seconds.

Customer.io silently replaces an event timestamp that it can't read with "now", so anything that is not understood here
is an error and is never sent. Accepted are

- seconds, integer or decimal; milliseconds, microseconds and nanoseconds, recognized by their magnitude; all of these as
  digit strings;
- eight, twelve or fourteen digits that are a calendar date: `20240101`, `202401011230`, `20240101123045`;
- ISO 8601 and RFC 3339, extended or basic: a date, or a date and a time with `T` or a space, a fraction of any length,
  and `Z`, `±hh:mm`, `±hhmm`, `±hh`, `UTC`, `GMT`, `UT`, `+0000 UTC` or no zone, which means UTC. The name of a zone in
  brackets may follow an offset, as Java writes it: `+01:00[Europe/Berlin]`;
- RFC 2822, as in the headers of mail and HTTP.

Other zone names are not accepted: they are ambiguous (`IST` is three zones). Neither are numbers of up to seven digits:
they are years, days since 1970 or the day numbers of spreadsheets. Fractions are truncated.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from destination_customerio.exact_json.codec import Raw, plain

# No event is older than this: 1980-01-01.
EARLIEST_EVENT = 315_532_800
TEN_YEARS = 315_569_520

# Numbers with fewer digits are no times.
_SMALLEST_TIME = 10**7
# From here to the limit of seconds, and among milliseconds, no number is a calendar date.
_ONLY_SECONDS = 10**8
_ONLY_MILLISECONDS = range(10**12, 10**13)
# Below each limit (the first: the year 5138), a number is in seconds, milliseconds, microseconds, nanoseconds.
_SECONDS_LIMIT = 10**11
_UNITS = ((_SECONDS_LIMIT, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
# The numbers that may be calendar dates, and what fills them up to fourteen digits. As unix times, those of eight digits
# are in the early seventies, those of fourteen in a far future; those of twelve are milliseconds in 1976.
_CALENDARS = (
    (1000_01_01, 9999_12_31, 10**6),
    (1900_01_01_00_00, 2100_12_31_23_59, 10**2),
    (1000_01_01_00_00_00, 9999_12_31_23_59_59, 1),
)

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]*)?")
# The most common forms: seconds, null, and what RFC 3339 has, with any offset or none.
_decode_common = msgspec.json.Decoder(datetime | int | None).decode
# Of a fraction, the decoder takes six digits and rounds the others; with its quotes, no shorter text has more than these.
_MAX_EXACT_BYTES = len('"2024-01-31T12:30:45.123456"')
_DATE_LENGTH = 10
_FRACTION = r"(?:[.,][0-9]+)?"
_ZONE = r"(?: ?(?:(?:Z|(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?))(?:\[[A-Z0-9_+/-]+\])?|UTC|GMT|UT|[+-]00:?00 UTC))?"
_YEAR, _MONTH, _DAY = r"(?P<year>[0-9]{4})", r"(?P<month>[0-9]{2})", r"(?P<day>[0-9]{2})"
_HOUR, _MINUTE, _SECOND = r"(?P<hour>[0-9]{2})", r"(?P<minute>[0-9]{2})", r"(?P<second>[0-9]{2})"
_ISO_EXTENDED = re.compile(
    f"{_YEAR}-{_MONTH}-{_DAY}(?:[T ]{_HOUR}:{_MINUTE}(?::{_SECOND}{_FRACTION})?{_ZONE})?",
    re.IGNORECASE | re.ASCII,
)
# A date alone is a number.
_ISO_BASIC = re.compile(
    f"{_YEAR}{_MONTH}{_DAY}[T ]{_HOUR}{_MINUTE}(?:{_SECOND}{_FRACTION})?{_ZONE}", re.IGNORECASE | re.ASCII
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# The grammar of RFC 2822, with a numeric zone, which a comment may follow, or one of the names that mean +0000.
_RFC_2822 = re.compile(
    rf"(?:(?:mon|tue|wed|thu|fri|sat|sun), *)?(?P<day>[0-9]{{1,2}}) +(?P<month>{'|'.join(_MONTHS)}) +{_YEAR}"
    rf" +{_HOUR}:{_MINUTE}(?::{_SECOND})?"
    r" +(?:(?P<offset>[+-][0-9]{4})(?: *\([^()]*\))?|gmt|utc?)",
    re.IGNORECASE | re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# For moments without a zone: subtracting these is faster than giving them one.
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
_FIRST_SECOND = -62_135_596_800  # 0001-01-01


def column_seconds(column: Any) -> int | None:
    """Convert a column, kept as bytes or plain, to unix seconds; None for null.

    Raises:
        ValueError: as for `to_unix_seconds`.
    """
    if type(column) is not Raw:
        return None if column is None else to_unix_seconds(column)
    try:
        value = _decode_common(column)
    except msgspec.DecodeError:
        return to_unix_seconds(plain(column))
    if type(value) is not datetime:
        return None if value is None else to_unix_seconds(value)
    if value.microsecond or len(bytes(column)) <= _MAX_EXACT_BYTES:
        return _since_epoch(value)
    return to_unix_seconds(plain(column))  # the fraction may have been rounded up to the next second


def to_unix_seconds(value: Any) -> int:
    """Convert one value to unix seconds.

    Raises:
        ValueError: none of the accepted forms. The message does not contain the value.
    """
    if type(value) is int:
        if _ONLY_SECONDS <= value < _SECONDS_LIMIT:
            return value
        return value // 1_000 if value in _ONLY_MILLISECONDS else _from_number(value)
    if type(value) is str:
        return _from_text(value.strip())
    if type(value) is float or type(value) is Decimal:
        return _from_number(value)
    raise ValueError("neither a number nor text")


def is_extended_iso(value: Any) -> bool:
    """Whether a value that `to_unix_seconds` can read is text such as `1955-03-14`: no other form has a hyphen there."""
    return type(value) is str and value.strip()[4:5] == "-"


def iso_text(seconds: int) -> str:
    """Unix seconds, from the year 1 to 1970, as ISO 8601."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _from_number(value: float | Decimal) -> int:
    if -_SMALLEST_TIME < value < _SMALLEST_TIME:
        raise ValueError("too small for a timestamp")
    for limit, unit in _UNITS:
        if -limit < value < limit:
            # In integers, as dividing decimals would round. Both steps truncate towards zero.
            whole = int(value)
            if (seconds := _from_calendar(whole)) is not None:
                return seconds
            seconds = whole // unit if whole >= 0 else -(-whole // unit)
            if seconds < _FIRST_SECOND:
                raise ValueError("before the calendar")
            return seconds
    raise ValueError("too large for a timestamp, even in nanoseconds")  # or NaN or infinite


def _from_calendar(number: int) -> int | None:
    """The unix seconds of digits such as 20240131; None if they are not a date."""
    for first, last, scale in _CALENDARS:
        if first <= number <= last:
            digits = str(number * scale)
            month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(4, 14, 2))
            try:
                moment = datetime(int(digits[:4]), month, day, hour, minute, second)  # noqa: DTZ001 - in UTC
            except ValueError:
                return None
            return _since_epoch(moment)
    return None


def _from_text(text: str) -> int:
    if len(text) == _DATE_LENGTH and text[4] == text[7] == "-":
        try:
            return _since_epoch(datetime.fromisoformat(text))
        except ValueError:  # the parser's message would quote the text
            pass
    if _NUMBER.fullmatch(text):
        return to_unix_seconds(Decimal(text) if "." in text else int(text))
    if match := _ISO_EXTENDED.fullmatch(text) or _ISO_BASIC.fullmatch(text):
        return _seconds(match, int(match["month"]))
    if match := _RFC_2822.fullmatch(text):
        return _seconds(match, _MONTHS.index(match["month"].lower()) + 1)
    raise ValueError("not a known timestamp format")


def _seconds(match: re.Match[str], month: int) -> int:
    # Leap seconds are valid in all forms; unix time counts them as the first second of the next minute.
    leap = match["second"] == "60"
    moment = datetime(  # noqa: DTZ001 - in UTC
        int(match["year"]),
        month,
        int(match["day"]),
        int(match["hour"] or 0),
        int(match["minute"] or 0),
        59 if leap else int(match["second"] or 0),
    )
    offset = _offset_seconds(match["offset"]) if match["offset"] else 0
    return _since_epoch(moment) + leap - offset


def _offset_seconds(offset: str) -> int:
    """The seconds of `±hh:mm`, `±hhmm` or `±hh`."""
    hours, minutes = int(offset[1:3]), int(offset[-2:]) if len(offset) > len("+00") else 0
    if hours > 23 or minutes > 59:
        raise ValueError("no such zone")
    seconds = (hours * 60 + minutes) * 60
    return -seconds if offset[0] == "-" else seconds


def _since_epoch(moment: datetime) -> int:
    """Whole seconds since 1970, in integers; a moment without a zone is in UTC."""
    since = moment - (_NAIVE_EPOCH if moment.tzinfo is None else _EPOCH)
    return since.days * 86_400 + since.seconds
