"""Each kind of row becomes an entry that the Track API accepts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import parse
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS, object_order_key
from destination_customerio.mapping.notices import IgnoredColumns
from destination_customerio.mapping.objects import DESTINATION_OBJECTS, UPDATES
from tools.local_track_api.contract import check_entry
from unit_tests.mapping.sending import Sending

if TYPE_CHECKING:
    from destination_customerio.mapping.destination_object import DestinationObject

ADA = {"person_email": "Ada@example.com"}
ADA_IDENTIFIERS = {"email": "Ada@example.com"}
ACME = {"object_type_id": 1, "object_id": " acme "}
ACME_IDENTIFIERS = {"object_type_id": "1", "object_id": "acme"}
LINE = b"the RECORD line"
ULID = "01HB4HBDKTPQYZHCMJM49V3PRC"

Row = dict[str, Any]


def assembler(object_name: str, kind: str = "email") -> Sending:
    """An assembler for a stream of one object."""
    return assembler_of(DESTINATION_OBJECTS[object_name], kind)


def assembler_of(target: DestinationObject, kind: str = "email") -> Sending:
    """An assembler for a stream of one row of the table."""
    settings = AssemblySettings(
        identifier_kind=IDENTIFIER_KINDS[kind],
        event_id_strategy="none",
        convert_timestamps=False,
        fresh_id=FreshIds(),
    )
    return Sending(Assembler(Stream("rows"), target, settings))


def assemble(object_name: str, row: Row, kind: str = "email") -> tuple[Any, Row]:
    """The order key and the entry of one row, which Customer.io would accept."""
    order, encoded = assembler(object_name, kind).assemble(dict(row), LINE)
    entry: Row = json.loads(encoded)
    assert check_entry(entry, len(encoded)) is None
    return order, entry


def rejection(object_name: str, row: Row) -> Rejection:
    """Why a row can't be sent."""
    with pytest.raises(Rejection) as caught:
        assembler(object_name).assemble(dict(row), LINE)
    return caught.value


@pytest.mark.parametrize(("object_name", "action"), [("person_page", "page"), ("person_screen", "screen")])
def test_page_and_screen_views_are_events_with_another_name_column(object_name: str, action: str) -> None:
    """They have ids and timestamps as events do; other columns are attributes."""
    row = {**ADA, "name": " Pricing ", "event_id": ULID, "timestamp": "2024-01-01", "referrer": None}
    order, entry = assemble(object_name, row)
    assert order == "ada@example.com"
    assert entry == {
        "type": "person",
        "action": action,
        "identifiers": ADA_IDENTIFIERS,
        "name": "Pricing",
        "id": ULID,
        "timestamp": 1704067200,
        "attributes": {"referrer": None},
    }


@pytest.mark.parametrize(
    ("object_name", "action"),
    [("person_delete", "delete"), ("person_suppress", "suppress"), ("person_unsuppress", "unsuppress")],
)
def test_an_action_on_a_person_sends_only_the_identifiers(object_name: str, action: str) -> None:
    """Other columns are left out, and there is a notice of them."""
    subject = assembler(object_name)
    order, encoded = subject.assemble({**ADA, "plan": "pro", "reason": "asked to"}, LINE)
    assert order == "ada@example.com"
    assert json.loads(encoded) == {"type": "person", "action": action, "identifiers": ADA_IDENTIFIERS}
    assert subject.take_notices() == [IgnoredColumns(("plan", "reason"), is_last=False)]


def test_a_merge_identifies_two_people() -> None:
    """By identifiers that may be of different kinds; the row must stay in order with both people."""
    row = {"primary_email": "A@b.c", "primary_id": None, "secondary_id": 12345678901234567890123, "note": 1}
    order, entry = assemble("person_merge", row)
    assert order == ("a@b.c", "12345678901234567890123")
    assert entry == {
        "type": "person",
        "action": "merge",
        "primary": {"email": "A@b.c"},
        "secondary": {"id": "12345678901234567890123"},
    }


@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        ({"primary_email": "a@b.c"}, "required", "secondary_email"),
        ({"secondary_id": "1", "primary_id": " "}, "required", "primary_email"),
        ({"primary_email": "a@b.c", "primary_id": "1", "secondary_id": "2"}, "invalid", "primary_email"),
        ({"primary_email": "a@b.c", "secondary_id": "x" * 151}, "too_large", "secondary_id"),
    ],
)
def test_a_merge_without_exactly_one_identifier_per_person_is_rejected(
    row: Row, reason: str, field: str
) -> None:
    """Merging is irreversible, so nothing is guessed."""
    found = rejection("person_merge", row)
    assert (found.reason, found.field) == (reason, field)


def test_a_device_has_a_token_a_platform_and_attributes() -> None:
    """The last use is a timestamp like any other."""
    row = {**ADA, "device_token": " t0k ", "platform": "iOS", "last_used": 1704067200000, "app": {"v": 2}}
    order, entry = assemble("person_device", row)
    assert order == "ada@example.com"
    assert entry["action"] == "add_device"
    assert entry["device"] == {
        "token": "t0k",
        "platform": "ios",
        "last_used": 1704067200,
        "attributes": {"app": {"v": 2}},
    }
    _, removal = assemble("person_device_delete", {**ADA, "device_token": "t0k", "platform": "ios"})
    assert removal["action"] == "delete_device"
    assert removal["device"] == {"token": "t0k"}


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"platform": "windows"}, "invalid", "platform"),
        ({"platform": None}, "required", "platform"),
        ({"device_token": ""}, "required", "device_token"),
        ({"device_token": True}, "invalid", "device_token"),
        ({"last_used": "yesterday"}, "invalid", "last_used"),
    ],
)
def test_a_device_that_customerio_would_refuse_is_rejected(change: Row, reason: str, field: str) -> None:
    """The rejection names the column at fault."""
    found = rejection("person_device", {**ADA, "device_token": "t", "platform": "android", **change})
    assert (found.reason, found.field) == (reason, field)


def test_a_relationship_keeps_the_order_of_person_and_object() -> None:
    """Other columns are attributes of the relationship."""
    order, entry = assemble("person_relationship", {**ADA, **ACME, "role": "owner"})
    assert order == ("ada@example.com", object_order_key("1", "acme"))
    assert entry["action"] == "add_relationships"
    assert entry["cio_relationships"] == [
        {"identifiers": ACME_IDENTIFIERS, "relationship_attributes": {"role": "owner"}}
    ]
    order, removal = assemble("person_relationship_delete", {**ADA, **ACME, "role": "owner"})
    assert order == ("ada@example.com", object_order_key("1", "acme"))
    assert removal["action"] == "delete_relationships"
    assert removal["cio_relationships"] == [{"identifiers": ACME_IDENTIFIERS}]


def test_an_object_is_identified_by_type_and_id() -> None:
    """Numbers are sent as their digits, as the API accepts only text."""
    order, entry = assemble("object_identify", {**ACME, "name": "Acme", "seats": 5})
    assert order == object_order_key("1", "acme")
    assert entry == {
        "type": "object",
        "action": "identify",
        "identifiers": ACME_IDENTIFIERS,
        "attributes": {"name": "Acme", "seats": 5},
    }
    order, removal = assemble("object_delete", {**ACME, "name": "Acme"})
    assert order == object_order_key("1", "acme")
    assert removal == {"type": "object", "action": "delete", "identifiers": ACME_IDENTIFIERS}


@pytest.mark.parametrize("object_name", ["object_identify", "person_relationship"])
@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"object_id": "x" * 151}, "too_large", "object_id"),
        ({"object_id": None}, "required", "object_id"),
        ({"object_type_id": {}}, "invalid", "object_type_id"),
        ({"a": "x" * 1001}, "too_large", "a"),
        ({"n" * 151: 1}, "too_large", "n" * 151),
    ],
)
def test_objects_and_relationships_have_the_limits_of_objects(
    object_name: str, change: Row, reason: str, field: str
) -> None:
    """Checked before the row is sent; the rejection names the column."""
    found = rejection(object_name, {**ADA, **ACME, **change})
    assert (found.reason, found.field) == (reason, field)


def test_an_object_never_shares_an_order_key_with_a_person() -> None:
    """Even if their identifiers are equal."""
    assert object_order_key("1", "acme") != object_order_key("", "1acme")
    assert "\x00" in object_order_key("1", "acme")


@pytest.mark.parametrize("kind", ["id", "cio_id", "phone"])
def test_people_are_identified_by_the_configured_kind_everywhere(kind: str) -> None:
    """In every object about one person."""
    value = "+442079460018" if kind == "phone" else "u-1"
    extra = {"event_name": "e", "name": "n", "device_token": "t", "platform": "ios", **ACME}
    for name, row in DESTINATION_OBJECTS.items():
        if "identifier" in row.identity and not row.is_member:
            _, entry = assemble(name, {f"person_{kind}": value, **extra}, kind)
            owners = entry["cio_relationships"] if entry["type"] == "object" else [entry]
            assert [owner["identifiers"] for owner in owners] == [{kind: value}]


def test_preferences_may_be_an_object_its_json_text_or_dotted_columns() -> None:
    """Many warehouses store objects as text; the API requires the object."""
    preferences = {"topics": {"topic_1": True}}
    for form in (preferences, json.dumps(preferences), f"\ufeff{json.dumps(preferences)}"):
        _, entry = assemble("person_identify", {**ADA, "cio_subscription_preferences": form})
        assert entry["attributes"]["cio_subscription_preferences"] == preferences
    dotted = {"cio_subscription_preferences.topics.topic_1": True, "_update": True}
    assert assemble("person_identify", {**ADA, **dotted})[1]["attributes"] == dotted
    for text in ("topic_1", '["topic_1"]', '{"lone surrogate": "\ud800"}'):
        found = rejection("person_identify", {**ADA, "cio_subscription_preferences": text})
        assert (found.reason, found.field) == ("invalid", "cio_subscription_preferences")


def test_date_attributes_of_every_object_are_converted() -> None:
    """Of every object that has attributes, when the schema declares the column as a date."""
    dates = {"since": {"type": "string", "format": "date"}, "at": {"airbyte_type": "timestamp_with_timezone"}}
    stream = Stream("rows", properties={**dates, "note": {"type": "string"}})
    settings = AssemblySettings(
        identifier_kind=IDENTIFIER_KINDS["email"],
        event_id_strategy="none",
        convert_timestamps=True,
        fresh_id=FreshIds(),
    )
    needed = {"device_token": "t", "platform": "ios", "event_name": "e", "name": "n"}
    day = "2024-01-01"
    row = json.dumps({**ADA, **ACME, **needed, "since": day, "at": f"{day}T00:00:00Z", "note": day}).encode()
    with_attributes = [row for row in DESTINATION_OBJECTS.values() if row.attributes != "ignored"]
    assert len(with_attributes) == 8
    for target in with_attributes:
        _, encoded = Sending(Assembler(stream, target, settings)).assemble(parse(row), LINE)
        assert b'"since":1704067200,"at":1704067200,"note":"2024-01-01"' in encoded


@pytest.mark.parametrize(
    ("primary", "secondary"),
    [
        ({"primary_email": "Ada@x.io"}, {"secondary_email": "ada@x.io \u200b"}),
        ({"primary_id": "7"}, {"secondary_id": 7}),
        ({"primary_cio_id": "cio_a3"}, {"secondary_cio_id": "a3"}),
    ],
)
def test_a_merge_of_one_with_itself_is_rejected(primary: Row, secondary: Row) -> None:
    """Merging deletes the secondary."""
    found = rejection("person_merge", {**primary, **secondary})
    assert (found.reason, found.field) == ("invalid", next(iter(secondary)))
    assert "same person" in found.message


@pytest.mark.parametrize(
    "row",
    [
        {"primary_email": "a@x.io", "secondary_id": "a@x.io"},
        {"primary_id": "a", "secondary_id": "A"},
        {"primary_id": "\u200b", "primary_email": "a@x.io", "secondary_email": "b@x.io"},
    ],
)
def test_a_merge_of_two_is_sent(row: Row) -> None:
    """Different kinds are never compared, and ids are case-sensitive."""
    assert assemble("person_merge", row)[1]["action"] == "merge"


@pytest.mark.parametrize("own", [{}, {"_update": False}, {"_update": "no"}, {"_update": None}])
def test_an_update_creates_nobody(own: Row) -> None:
    """Whatever the row's own `_update` says; an upsert sends that as it is."""
    _, encoded = assembler_of(UPDATES["person_identify"]).assemble({**ADA, **own, "plan": "pro"}, LINE)
    entry = json.loads(encoded)
    assert check_entry(entry, len(encoded)) is None
    assert entry == {
        "type": "person",
        "action": "identify",
        "identifiers": ADA_IDENTIFIERS,
        "attributes": {"plan": "pro", "_update": True},
    }
    assert "_update" not in assemble("person_identify", {**ADA, "plan": "pro"})[1]["attributes"]


@pytest.mark.parametrize(
    ("value", "timestamp"),
    [
        (1_714_566_600, 1_714_566_600),
        (1_714_566_600_123, 1_714_566_600),
        ("1714566600", 1_714_566_600),
        (" 2024-05-01T12:30:00Z ", 1_714_566_600),
        ("2024-05-01 14:30:00+02:00", 1_714_566_600),
        ("Wed, 01 May 2024 12:30:00 GMT", 1_714_566_600),
    ],
)
@pytest.mark.parametrize("table", [DESTINATION_OBJECTS, UPDATES])
def test_the_time_of_an_update_is_the_timestamp_of_the_entry(
    table: dict[str, DestinationObject], value: object, timestamp: int
) -> None:
    """It is read as the timestamps of events are, and is no attribute."""
    _, encoded = assembler_of(table["person_identify"]).assemble(
        {**ADA, "person_updated_at": value, "a": 1}, LINE
    )
    entry = json.loads(encoded)
    assert check_entry(entry, len(encoded)) is None
    assert entry["timestamp"] == timestamp
    assert entry["attributes"].keys() - {"_update"} == {"a"}


@pytest.mark.parametrize("value", [None, "", " \u200b"])
def test_an_update_without_a_time_has_no_timestamp(value: object) -> None:
    """Neither has one whose row has other columns that are times: only this name is a decision."""
    row = {**ADA, "person_updated_at": value, "updated_at": 1_714_566_600, "timestamp": 5}
    _, entry = assemble("person_identify", row)
    assert entry.keys() == {"type", "action", "identifiers", "attributes"}
    assert entry["attributes"] == {"updated_at": 1_714_566_600, "timestamp": 5}


@pytest.mark.parametrize(
    "value", ["soon", 45_292, "9999-12-31", True, [1], {"a": 1}, "2024-05-01 12:00 CEST"]
)
def test_a_time_of_an_update_that_cannot_be_read_rejects_the_row(value: object) -> None:
    """Sent without it, an old row would overwrite newer values."""
    found = rejection("person_identify", {**ADA, "person_updated_at": value})
    assert (found.reason, found.field) == ("invalid", "person_updated_at")


def test_other_objects_have_no_time_of_an_update() -> None:
    """There it is an ordinary attribute."""
    _, entry = assemble("object_identify", {**ACME, "person_updated_at": 5})
    assert entry["attributes"] == {"person_updated_at": 5}
