"""Where the columns of a row go, read off the row and its entry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from destination_customerio.config.stream_mappings import StreamMapping
from destination_customerio.mapping.column_uses import SameNames, column_uses
from destination_customerio.mapping.identifiers import ANY_IDENTIFIER, IDENTIFIER_KINDS, IdentifierKind
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.routing.rename import Rename

EMAIL = IDENTIFIER_KINDS["email"]
PERSON: dict[str, Any] = {
    "type": "person",
    "action": "identify",
    "identifiers": {"email": "a@example.com"},
    "attributes": {"plan": "pro", "created_at": 1_700_000_000, "unsubscribed": True, "city": None},
}
DEVICE = {
    "type": "person",
    "action": "add_device",
    "identifiers": {"email": "a@example.com"},
    "device": {"token": "t", "platform": "ios", "attributes": {"model": "x"}},
}
RELATIONSHIP = {
    "type": "person",
    "action": "add_relationships",
    "identifiers": {"email": "a@example.com"},
    "cio_relationships": [
        {
            "identifiers": {"object_type_id": "1", "object_id": "acme"},
            "relationship_attributes": {"role": "admin"},
        }
    ],
}


def uses(object_name: str, row: dict[str, Any], entry: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Column, new name and use of each column of a row that is not renamed."""
    found = column_uses(row, entry, DESTINATION_OBJECTS[object_name], EMAIL, SameNames())
    return [(use.column, use.becomes, use.use) for use in found]


def test_each_use_of_a_persons_columns() -> None:
    """Identifiers, attributes, converted values, attributes that act, and columns that are left out."""
    row = {
        "person_email": " a@example.com",
        "plan": "pro",
        "created_at": "2023-11-14T22:13:20Z",
        "unsubscribed": "t",
        "city": None,
        "_airbyte_raw_id": "1",
    }
    assert uses("person_identify", row, PERSON) == [
        ("person_email", "person_email", "identifier"),
        ("plan", "plan", "attribute"),
        ("created_at", "created_at", "converted"),
        ("unsubscribed", "unsubscribed", "reserved"),
        ("city", "city", "attribute"),
        ("_airbyte_raw_id", "", "left out"),
    ]


def test_named_columns_and_mail_attributes_of_events() -> None:
    """An event's own columns are named; `recipient` would change where mails go."""
    row = {"person_email": "a@example.com", "event_name": "paid", "timestamp": "2026-01-01", "recipient": "b"}
    entry = {
        "identifiers": {"email": "a@example.com"},
        "name": "paid",
        "timestamp": 1,
        "attributes": {"recipient": "b"},
    }
    assert [use for _, _, use in uses("person_event", row, entry)] == [
        "identifier",
        "named",
        "named",
        "reserved",
    ]


@pytest.mark.parametrize(
    ("object_name", "entry", "column", "value"),
    [("person_device", DEVICE, "model", "x"), ("person_relationship", RELATIONSHIP, "role", "admin")],
)
def test_attributes_are_found_at_any_level_of_an_entry(
    object_name: str, entry: dict[str, Any], column: str, value: str
) -> None:
    """Devices and relationships have attributes of their own."""
    assert uses(object_name, {column: value}, entry) == [(column, column, "attribute")]


def test_relationships_in_a_row_have_a_meaning_of_their_own() -> None:
    """Also if the row is divided, and the first entry has none of them."""
    row = {"person_email": "a@example.com", "cio_relationships": [], "plan": "pro"}
    for entry in (PERSON, {**PERSON, "cio_relationships": RELATIONSHIP["cio_relationships"]}):
        assert uses("person_identify", row, entry) == [
            ("person_email", "person_email", "identifier"),
            ("cio_relationships", "cio_relationships", "named"),
            ("plan", "plan", "attribute"),
        ]


def test_arrays_of_objects_and_people_are_identifiers() -> None:
    """Whichever side of the relationship the row is about."""
    row = {"person_email": "a@example.com", "object_type_id": "1", "object_id": ["acme", "beta"]}
    assert {use for _, _, use in uses("person_relationship", row, RELATIONSHIP)} == {"identifier"}
    entry = {
        "type": "object",
        "action": "add_relationships",
        "identifiers": {"object_type_id": "1", "object_id": "acme"},
        "cio_relationships": [
            {"identifiers": {"email": name}, "relationship_attributes": {"role": "x"}}
            for name in ("a@b.c", "d@e.f")
        ],
    }
    row = {"object_type_id": "1", "object_id": "acme", "person_email": ["a@b.c", "d@e.f"], "role": "x"}
    assert [use for _, _, use in uses("object_relationship", row, entry)] == [
        "identifier",
        "identifier",
        "identifier",
        "attribute",
    ]


def test_a_member_of_a_segment() -> None:
    """The person is an identifier, and the segment a named column."""
    entry = {"action": "add_customers", "segment_id": "7", "id_type": "email", "ids": ["a@example.com"]}
    assert uses("segment_add", {"person_email": "a@example.com", "segment_id": 7, "plan": "pro"}, entry) == [
        ("person_email", "person_email", "identifier"),
        ("segment_id", "segment_id", "named"),
        ("plan", "", "left out"),
    ]


@pytest.mark.parametrize(
    ("object_name", "entry", "column", "note"),
    [
        ("person_delete", {}, "plan", "person_delete has no attributes"),
        ("person_device", DEVICE, "token", "Customer.io refuses devices with it"),
        ("person_identify", PERSON, "_ab_cdc_lsn", "a column of Airbyte's own"),
    ],
)
def test_a_column_that_is_left_out_says_why(
    object_name: str, entry: dict[str, Any], column: str, note: str
) -> None:
    """The reason is the object's, the API's or Airbyte's."""
    (use,) = column_uses({column: 1}, entry, DESTINATION_OBJECTS[object_name], EMAIL, SameNames())
    assert (use.use, use.note) == ("left out", note)


def test_renamed_columns_paths_and_constants() -> None:
    """A mapped column appears under the name it gets; a path and a constant have a line of their own."""
    mapping = StreamMapping.model_validate(
        {
            "stream_name": "s",
            "destination_object_name": "person_identify",
            "field_mappings": [
                {"source": "mail", "destination": "person_email"},
                {"source": "home.city", "destination": "city"},
                {"value": "warehouse", "destination": "origin"},
            ],
        }
    )
    target = DESTINATION_OBJECTS["person_identify"]
    rename = Rename(mapping, target, EMAIL)
    row = {"mail": "a@example.com", "home": {"city": "London"}, "person_email": "other@example.com"}
    entry = {
        "identifiers": {"email": "a@example.com"},
        "attributes": {"home": {"city": "London"}, "city": "London", "origin": "warehouse"},
    }
    found = column_uses(row, entry, target, EMAIL, rename)
    assert [(use.column, use.becomes, use.use) for use in found] == [
        ("mail", "person_email", "identifier"),
        ("home", "home", "attribute"),
        ("person_email", "", "left out"),
        ("home.city", "city", "attribute"),
        ("", "origin", "attribute"),
    ]


def test_values_of_paths_and_constants_are_compared_too() -> None:
    """Both may be converted on their way, like a column."""
    mapping = StreamMapping.model_validate(
        {
            "stream_name": "s",
            "destination_object_name": "person_identify",
            "field_mappings": [
                {"source": "made.at", "destination": "created_at"},
                {"source": "made.by", "destination": "maker"},
                {"value": "2024-01-01", "destination": "since"},
            ],
        }
    )
    target = DESTINATION_OBJECTS["person_identify"]
    row = {"made": {"at": "2024-01-01", "by": "me"}}
    entry = {"attributes": {"created_at": 1_704_067_200, "maker": "me", "since": 1_704_067_200}}
    found = column_uses(row, entry, target, EMAIL, Rename(mapping, target, EMAIL))
    assert [(use.becomes, use.use) for use in found if use.becomes] == [
        ("created_at", "converted"),
        ("maker", "attribute"),
        ("since", "converted"),
    ]


@pytest.mark.parametrize(
    ("object_name", "action", "columns"),
    [
        ("person_identify", "delete", {"person_email": "identifier", "plan": "left out"}),
        ("person_device", "delete_device", {"device_token": "identifier", "platform": "left out"}),
        ("person_relationship", "delete_relationships", {"object_id": "identifier", "role": "left out"}),
    ],
)
def test_a_deletion_sends_only_identifiers(object_name: str, action: str, columns: dict[str, str]) -> None:
    """A row that was deleted in its source becomes another entry than its neighbours."""
    row = dict.fromkeys(columns, "x")
    entry = {"action": action, "identifiers": {"email": "x"}}
    found = column_uses(row, entry, DESTINATION_OBJECTS[object_name], EMAIL, SameNames())
    assert {use.column: use.use for use in found} == columns


def test_further_identifiers_of_a_person_become_attributes() -> None:
    """Where any identifies, the first that a row has does so; a cio_id can't be an attribute."""
    row = {"person_cio_id": "", "person_id": "u1", "person_email": "a@example.com"}
    entry = {"identifiers": {"id": "u1"}, "attributes": {"email": "a@example.com"}}
    found = column_uses(row, entry, DESTINATION_OBJECTS["person_identify"], ANY_IDENTIFIER, SameNames())
    assert [(use.column, use.becomes, use.use) for use in found] == [
        ("person_cio_id", "", "left out"),
        ("person_id", "person_id", "identifier"),
        ("person_email", "email", "attribute"),
    ]


def test_a_constant_that_is_left_out_keeps_its_name() -> None:
    """Two constants are not one line."""
    mapping = StreamMapping.model_validate(
        {
            "stream_name": "s",
            "destination_object_name": "person_identify",
            "unmapped_fields": "drop",
            "field_mappings": [
                {"value": 1, "destination": "one"},
                {"value": 2, "destination": "two"},
            ],
        }
    )
    target = DESTINATION_OBJECTS["person_identify"]
    found = column_uses(
        {"_ab_cdc_lsn": 7}, {"action": "delete"}, target, EMAIL, Rename(mapping, target, EMAIL)
    )
    assert [(use.column, use.becomes, use.note) for use in found] == [
        ("_ab_cdc_lsn", "", "a column of Airbyte's own"),
        ("", "one", "deleted in the source; a deletion has only identifiers"),
        ("", "two", "deleted in the source; a deletion has only identifiers"),
    ]


@pytest.mark.parametrize(
    ("row", "attributes", "expected"),
    [
        # The stream's key names the email; the others are sent all the same.
        (
            {"person_email": "a@example.com", "person_id": "u1", "person_phone": "+4420"},
            {"id": "u1", "phone": "+4420"},
            [("identifier", ""), ("attribute", ""), ("attribute", "")],
        ),
        (
            {"person_email": "a@example.com", "person_id": "u1", "id": "own"},
            {"id": "own"},
            [("identifier", ""), ("left out", "the row has a column id of its own"), ("attribute", "")],
        ),
        (
            {"person_email": "a@example.com", "person_phone": " ", "person_cio_id": "a1"},
            {},
            [("identifier", ""), ("left out", "blank"), ("left out", "not the identifier of this row")],
        ),
    ],
)
@pytest.mark.parametrize("alternatives", [ANY_IDENTIFIER.alternatives, (EMAIL,)])
def test_the_other_identifiers_of_a_row(
    alternatives: tuple[IdentifierKind, ...],
    row: dict[str, Any],
    attributes: dict[str, Any],
    expected: list[tuple[str, str]],
) -> None:
    """An attribute where it is sent as one, otherwise why it is not; whatever identifies the people of the stream."""
    entry = {"action": "identify", "identifiers": {"email": "a@example.com"}, "attributes": attributes}
    identification = replace(ANY_IDENTIFIER, alternatives=alternatives)
    found = column_uses(row, entry, DESTINATION_OBJECTS["person_identify"], identification, SameNames())
    assert [(use.use, use.note) for use in found] == expected


def test_a_null_that_is_left_out_says_so() -> None:
    """Unlike one that is sent."""
    row = {"person_email": "a@example.com", "city": None, "street": None}
    found = column_uses(row, PERSON, DESTINATION_OBJECTS["person_identify"], EMAIL, SameNames())
    assert [(use.use, use.note) for use in found][1:] == [
        ("attribute", ""),
        ("left out", "null, which null_values leaves out"),
    ]
