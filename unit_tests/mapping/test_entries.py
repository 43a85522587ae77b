"""Each kind of row becomes the entry that the Track API takes for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import parse
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS, object_order_key
from destination_customerio.mapping.notices import IgnoredColumns
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from tools.local_track_api.contract import check_entry

ADA = {"person_email": "Ada@example.com"}
ADA_IDENTIFIERS = {"email": "Ada@example.com"}
ACME = {"object_type_id": 1, "object_id": " acme "}
ACME_IDENTIFIERS = {"object_type_id": "1", "object_id": "acme"}
LINE = b"the RECORD line"
ULID = "01HB4HBDKTPQYZHCMJM49V3PRC"

Row = dict[str, Any]


def assembler(object_name: str, kind: str = "email") -> Assembler:
    """An assembler for a stream of one object."""
    settings = AssemblySettings(
        identifier_kind=IDENTIFIER_KINDS[kind],
        event_id_strategy="none",
        convert_timestamps=False,
        fresh_id=FreshIds(),
    )
    return Assembler(Stream("rows"), DESTINATION_OBJECTS[object_name], settings)


def assemble(object_name: str, row: Row, kind: str = "email") -> tuple[Any, Row]:
    """The order and the entry of one row, which Customer.io would take."""
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
def test_a_view_is_an_event_with_a_name_of_its_own(object_name: str, action: str) -> None:
    """Pages and screens have ids and times as events have; all else are attributes."""
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
def test_an_action_on_a_person_sends_nothing_but_the_person(object_name: str, action: str) -> None:
    """Other columns are left out, and there is a notice of them."""
    subject = assembler(object_name)
    order, encoded = subject.assemble({**ADA, "plan": "pro", "reason": "asked to"}, LINE)
    assert order == "ada@example.com"
    assert json.loads(encoded) == {"type": "person", "action": action, "identifiers": ADA_IDENTIFIERS}
    assert subject.take_notices() == [IgnoredColumns(("plan", "reason"), is_last=False)]


def test_a_merge_names_two_people_each_in_one_way() -> None:
    """The kinds may differ; the row must stay in order with both."""
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
def test_a_merge_that_does_not_name_two_people_is_rejected(row: Row, reason: str, field: str) -> None:
    """Merging can't be undone, so nothing is guessed."""
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
def test_a_device_that_customerio_would_not_take_is_rejected(change: Row, reason: str, field: str) -> None:
    """With the column at fault."""
    found = rejection("person_device", {**ADA, "device_token": "t", "platform": "android", **change})
    assert (found.reason, found.field) == (reason, field)


def test_a_relationship_keeps_the_order_of_person_and_object() -> None:
    """What else the row has describes the relationship."""
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
    """Numbers are sent as their digits, for the API takes text alone."""
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
    """Checked before a row costs a request, with the column named."""
    found = rejection(object_name, {**ADA, **ACME, **change})
    assert (found.reason, found.field) == (reason, field)


def test_an_object_never_shares_its_order_with_a_person() -> None:
    """Equal texts of different things are different keys."""
    assert object_order_key("1", "acme") != object_order_key("", "1acme")
    assert "\x00" in object_order_key("1", "acme")


@pytest.mark.parametrize("kind", ["id", "cio_id", "phone"])
def test_people_go_by_the_configured_kind_everywhere(kind: str) -> None:
    """Every object about one person follows the configuration."""
    value = "+442079460018" if kind == "phone" else "u-1"
    extra = {"event_name": "e", "name": "n", "device_token": "t", "platform": "ios", **ACME}
    for name, row in DESTINATION_OBJECTS.items():
        if "identifier" in row.identity:
            _, entry = assemble(name, {f"person_{kind}": value, **extra}, kind)
            assert entry["identifiers"] == {kind: value}


def test_preferences_may_be_an_object_its_json_text_or_dotted_columns() -> None:
    """Warehouses hold objects as text; the API wants the object."""
    preferences = {"topics": {"topic_1": True}}
    for form in (preferences, json.dumps(preferences)):
        _, entry = assemble("person_identify", {**ADA, "cio_subscription_preferences": form})
        assert entry["attributes"]["cio_subscription_preferences"] == preferences
    dotted = {"cio_subscription_preferences.topics.topic_1": True, "_update": True}
    assert assemble("person_identify", {**ADA, **dotted})[1]["attributes"] == dotted
    for text in ("topic_1", '["topic_1"]', '{"half of a surrogate pair": "\ud800"}'):
        found = rejection("person_identify", {**ADA, "cio_subscription_preferences": text})
        assert (found.reason, found.field) == ("invalid", "cio_subscription_preferences")


def test_dates_are_converted_wherever_attributes_go() -> None:
    """By the catalog's word, for every object that has attributes."""
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
    assert len(with_attributes) == 7
    for target in with_attributes:
        _, encoded = Assembler(stream, target, settings).assemble(parse(row), LINE)
        assert b'"since":1704067200,"at":1704067200,"note":"2024-01-01"' in encoded
