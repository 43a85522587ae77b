"""Named columns are read and removed from the row; the attributes are left."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.errors import Rejection
from destination_customerio.mapping.columns import AssemblySettings, Columns
from destination_customerio.mapping.event_ids import FreshIds, from_column
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS

NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def columns(
    *,
    kind: str = "email",
    convert: bool = False,
    properties: dict[str, Any] | None = None,
) -> Columns:
    """The named columns of a stream."""
    settings = AssemblySettings(
        identifier_kind=IDENTIFIER_KINDS[kind],
        event_id_strategy="none",
        convert_timestamps=convert,
        fresh_id=FreshIds(),
        wall_clock=lambda: NOW,
    )
    return Columns(Stream(name="people", properties=properties or {}), settings)


@pytest.mark.parametrize("kind", ["email", "id", "cio_id", "phone"])
def test_a_person_is_identified_by_the_configured_column_only(kind: str) -> None:
    """The columns of other kinds are attributes."""
    row = {kind.column: kind.example for kind in IDENTIFIER_KINDS.values()}
    column, example = IDENTIFIER_KINDS[kind].column, IDENTIFIER_KINDS[kind].example
    assert columns(kind=kind).person(row) == (example, {kind: example})
    assert column not in row
    assert len(row) == 3


def test_an_email_is_sent_as_written_while_its_key_is_case_folded() -> None:
    """Customer.io compares emails without regard to case."""
    row = {"person_email": " Ada@Example.com "}
    assert columns().person(row) == ("ada@example.com", {"email": "Ada@Example.com"})


def test_a_row_without_its_identifier_is_rejected() -> None:
    """Nobody is identified, so nothing can be sent."""
    with pytest.raises(Rejection) as caught:
        columns().person({"email": "ada@example.com"})
    assert (caught.value.reason, caught.value.field) == ("required", "person_email")


@pytest.mark.parametrize(
    "name",
    [
        "x",
        " x ",
        "x" * 100,
        "é" * 50,
        f"  {'x' * 100}\n",
        "Order placed",
        "a\x00b",
        "\ufeff\u200bx\u2060 \x00",
        "x\u00ad",
    ],
)
def test_an_event_name_of_up_to_100_bytes_is_trimmed_and_sent(name: str) -> None:
    """The limit is in UTF-8 bytes of the trimmed name."""
    row = {"event_name": name, "other": 1}
    assert columns().event_name(row, "event_name") == name.strip(" \n\ufeff\u200b\u2060\x00\u00ad")
    assert row == {"other": 1}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (None, "required"),
        ("", "required"),
        (" \n", "required"),
        ("\x00 \u200f", "required"),
        (math.nan, "required"),
        ("x" * 101, "too_large"),
        ("é" * 50 + "x", "too_large"),
        (1, "invalid"),
        (True, "invalid"),
        ({}, "invalid"),
        (["x"], "invalid"),
        ("a\ud800", "invalid"),
    ],
)
def test_other_event_names_are_rejected(name: Any, reason: str) -> None:
    """Missing, blank, too long, or not text."""
    with pytest.raises(Rejection) as caught:
        columns().event_name({"event_name": name}, "event_name")
    assert (caught.value.reason, caught.value.field) == (reason, "event_name")


@pytest.mark.parametrize("value", ["order-1", 1, False, {"a": 1}, ["x"]])
def test_an_event_id_is_sent_as_a_ulid(value: Any) -> None:
    """Any value that is not blank is the user's own id."""
    row = {"event_id": value}
    assert columns().event_id(row, "signup") == from_column(value, "signup")
    assert row == {}


@pytest.mark.parametrize("value", [None, "", "  ", math.nan])
def test_a_blank_event_id_is_absent(value: Any) -> None:
    """It is not an attribute either."""
    row = {"event_id": value}
    assert columns().event_id(row, "signup") is None
    assert row == {}


def test_a_timestamp_is_sent_in_seconds() -> None:
    """As an integer, whatever the format in the row."""
    row = {"timestamp": "2026-01-01T00:00:00.999Z"}
    assert columns().timestamp(row, "timestamp") == 1_767_225_600
    assert row == {}


@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_absent_timestamp_is_not_sent(value: Any) -> None:
    """Customer.io then uses the time of arrival."""
    assert columns().timestamp({"timestamp": value}, "timestamp") is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1980-01-01", 315_532_800),
        ("2035-12-31T00:00:00Z", 2_082_672_000),
        (2_082_672_000_000, 2_082_672_000),
        ("20240101", 1_704_067_200),
        (20240101, 1_704_067_200),
    ],
)
def test_a_time_from_1980_to_ten_years_ahead_is_sent(value: Any, seconds: int) -> None:
    """Whatever its form; the clock is the connector's."""
    for column in ("timestamp", "last_used"):
        assert columns().timestamp({column: value}, column) == seconds


@pytest.mark.parametrize("value", [None, "", " \u200b", math.nan, math.inf, Decimal("NaN")])
def test_a_blank_timestamp_is_absent(value: Any) -> None:
    """NaN and the infinities are null wherever they are, as data frames write null so."""
    assert columns().timestamp({"timestamp": value}, "timestamp") is None


@pytest.mark.parametrize(
    "value",
    [
        *("yesterday", True, {}, 10**20),
        *("1979-12-31T23:59:59Z", "2036-01-02", 315_532_799, "0001-01-01", "9999-12-31T23:59:59Z"),
        *(0, -1, 2024, 45_292, 45_292.5, "45292", 19_723, 20241301, 19550314, 99991231, 253402214400),
    ],
)
def test_a_bad_timestamp_is_rejected(value: Any) -> None:
    """Customer.io would silently replace it with "now", or take the number of a day for a time in 1970."""
    with pytest.raises(Rejection) as caught:
        columns().timestamp({"timestamp": value}, "timestamp")
    assert (caught.value.reason, caught.value.field) == ("invalid", "timestamp")


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600),
        ("2024-01-01 00:00:00 UTC", 1_704_067_200),
        (1_767_225_600_000, 1_767_225_600),
        (1_767_225_600, 1_767_225_600),
        ("1970-01-01", 0),
        ("9999-12-31", 253_402_214_400),
        (20240101, 1_704_067_200),
        ("1955-03-14", "1955-03-14"),
        (" 0001-01-01 00:00:00+01", " 0001-01-01 00:00:00+01"),
        (-467_164_800, "1955-03-14T00:00:00Z"),
        (19550314, "1955-03-14T00:00:00Z"),
        ("Mon, 14 Mar 1955 00:00:00 GMT", "1955-03-14T00:00:00Z"),
        (None, None),
        ("", ""),
    ],
)
def test_a_date_attribute_is_converted(value: Any, sent: Any) -> None:
    """In its place; a time before 1970 is ISO text, as Customer.io knows no negative times, and empty stays empty."""
    reader = columns()
    row = {"a": 1, "created_at": value, "z": 2}
    reader.convert(row, "created_at")
    assert list(row.items()) == [("a", 1), ("created_at", sent), ("z", 2)]
    assert not reader.unreadable


@pytest.mark.parametrize(
    "value",
    [
        *("long ago", True, {}, 0, 2024, "2024", 45_292.5, -99_999_999_999, "2024-01-01 CET"),
        # In UTC, these are before the first day of the calendar.
        *("Mon, 01 Jan 0001 00:00:00 +0100", "00010101T000000+0100"),
    ],
)
def test_an_attribute_that_is_not_a_date_is_left_as_it_is_and_counted(value: Any) -> None:
    """The row is not rejected for an attribute."""
    reader = columns()
    row = {"a": 1, "created_at": value, "z": 2}
    reader.convert(row, "created_at")
    assert list(row.items()) == [("a", 1), ("created_at", value), ("z", 2)]
    assert reader.unreadable == {"created_at": 1}


@pytest.mark.parametrize("convert", [False, True])
def test_created_at_is_converted_once(convert: bool) -> None:
    """Always; a second time, the seconds of a day in August 1970 would be the digits of a date in 2024."""
    reader = columns(convert=convert, properties={"created_at": {"format": "date-time"}})
    row: dict[str, Any] = {"created_at": "1970-08-23T06:15:01Z"}
    reader.created_at(row)
    for column in reader.dates:
        reader.convert(row, column)
    assert row == {"created_at": 20240101}


def test_an_absent_date_attribute_stays_absent() -> None:
    """Converting adds no column."""
    row = {"a": 1}
    columns().convert(row, "created_at")
    assert row == {"a": 1}


def test_date_columns_are_those_that_the_schema_declares() -> None:
    """By format or by Airbyte's type, also as one of several types; never guessed, and only if configured."""
    properties: dict[str, Any] = {
        "day": {"type": ["null", "string"], "format": "date"},
        "moment": {"type": "string", "format": "date-time"},
        "zoned": {"type": "string", "airbyte_type": "timestamp_with_timezone"},
        "local": {"type": "string", "airbyte_type": "timestamp_without_timezone"},
        "either": {"oneOf": [{"type": "null"}, {"type": "string", "format": "date-time"}]},
        "any": {"anyOf": [{"type": "string", "format": "date"}]},
        "time": {"type": "string", "format": "time"},
        "text": {"type": "string"},
        "broken": {"format": ["date"], "oneOf": {"format": "date"}},
        "no schema": True,
    }
    assert columns(convert=True, properties=properties).dates == (
        "day",
        "moment",
        "zoned",
        "local",
        "either",
        "any",
    )
    assert columns(convert=False, properties=properties).dates == ()
