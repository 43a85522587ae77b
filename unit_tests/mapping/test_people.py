"""Any identifier: the first that a row has identifies the person, and the others become attributes."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.errors import Rejection
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import ANY_IDENTIFIER, IDENTIFIER_KINDS, AnyIdentifier
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from tools.local_track_api.contract import check_entry
from unit_tests.mapping.sending import Sending

LINE = b"the RECORD line"
GIVEN = {kind.name: kind.example for kind in ANY_IDENTIFIER.alternatives}
ACME = {"object_type_id": "1", "object_id": "acme"}
Row = dict[str, Any]


def assembler(
    object_name: str = "person_identify",
    identification: AnyIdentifier = ANY_IDENTIFIER,
    columns: tuple[str, ...] = (),
) -> Sending:
    """An assembler for a stream of one object."""
    settings = AssemblySettings(identification, "none", convert_timestamps=False, fresh_id=FreshIds())
    stream = Stream("rows", properties={column: {} for column in columns})
    return Sending(Assembler(stream, DESTINATION_OBJECTS[object_name], settings))


def assemble(row: Row, object_name: str = "person_identify", **more: Any) -> tuple[Any, Row]:
    """The order key and the entry of one row, which Customer.io would accept."""
    order, encoded = assembler(object_name, **more).assemble(dict(row), LINE)
    entry: Row = json.loads(encoded)
    assert check_entry(entry, len(encoded)) is None
    return order, entry


def rejection(row: Row, **more: Any) -> Rejection:
    """Why a row can't be sent."""
    with pytest.raises(Rejection) as caught:
        assembler(**more).assemble(dict(row), LINE)
    return caught.value


@pytest.mark.parametrize(
    "names", [names for size in range(1, 5) for names in combinations(GIVEN, size)], ids="+".join
)
@pytest.mark.parametrize("absent", [None, "", " \u200b"])
def test_the_first_identifier_of_a_row_identifies_and_the_others_are_attributes(
    names: tuple[str, ...], absent: object
) -> None:
    """By cio_id, id, email and phone, in this order; what is blank is neither."""
    row = {f"person_{name}": GIVEN[name] if name in names else absent for name in reversed(GIVEN)}
    order, entry = assemble({**row, "plan": "pro"})
    first, *others = names
    assert (order, entry["identifiers"]) == (GIVEN[first], {first: GIVEN[first]})
    assert entry["attributes"] == {"plan": "pro", **{name: GIVEN[name] for name in others}}


def test_identifiers_are_read_as_ever() -> None:
    """Numbers by their digits, text trimmed, emails in one order whatever their case."""
    assert assemble({"person_id": 12345.0, "person_email": " Ada@x.io"})[1] == {
        "type": "person",
        "action": "identify",
        "identifiers": {"id": "12345"},
        "attributes": {"email": "Ada@x.io"},
    }
    order, entry = assemble({"person_email": " Ada@x.io\u200b"})
    assert (order, entry["identifiers"]) == ("ada@x.io", {"email": "Ada@x.io"})
    assert assemble({"person_cio_id": "cio_a3"})[1]["identifiers"] == {"cio_id": "a3"}


@pytest.mark.parametrize("kind", ["id", "email", "phone"])
def test_the_one_alternative_of_a_key_identifies_and_the_others_are_attributes(kind: str) -> None:
    """Even those that would come first; a cio_id can't be set, so it is no attribute."""
    chosen = replace(ANY_IDENTIFIER, alternatives=(IDENTIFIER_KINDS[kind],))
    row = {f"person_{name}": value for name, value in GIVEN.items()}
    _, entry = assemble(row, identification=chosen)
    assert entry["identifiers"] == {kind: GIVEN[kind]}
    assert entry["attributes"].keys() == {"id", "email", "phone"} - {kind}
    found = rejection({**row, f"person_{kind}": None}, identification=chosen)
    assert (found.reason, found.field) == ("required", f"person_{kind}")


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ((), "person_cio_id"),
        (("plan", "person_email"), "person_email"),
        (("person_phone", "person_id"), "person_id"),
    ],
)
def test_a_row_that_identifies_nobody_is_rejected(columns: tuple[str, ...], field: str) -> None:
    """It names a column that the stream has."""
    found = rejection({"plan": "pro", "person_email": " "}, columns=columns)
    assert (found.reason, found.field) == ("required", field)
    assert "None of person_cio_id, person_id, person_email, person_phone" in str(found.message)


def test_what_programs_write_for_nobody_is_no_identifier() -> None:
    """The next one identifies the person; such text is no attribute, and if there is nothing else the row is rejected."""
    _, entry = assemble(
        {"person_cio_id": "undefined", "person_id": "NULL", "person_email": "a@x", "person_phone": "n/a"}
    )
    assert (entry["identifiers"], entry["attributes"]) == ({"email": "a@x"}, {})
    found = rejection({"person_id": "null", "person_email": None})
    assert (found.reason, found.field) == ("invalid", "person_id")


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("person_phone", "020 7946", "invalid"),
        ("person_email", {"a": 1}, "invalid"),
        ("person_id", True, "invalid"),
        ("person_id", "x" * 151, "too_large"),
    ],
)
def test_an_invalid_identifier_rejects_the_row_with_its_column(
    column: str, value: object, reason: str
) -> None:
    """Whether it identifies or would become an attribute: Customer.io knows people by both."""
    for row in ({column: value}, {"person_cio_id": "a3", column: value}):
        found = rejection(row)
        assert (found.reason, found.field) == (reason, column)


def test_an_attribute_of_the_row_takes_precedence_over_an_identifier() -> None:
    """In an event, `id` may be the number of an order; a null says nothing."""
    row = {
        "person_cio_id": "a3",
        "person_id": "u1",
        "person_email": "a@x",
        "event_name": "paid",
        "id": 7,
        "email": None,
    }
    _, entry = assemble(row, "person_event")
    assert entry["attributes"] == {"id": 7, "email": "a@x"}


@pytest.mark.parametrize(
    ("object_name", "named"),
    [
        ("person_event", {"event_name": "paid"}),
        ("person_page", {"name": "/"}),
        ("person_screen", {"name": "home"}),
        ("person_device", {"device_token": "t", "platform": "ios"}),
        ("person_device_delete", {"device_token": "t"}),
        ("person_relationship", ACME),
        ("person_relationship_delete", ACME),
        ("person_delete", {}),
        ("person_suppress", {}),
        ("person_unsuppress", {}),
    ],
)
def test_every_object_that_names_a_person_takes_any_identifier(object_name: str, named: Row) -> None:
    """The others are attributes of events, not of devices and relationships; they are no ignored columns."""
    sending = assembler(object_name)
    _, encoded = sending.assemble({"person_email": "a@x", "person_id": "u1", **named}, LINE)
    entry = json.loads(encoded)
    assert check_entry(entry, len(encoded)) is None
    assert entry["identifiers"] == {"id": "u1"}
    assert ('"email":"a@x"' in encoded.decode()) is DESTINATION_OBJECTS[object_name].is_event
    assert sending.take_notices() == []


def test_a_merge_keeps_its_own_columns() -> None:
    """It identifies two people in three ways already."""
    _, entry = assemble({"primary_id": "u1", "secondary_email": "a@x"}, "person_merge")
    assert (entry["primary"], entry["secondary"]) == ({"id": "u1"}, {"email": "a@x"})
