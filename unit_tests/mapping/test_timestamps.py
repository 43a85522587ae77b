"""A row's timestamp is read exactly or rejected, never guessed."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.exact_json.codec import Raw, plain
from destination_customerio.mapping.timestamps import (
    column_seconds,
    is_extended_iso,
    iso_text,
    to_unix_seconds,
)

WHEN = 1_767_225_599  # 2025-12-31T23:59:59Z

# Every zone of RFC 3339: whole minutes, less than a day.
zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=zones)  # noqa: DTZ001
fractions = st.text("0123456789", min_size=1, max_size=30)


def unix_seconds(moment: datetime) -> int:
    """Whole seconds since 1970, in integers; fractions are truncated."""
    return (moment.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


@pytest.mark.parametrize("power", [0, 3, 6, 9])
@given(seconds=st.integers(10**9, 10**10 - 1) | st.integers(-62_135_596_800, -(10**9)))
def test_the_unit_is_recognized_by_the_magnitude(power: int, seconds: int) -> None:
    """For the years 2001 to 2286, and 1 to 1938, in each unit, as numbers, decimals and digit strings."""
    value = seconds * 10**power
    for form in (value, Decimal(value), str(value), f" {value} ", f"{value}.999", Decimal(f"{value}.9")):
        assert to_unix_seconds(form) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (10**7, 10**7),
        (-(10**7), -(10**7)),
        (10_000_000.9, 10_000_000),
        (-10_000_000.9, -10_000_000),
        ("10000000.9", 10_000_000),
        ("+1764000000", 1_764_000_000),
        ("1764000000.", 1_764_000_000),
        (-62_135_596_800, -62_135_596_800),
        (10**11 - 1, 10**11 - 1),
        (10**11, 10**8),
        (10**14 - 1, 10**11 - 1),
        (10**14, 10**8),
        (10**17 - 1, 10**11 - 1),
        (10**17, 10**8),
        (10**20 - 1, 10**11 - 1),
        (1_767_225_599_999, WHEN),
        (1_767_225_599_999.9, WHEN),
        # Twenty-nine digits: a division of decimals would round this one up into the next second.
        (Decimal("99999999999999.9999999999999999999"), 99_999_999_999),
        ("99999999999999.9999999999999999999", 99_999_999_999),
    ],
)
def test_numbers_at_the_boundaries_of_the_units(value: Any, seconds: int) -> None:
    """Each unit ends at a power of ten, and fractions are truncated, never rounded."""
    assert to_unix_seconds(value) == seconds


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001
def test_fourteen_digits_of_a_date_and_time(moment: datetime) -> None:
    """As numbers, texts and floats, in UTC, and their date alone as eight digits."""
    for layout in ("%Y%m%d", "%Y%m%d%H%M%S"):
        digits = moment.strftime(layout)
        expected = unix_seconds(datetime.strptime(digits, layout).replace(tzinfo=UTC))
        for form in (digits, int(digits), float(digits), Decimal(digits), f" {digits}.0 "):
            assert to_unix_seconds(form) == expected


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 12, 31)))  # noqa: DTZ001
def test_twelve_digits_of_a_date_and_time(moment: datetime) -> None:
    """To the minute; beyond these two centuries twelve digits are milliseconds."""
    digits = moment.strftime("%Y%m%d%H%M")
    expected = unix_seconds(moment.replace(second=0, tzinfo=UTC))
    assert to_unix_seconds(digits) == to_unix_seconds(int(digits)) == expected


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (20240101, 1_704_067_200),
        ("20240101", 1_704_067_200),
        (202401011230, 1_704_112_200),
        ("20240101123045", 1_704_112_245),
        (20241301, 20_241_301),  # no month 13: seconds
        (20230229, 20_230_229),
        (202413011230, 202_413_011),
        (189912312359, 189_912_312),
        (641520000000, 641_520_000),
        (20240101126045, 20_240_101_126),
    ],
)
def test_digits_are_a_date_only_if_the_calendar_has_it(value: Any, seconds: int) -> None:
    """Others are unix times by their magnitude."""
    assert to_unix_seconds(value) == seconds


@given(moments, fractions, st.sampled_from("Tt "), st.sampled_from(".,"), st.sampled_from(["", " "]))
def test_basic_iso_8601_with_any_zone_and_fraction(
    moment: datetime, fraction: str, letter: str, point: str, space: str
) -> None:
    """Without hyphens and colons."""
    local = f"{moment.year:04}" + moment.strftime(f"%m%d{letter}%H%M%S")
    zone = moment.strftime("%z")
    for written in (zone, f"{zone[:3]}:{zone[3:]}", f"{zone}[America/Port-au-Prince]"):
        assert to_unix_seconds(f"{local}{point}{fraction}{space}{written}") == unix_seconds(moment)


@given(moments, fractions, st.sampled_from("Tt "), st.sampled_from(".,"), st.sampled_from(["", " "]))
def test_iso_8601_with_any_zone_and_fraction(
    moment: datetime, fraction: str, letter: str, point: str, space: str
) -> None:
    """With any zone, and fractions of any length."""
    local = moment.strftime(f"%m-%d{letter}%H:%M:%S")
    zone = moment.strftime("%z")
    for written in (zone, f"{zone[:3]}:{zone[3:]}"):
        text = f"{moment.year:04}-{local}{point}{fraction}{space}{written}"
        assert to_unix_seconds(text) == unix_seconds(moment)


@given(
    moments,
    st.sampled_from(["", "."]),
    fractions | st.sampled_from(["999999", "9999994", "9999995", "999999999", "000000", "0000000"]),
    st.sampled_from("Tt "),
    st.sampled_from(["", "Z", "z", "+02:00", "-0730", "+23:59", " UTC", "+24:00"]),
)
def test_a_column_as_bytes_is_read_as_its_text_is(
    moment: datetime, point: str, fraction: str, letter: str, zone: str
) -> None:
    """A fraction of any length is truncated, also where the decoder would round it up to the next second."""
    local = f"{moment.year:04}-" + moment.strftime(f"%m-%d{letter}%H:%M:%S")
    text = f"{local}{point}{point and fraction}{zone}"
    column = Raw(f'"{text}"'.encode())
    try:
        expected = to_unix_seconds(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"not a known timestamp format|no such zone"):
            column_seconds(column)
    else:
        assert column_seconds(column) == column_seconds(text) == expected


@pytest.mark.parametrize(
    ("column", "seconds"),
    [
        (b"null", None),
        (b"1764000000", 1_764_000_000),
        (b"-1764000000000", -1_764_000_000),
        (b"1764000000.5", 1_764_000_000),
        (b"1764000000.0", 1_764_000_000),
        (b"99999999999999.9999999999999999999", 99_999_999_999),
        (b'"1764000000"', 1_764_000_000),
        (b'"2025-12-31"', WHEN - 86_399),
        (b'"2025-12-31T23:59:60Z"', WHEN + 1),
        (b'"2025-12-31T23:59:59\\u005a"', WHEN),
        (b'"Wed, 31 Dec 2025 23:59:59 UTC"', WHEN),
    ],
)
def test_a_column_as_bytes_may_have_any_form(column: bytes, seconds: int | None) -> None:
    """Numbers are read with all their digits, and null is nothing."""
    assert column_seconds(Raw(column)) == column_seconds(plain(Raw(column))) == seconds


@pytest.mark.parametrize(
    "column",
    [b"true", b"0", b"[1]", b'{"seconds":1}', b'""', b'"null"', b"1764000000123456789012345", b"1e400"],
)
def test_a_column_as_bytes_that_is_no_time_is_an_error(column: bytes) -> None:
    """As its plain value is."""
    for value in (Raw(column), plain(Raw(column))):
        with pytest.raises(ValueError):  # noqa: PT011 - any message will do
            column_seconds(value)


@given(moments)
def test_rfc_2822(moment: datetime) -> None:
    """As in the Date header of an email."""
    whole = moment.replace(microsecond=0)
    assert to_unix_seconds(format_datetime(whole)) == unix_seconds(whole)
    assert to_unix_seconds(format_datetime(whole.astimezone(UTC), usegmt=True)) == unix_seconds(whole)


@pytest.mark.parametrize(
    "text",
    [
        "2025-12-31T23:59:59Z",
        "2025-12-31t23:59:59z",
        "2025-12-31 23:59:59",
        "2025-12-31T23:59:59",
        "  2025-12-31 23:59:59.999999999999Z\n",
        "2025-12-31 23:59:59 UTC",
        "2025-12-31 23:59:59.123456 UTC",
        "2025-12-31T23:59:59utc",
        "2025-12-31 23:59:59 GMT",
        "2025-12-31 23:59:59 UT",
        "2025-12-31 23:59:59 +0000 UTC",
        "2025-12-31 23:59:59.999999999 +0000 UTC",
        "2026-01-01T00:59:59+01:00[Europe/Berlin]",
        "2026-01-01T00:59:59.5+01:00[Europe/Berlin]",
        "2025-12-31T18:59:59-05[America/Argentina/Buenos_Aires]",
        "2025-12-31T23:59:59Z[UTC]",
        "2025-12-31T23:59:59Z[Etc/GMT+0]",
        "20251231T235959Z",
        "20251231T235959",
        "20251231 235959 UTC",
        "20260101T052959.123+0530",
        "20251231235959",
        "20251231235959.0",
        "Wed, 31 Dec 2025 23:59:59 UTC",
        "Wed, 31 Dec 2025 23:59:59 +0000 (UTC)",
        "Wed, 31 Dec 2025 15:59:59 -0800 (Pacific Standard Time)",
        "2025-12-31 23:59:59,5 Z",
        "2025-12-31 23:59:59+00",
        "2025-12-31 23:59:59 -00:00",
        "2026-01-01T05:29:59+0530",
        "2026-01-01T05:29:59+05:30",
        "2025-12-31 15:59:59-08",
        "Wed, 31 Dec 2025 23:59:59 +0000",
        "wed, 31 dec 2025 23:59:59 GMT",
        "31 Dec 2025 23:59:59 UT",
        "Thu, 1 Jan 2026 05:29:59 +0530",
    ],
)
def test_spellings_of_one_second(text: str) -> None:
    """No zone means UTC; a fraction is truncated."""
    assert to_unix_seconds(text) == WHEN


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01", WHEN + 1),
        ("2026-01-01T00:00", WHEN + 1),
        ("2026-01-01T01:00+01:00[Europe/Paris]", WHEN + 1),
        ("20260101T0000Z", WHEN + 1),
        ("20251231T235960Z", WHEN + 1),
        ("2025-12-31T23:59:60.5 UTC", WHEN + 1),
        ("2025-12-31T23:59:60Z", WHEN + 1),
        ("Wed, 31 Dec 2025 23:59:60 +0000", WHEN + 1),
        ("1970-01-01", 0),
        ("1969-12-31T23:59:59.5Z", -1),
        ("0001-01-01T00:00:00+23:59", -62_135_596_800 - 86_340),
        ("9999-12-31T23:59:59-23:59", 253_402_300_799 + 86_340),
        ("2024-02-29", 1_709_164_800),
    ],
)
def test_dates_and_the_ends_of_the_calendar(text: str, seconds: int) -> None:
    """A date is its first second, a leap second is the first of the next minute, and a zone may exceed the calendar."""
    assert to_unix_seconds(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        0,
        -1,
        2024,
        "2024",
        45_292.75,
        "45292",
        19_723,
        202_401,
        -9_999_999,
        9_999_999,
        Decimal("9999999.9"),
        -62_135_596_801,
        -(10**20) + 1,
        {},
        {"seconds": 1},
        [],
        [1],
        math.nan,
        math.inf,
        -math.inf,
        10**20,
        -(10**20),
        1e300,
        Decimal("1E+999999999"),
        Decimal("Infinity"),
        "NaN",
        "infinity",
        "1e9",
        "1_000",
        "0x10",
        "١٢٣",
        ".5",
        "100000000000000000000",
        "yesterday",
        "2025-12",
        "2025-13-01",
        "2025-02-29",
        "2025-00-01",
        "0000-01-01",
        "2025-12-31T24:00:00Z",
        "2025-12-31T23:60:00Z",
        "2025-12-31T23:59:61Z",
        "2025-12-31T23:59:59.Z",
        "2025-12-31 23:59:59 CET",
        "2025-12-31 23:59:59 +0100 CET",
        "2025-12-31 23:59:59 +0100 UTC",
        "2025-12-31T23:59:59 UTCZ",
        "2025-12-31T23:59:59[UTC]",
        "2025-12-31T23:59:59[Europe/Berlin]",
        "2025-12-31T23:59:59Z[]",
        "2025-12-31T23:59:59Z[Europe/Berlin",
        "2025-12-31T23:59:59+01:00:30",
        "2025-12-31T23:59:59.1234567xZ",
        "2025-12-31T23:59+01:00:00",
        "2025-W52-3T23:59:59Z",
        "2025-W52-3",
        "2025-12-3",
        "2025-12-31T235959Z",
        "20251231T23:59:59Z",
        "20251231T23",
        "20251301T000000Z",
        "20251231Z",
        "20251231235959Z",
        "\uff12025-12-31",
        "\uff12025-12-31T23:59:59Z",
        "2025-12-31T23:59:59 CET",
        "2025-12-31T23:59:59 Europe/Berlin",
        "2025-12-31T23:59:59+24:00",
        "2025-12-31T23:59:59+05:60",
        "2025-12-31T23",
        "2025-12-31Z",
        "12/31/2025",
        "Wed, 31 Dec 2025 23:59:59",
        "Wed, 31 Dec 2025 23:59:59 EST",
        "Wed, 31 Dec 2025 23:59:59 Z",
        "Wed, 31 Dec 2025 23:59:59 +0060",
        "Tue, 31 Feb 2025 10:00:00 +0000",
        "Wed, 31 Dec 2025 25:59:59 +0000",
        "Xyz, 31 Dec 2025 23:59:59 +0000",
        "Wed, 31 Dez 2025 23:59:59 +0000",
        "2025-12-31T23:59:59Z and more",
    ],
)
def test_any_other_value_is_an_error(value: Any) -> None:
    """The message does not quote the value."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any message will do
        to_unix_seconds(value)
    if isinstance(value, str) and len(value) > 4:
        assert value not in str(caught.value)


@given(st.text() | st.from_regex(r"[0-9T :.+Zz-]{1,40}", fullmatch=True))
def test_any_text_is_an_integer_or_a_value_error(text: str) -> None:
    """No text raises another exception."""
    try:
        assert type(to_unix_seconds(text)) is int
    except ValueError:
        return


@given(st.integers(-62_135_596_800, -1))
def test_text_for_a_time_before_1970_is_read_as_the_same_time(seconds: int) -> None:
    """It is extended ISO 8601 itself."""
    text = iso_text(seconds)
    assert to_unix_seconds(text) == seconds
    assert is_extended_iso(text)


@pytest.mark.parametrize(
    "value", ["19550314", 19550314, "14 Mar 1955 00:00:00 GMT", "19550314T000000Z", -467_164_800]
)
def test_other_forms_are_not_extended_iso(value: Any) -> None:
    """They name the same day."""
    assert iso_text(to_unix_seconds(value)) == "1955-03-14T00:00:00Z"
    assert not is_extended_iso(value)
