"""A row becomes the bytes of one entry, or is rejected with a reason."""

from __future__ import annotations

import json
import math
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import Raw, raw_members
from destination_customerio.mapping.airbyte_columns import is_airbytes
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.attribute_rules import AttributeRules
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds, from_column, from_row
from destination_customerio.mapping.identifiers import ANY_IDENTIFIER, IDENTIFIER_KINDS
from destination_customerio.mapping.notices import IgnoredColumns, MailAttributes, UnreadableTimes
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from unit_tests.exact_json import json_values
from unit_tests.mapping.sending import Sending

LINE = b"the RECORD line"
LONG = 123456789012345678901234567890


def assembler(
    target: str,
    *,
    kind: str = "email",
    strategy: str = "none",
    convert: bool = False,
    properties: dict[str, Any] | None = None,
) -> Sending:
    """An assembler for one stream of the given destination object."""
    settings = AssemblySettings(
        identifier_kind=IDENTIFIER_KINDS[kind],
        event_id_strategy=strategy,
        convert_timestamps=convert,
        fresh_id=FreshIds(wall_clock=lambda: 0.0, random_bytes=bytes),
    )
    stream = Stream(name="rows", properties=properties or {})
    return Sending(Assembler(stream, DESTINATION_OBJECTS[target], settings))


def person(**attributes: Any) -> dict[str, Any]:
    """A row for person_identify."""
    return {"person_email": "ada@example.com", **attributes}


def event(**attributes: Any) -> dict[str, Any]:
    """A row for person_event."""
    return {"person_email": "ada@example.com", "event_name": "signup", **attributes}


def rejected(assembler: Sending, row: dict[str, Any]) -> tuple[str, str]:
    """The reason and field with which a row is rejected."""
    with pytest.raises(Rejection) as caught:
        assembler.assemble(row, LINE)
    return caught.value.reason, caught.value.field


def test_a_person_is_encoded_to_the_byte() -> None:
    """The entry is compact, its keys are in the documented order, and `timestamp` is an attribute."""
    row = {"name": "Ada", "person_email": " Ada@Example.com", "created_at": "2026-01-01", "timestamp": 5}
    assert assembler("person_identify").assemble(row, LINE) == (
        "ada@example.com",
        (
            b'{"type":"person","action":"identify","identifiers":{"email":"Ada@Example.com"},'
            b'"attributes":{"name":"Ada","created_at":1767225600,"timestamp":5}}'
        ),
    )


def test_an_event_is_encoded_to_the_byte() -> None:
    """Id and timestamp are fields of the entry beside the attributes."""
    row = {
        "total": 1.5,
        "person_id": 9007199254740993,
        "event_name": " Order placed ",
        "event_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "timestamp": "2026-01-01T00:00:00Z",
        "created_at": "2026-01-01",
    }
    assert assembler("person_event", kind="id").assemble(row, LINE) == (
        "9007199254740993",
        (
            b'{"type":"person","action":"event","identifiers":{"id":"9007199254740993"},"name":"Order placed",'
            b'"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","timestamp":1767225600,'
            b'"attributes":{"total":1.5,"created_at":"2026-01-01"}}'
        ),
    )


def test_an_event_without_id_and_timestamp_has_neither_field() -> None:
    """Both are optional, and null is not sent."""
    _, entry = assembler("person_event").assemble(event(event_id=None, timestamp=" "), LINE)
    assert json.loads(entry) == {
        "type": "person",
        "action": "event",
        "identifiers": {"email": "ada@example.com"},
        "name": "signup",
        "attributes": {},
    }


@given(json_values.objects)
def test_all_other_columns_become_attributes_unchanged(row: dict[str, Any]) -> None:
    """Whatever their names, in order, including nulls and nested values."""
    named = {column.name for column in DESTINATION_OBJECTS["person_identify"].named_columns(ANY_IDENTIFIER)}
    columns = {
        **{name: value for name, value in row.items() if not is_airbytes(name) and name not in named},
        "type": 1,
        "action": None,
        "identifiers": {"email": "x"},
        "attributes": [],
        "id": "x",
        "_update": True,
        "cio_subscription_preferences.topics.t": False,
    }
    _, entry = assembler("person_identify").assemble({"name": "x", **columns, **person()}, LINE)
    attributes = json.loads(entry)["attributes"]
    expected = {"name": "x", **columns}
    assert attributes == expected
    assert list(attributes) == list(expected)


def test_numbers_keep_their_digits() -> None:
    """Only NaN and infinities become null, at any depth."""
    text = f'{{"person_email":"a@b","x":[NaN,{{"y":-Infinity}}],"n":{LONG},"d":1.50}}'.encode()
    row = raw_members(text)
    assert row is not None
    _, entry = assembler("person_identify").assemble(row, LINE)
    assert entry.endswith(f'"attributes":{{"x":[null,{{"y":null}}],"n":{LONG},"d":1.50}}}}'.encode())


def test_a_float_as_identifier_or_event_id_keeps_its_digits() -> None:
    """Named columns are parsed exactly."""
    text = b'{"person_email":1e22,"event_name":"x","event_id":1.5}'
    for target in ("person_identify", "person_event"):
        key, _ = assembler(target).assemble(raw_members(text) or {}, LINE)
        assert key == "10000000000000000000000"
    _, entry = assembler("person_event").assemble(event(event_id=1.5), LINE)
    assert json.loads(entry)["id"] == from_column(Decimal("1.5"), "signup")


def test_dates_are_converted_only_if_configured() -> None:
    """By the types in the schema; unreadable values are left as they are."""
    properties = {"day": {"format": "date"}, "late": {"format": "date-time"}, "plain": {"type": "string"}}
    row = {"day": "2026-01-01", "late": "soon", "plain": "2026-01-01"}
    for target, make in (("person_identify", person), ("person_event", event)):
        _, entry = assembler(target, convert=True, properties=properties).assemble(make(**row), LINE)
        assert json.loads(entry)["attributes"] == {**row, "day": 1_767_225_600}
        _, entry = assembler(target, properties=properties).assemble(make(**row), LINE)
        assert json.loads(entry)["attributes"] == row


def event_id(subject: Sending, row: dict[str, Any], line: bytes = LINE) -> Any:
    """The id of the event that a row becomes, if it has one."""
    return json.loads(subject.assemble(row, line)[1]).get("id")


@pytest.mark.parametrize("target", ["person_event", "person_page", "person_screen"])
@pytest.mark.parametrize("value", [None, "", "  ", math.nan])
def test_an_event_without_an_id_gets_one_by_the_strategy(target: str, value: Any) -> None:
    """A fresh id, an id made of the row's content, or none."""
    row = event(name="signup", event_id=value)
    of_row = from_row(Stream(name="rows"), row)
    assert event_id(assembler(target, strategy="retry_safe"), dict(row)) == "0" * 26
    assert event_id(assembler(target, strategy="from_row"), dict(row)) == of_row
    assert event_id(assembler(target, strategy="none"), dict(row)) is None


@pytest.mark.parametrize("strategy", ["retry_safe", "from_row", "none"])
@pytest.mark.parametrize("value", ["order-1", 1, False, {"a": 1}, ["x"]])
def test_the_rows_own_event_id_takes_precedence_over_every_strategy(value: Any, strategy: str) -> None:
    """Any value that is not blank is an id of the user."""
    assert event_id(assembler("person_event", strategy=strategy), event(event_id=value)) == from_column(
        value, "signup"
    )


@pytest.mark.parametrize("strategy", ["retry_safe", "from_row"])
def test_only_events_get_ids(strategy: str) -> None:
    """The other entries have no id field."""
    row = {**event(name="n", device_token="t", platform="ios"), "object_type_id": 1, "object_id": 2}
    row |= {"primary_id": "1", "secondary_id": "2"}
    with_ids = [
        name
        for name, target in DESTINATION_OBJECTS.items()
        if not target.is_member and event_id(assembler(name, strategy=strategy), dict(row)) is not None
    ]
    assert with_ids == ["person_event", "person_page", "person_screen"]


def test_a_fresh_id_is_made_for_the_line_of_the_row() -> None:
    """So that an id can be derived from it."""
    settings = AssemblySettings(
        IDENTIFIER_KINDS["email"], "retry_safe", convert_timestamps=False, fresh_id=bytes.decode
    )
    subject = Sending(Assembler(Stream("rows"), DESTINATION_OBJECTS["person_event"], settings))
    assert [event_id(subject, event(), line) for line in (b"first", b"second")] == ["first", "second"]


def test_a_row_id_depends_on_the_whole_row() -> None:
    """Rows that differ only in the person are two events; equal rows are one."""
    ids = [
        json.loads(assembler("person_event", strategy="from_row").assemble(row, LINE)[1])["id"]
        for row in (event(a=1), event(a=1), {**event(a=1), "person_email": "b@example.com"}, event(a=2))
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("target", ["person_identify", "person_event"])
def test_an_entry_of_32768_bytes_is_sent_and_one_more_rejected(target: str) -> None:
    """The size is that of the encoded entry."""
    row = person() if target == "person_identify" else event()
    size = len(assembler(target).assemble(dict(row), LINE)[1])
    # Values of 900 bytes each, so that no other limit is reached first, and one that fills the rest.
    row.update({f"a{number:02}": "x" * 900 for number in range(35)})
    size = len(assembler(target).assemble(dict(row), LINE)[1])
    row["rest"] = "x" * (32_768 - size - len(',"rest":""'))
    assert len(assembler(target).assemble(dict(row), LINE)[1]) == 32_768
    row["rest"] += "x"
    assert rejected(assembler(target), row) == ("too_large", "")


def test_a_person_has_limits_that_an_event_does_not_have() -> None:
    """Values of 1,000 bytes, names of 150, 300 attributes: documented for people, not for events."""
    for attributes, field in (
        ({"v": "x" * 1_001}, "v"),
        ({"n" * 151: 1}, "n" * 151),
        ({f"a{number}": number for number in range(301)}, ""),
    ):
        assert rejected(assembler("person_identify"), person(**attributes)) == ("too_large", field)
        _, entry = assembler("person_event").assemble(event(**attributes), LINE)
        assert json.loads(entry)["attributes"] == attributes


def test_a_person_at_its_limits_is_sent() -> None:
    """300 attributes, a name of 150 bytes, a value of 1,000."""
    attributes: dict[str, Any] = {f"a{number}": number for number in range(298)}
    attributes |= {"n" * 150: 1, "v": "x" * 1_000}
    _, entry = assembler("person_identify").assemble(person(**attributes), LINE)
    assert json.loads(entry)["attributes"] == attributes


def test_limits_are_checked_for_every_row() -> None:
    """Names known from earlier rows do not exempt a later row."""
    one = assembler("person_identify")
    for _ in range(2):
        assert rejected(one, person(**{"n" * 151: 1})) == ("too_large", "n" * 151)
    # Together the known names are more than one person may have.
    for half in (range(200), range(200, 400)):
        one.assemble(person(**{f"a{number}": 1 for number in half}), LINE)
    assert rejected(one, person(**{f"a{number}": 1 for number in range(301)})) == ("too_large", "")
    assert rejected(one, person(a1="x" * 1_001)) == ("too_large", "a1")


def test_the_memory_for_known_names_is_bounded() -> None:
    """Rows made of maps bring new names without end; the last is checked like the first."""
    one = AttributeRules(DESTINATION_OBJECTS["person_identify"])
    for block in range(60):
        one.apply(person(**{f"{block}-{number}": 1 for number in range(250)}))
    with pytest.raises(Rejection):
        one.apply(person(**{"n" * 151: 1}))
    assert len(one._known) <= 10_000


def test_a_name_with_a_lone_surrogate_is_rejected_for_a_person_only() -> None:
    """In an event, it is sent with the replacement character."""
    row = {"a\ud800": 1}
    assert rejected(assembler("person_identify"), person(**row)) == ("invalid", "")
    _, entry = assembler("person_event").assemble(event(**row), LINE)
    assert json.loads(entry)["attributes"] == {"a\ufffd": 1}


@pytest.mark.parametrize(
    ("column", "strategy"), [("event_id", "none"), ("event_id", "from_row"), ("attribute", "from_row")]
)
def test_a_column_that_is_read_and_nested_too_deeply_is_rejected(column: str, strategy: str) -> None:
    """The row does not end the sync."""
    deep = Raw(b"[" * 50_000 + b"]" * 50_000)
    reason, _ = rejected(assembler("person_event", strategy=strategy), event(**{column: deep}))
    assert reason == "invalid"


def test_attributes_that_redirect_emails_are_sent_with_a_notice() -> None:
    """For events only; a person's attribute of the same name does not redirect emails."""
    row = {"recipient": "x@example.com", "reply_to": None, "other": 1}
    events = assembler("person_event")
    events.assemble(event(other=1), LINE)
    assert events.take_notices() == []
    _, entry = events.assemble(event(**row), LINE)
    assert json.loads(entry)["attributes"] == row
    assert events.take_notices() == [MailAttributes(("recipient", "reply_to"))]
    people = assembler("person_identify")
    people.assemble(person(**row), LINE)
    assert people.take_notices() == []


def test_each_column_is_in_one_notice() -> None:
    """However many rows have it; a later notice names only new columns."""
    events, deletions = assembler("person_event"), assembler("person_delete")
    for _ in range(2):
        events.assemble(event(recipient="a"), LINE)
        deletions.assemble(person(why="a"), LINE)
    assert events.take_notices() == [MailAttributes(("recipient",))]
    assert deletions.take_notices() == [IgnoredColumns(("why",), is_last=False)]
    events.assemble(event(recipient="b", from_address="b"), LINE)
    deletions.assemble(person(why="b", plan="b"), LINE)
    assert events.take_notices() == [MailAttributes(("from_address",))]
    assert deletions.take_notices() == [IgnoredColumns(("plan",), is_last=False)]
    assert events.take_notices() == deletions.take_notices() == []


def test_at_most_a_hundred_ignored_columns_are_named() -> None:
    """Rows made of maps bring new names without end, of any length; the last notice is marked as such."""
    deletions = assembler("person_delete")
    deletions.assemble(person(**{"n" * 100_000: 1}), LINE)
    assert deletions.take_notices() == [IgnoredColumns(("n" * 200,), is_last=False)]
    deletions.assemble(person(**{f"a{number:03}": 1 for number in range(1_000)}), LINE)
    (notice,) = deletions.take_notices()
    assert notice == IgnoredColumns(tuple(f"a{number:03}" for number in range(99)), is_last=True)
    deletions.assemble(person(new=1), LINE)
    assert deletions.take_notices() == []


@pytest.mark.parametrize(
    ("target", "row"),
    [
        ("person_identify", {"person_email": "ada@example.com"}),
        ("object_identify", {"object_type_id": 1, "object_id": "acme"}),
    ],
)
def test_created_at_of_people_and_objects_is_always_converted(target: str, row: dict[str, Any]) -> None:
    """Also when no other date is."""
    _, entry = assembler(target).assemble(
        {**row, "created_at": "2024-01-01 00:00:00 UTC", "day": "2024-01-01"}, LINE
    )
    assert json.loads(entry)["attributes"] == {"created_at": 1_704_067_200, "day": "2024-01-01"}


@pytest.mark.parametrize("convert", [False, True])
def test_dates_that_cannot_be_read_are_counted_once_for_each_row(convert: bool) -> None:
    """By column, until the notice is taken; the values are sent as they are."""
    date = {"type": "string", "format": "date-time"}
    people = assembler("person_identify", convert=convert, properties={"created_at": date, "day": date})
    for _ in range(2):
        _, entry = people.assemble(person(created_at="long ago", day="1.1.2024", other=None), LINE)
        assert json.loads(entry)["attributes"] == {"created_at": "long ago", "day": "1.1.2024", "other": None}
    people.assemble(person(created_at=None, day=""), LINE)
    expected = Counter(created_at=2, day=2) if convert else Counter(created_at=2)
    assert people.take_closing_notices() == [UnreadableTimes(expected)]
    assert people.take_closing_notices() == []


@pytest.mark.parametrize("target", ["person_identify", "person_event", "person_device", "object_identify"])
def test_json_text_in_a_column_of_objects_is_sent_as_an_object(target: str) -> None:
    """Of any object that has attributes; in other columns it stays text."""
    text = '{"city":"London"}'
    row = {
        **event(object_type_id=1, object_id="acme", device_token="t", platform="ios"),
        "place": text,
        "note": text,
    }
    _, entry = assembler(
        target, properties={"place": {"type": "object"}, "note": {"type": "string"}}
    ).assemble(row, LINE)
    found = json.loads(entry)
    attributes = found.get("device", found)["attributes"]
    assert (attributes["place"], attributes["note"]) == ({"city": "London"}, text)
