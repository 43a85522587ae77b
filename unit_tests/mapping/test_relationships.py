"""Relationships in the row of a person or an object, and arrays of people or objects in relationships of their own."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.errors import Rejection
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.endpoints import Several
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFICATIONS, object_order_key
from destination_customerio.mapping.limits import MAX_RELATIONSHIPS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS, UPDATES
from tools.local_track_api.contract import check_entry
from unit_tests.exact_json.raw_rows import raw_row
from unit_tests.mapping.sending import Sending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from destination_customerio.mapping.destination_object import DestinationObject

Row = dict[str, Any]

ADA = {"person_email": "Ada@example.com"}
ACME = {"object_type_id": 1, "object_id": " acme "}
ACME_KEY = object_order_key("1", "acme")
TO_ACME = {"identifiers": ACME, "relationship_attributes": {"since": 12345678901234567.89}}
SENT_TO_ACME = {
    "identifiers": {"object_type_id": "1", "object_id": "acme"},
    "relationship_attributes": {"since": 12345678901234567.89},
}


def assemble(name: str, row: Row, properties: Row | None = None, kind: str = "email") -> tuple[Any, Row]:
    """The order key and the entry of one row, which Customer.io would accept."""
    settings = AssemblySettings(
        identifier_kind=IDENTIFICATIONS[kind],
        event_id_strategy="none",
        convert_timestamps=False,
        fresh_id=FreshIds(),
    )
    stream = Stream("rows", properties=properties or {})
    order, encoded = Sending(Assembler(stream, DESTINATION_OBJECTS[name], settings)).assemble(row, b"line")
    entry: Row = json.loads(encoded)
    assert check_entry(entry, len(encoded)) is None
    return order, entry


def rejection(name: str, row: Row) -> Rejection:
    """Why a row can't be sent."""
    with pytest.raises(Rejection) as caught:
        assemble(name, row)
    return caught.value


@pytest.mark.parametrize("form", [list, json.dumps])
def test_a_person_brings_relationships_to_objects(form: Any) -> None:
    """As an array or as JSON text; the row stays in order with all of the objects."""
    related = [TO_ACME, {"identifiers": {"object_type_id": "2", "object_id": 7.0}}]
    order, entry = assemble("person_identify", {**ADA, "cio_relationships": form(related), "plan": "pro"})
    assert order == ("ada@example.com", ACME_KEY, object_order_key("2", "7"))
    assert entry == {
        "type": "person",
        "action": "identify",
        "identifiers": {"email": "Ada@example.com"},
        "attributes": {"plan": "pro"},
        "cio_relationships": [
            SENT_TO_ACME,
            {"identifiers": {"object_type_id": "2", "object_id": "7"}},
        ],
    }


@pytest.mark.parametrize(
    "related",
    [
        [json.dumps(TO_ACME)],
        [{**TO_ACME, "identifiers": json.dumps(ACME)}],
        [{**TO_ACME, "relationship_attributes": json.dumps(TO_ACME["relationship_attributes"])}],
        json.dumps([json.dumps({name: json.dumps(value) for name, value in TO_ACME.items()})]),
        f"\ufeff{json.dumps([TO_ACME])}\u200b",
    ],
)
def test_each_object_of_a_relationship_may_be_json_text(related: Any) -> None:
    """As arrays of JSON columns are in many warehouses; attributes stay text where that is what they are."""
    _, entry = assemble("person_identify", {**ADA, "cio_relationships": related})
    assert entry["cio_relationships"] == [SENT_TO_ACME]


def test_blank_identifiers_of_a_relationship_are_absent() -> None:
    """Records of warehouses have a field for each identifier, most of them null."""
    people = [{"email": "a@b.c", "id": None, "phone": ""}, {"email": " ", "id": 5, "cio_id": None}]
    order, entry = assemble(
        "object_identify", {**ACME, "cio_relationships": [{"identifiers": person} for person in people]}
    )
    assert order == (ACME_KEY, "a@b.c", "5")
    assert [item["identifiers"] for item in entry["cio_relationships"]] == [{"email": "a@b.c"}, {"id": "5"}]
    related = [{"identifiers": {**ACME, "cio_object_id": None}, "relationship_attributes": ""}]
    _, entry = assemble("person_identify", {**ADA, "cio_relationships": related})
    assert entry["cio_relationships"] == [{"identifiers": SENT_TO_ACME["identifiers"]}]


def test_an_object_brings_relationships_to_people_of_any_identifier() -> None:
    """Each person has one identifier, read as its column would be."""
    related = [
        {"identifiers": {"email": " Ada@example.com"}, "relationship_attributes": None},
        {"identifiers": {"id": 5}},
        {"identifiers": {"cio_id": "cio_a3"}},
    ]
    order, entry = assemble("object_identify", {**ACME, "cio_relationships": related})
    assert order == (ACME_KEY, "ada@example.com", "5", "a3")
    assert [item["identifiers"] for item in entry["cio_relationships"]] == [
        {"email": "Ada@example.com"},
        {"id": "5"},
        {"cio_id": "a3"},
    ]


@pytest.mark.parametrize("nothing", [None, "", " ", "\u200b", "null", " null\n", [], "[]", "\ufeff[ ]"])
def test_a_row_without_relationships_is_an_ordinary_row(nothing: Any) -> None:
    """It has one order key, and no empty array is sent."""
    order, entry = assemble("person_identify", {**ADA, "cio_relationships": nothing})
    assert order == "ada@example.com"
    assert "cio_relationships" not in entry
    assert entry["attributes"] == {}


@pytest.mark.parametrize(
    ("related", "reason", "words"),
    [
        ("not JSON", "invalid", "must be an array"),
        ({"identifiers": ACME}, "invalid", "must be an array"),
        (7, "invalid", "must be an array"),
        (True, "invalid", "must be an array"),
        ("[" * 3_000 + "]" * 3_000, "invalid", "must be an array"),
        ("[object Object]", "invalid", "must be an array"),
        ([TO_ACME, "acme"], "invalid", "item 2: It must be an object"),
        ([TO_ACME, "[]"], "invalid", "item 2: It must be an object"),
        ([None], "invalid", "item 1: It must be an object"),
        ([{**TO_ACME, "attributes": {}}], "invalid", "item 1: It must be an object"),
        ([{}], "required", "object_type_id is missing"),
        ([{"identifiers": "acme"}], "invalid", "identifiers must be an object"),
        ([{"identifiers": {"object_id": "acme"}}], "required", "object_type_id is missing"),
        ([{"identifiers": {"object_type_id": "1", "object_id": " "}}], "required", "object_id is missing"),
        ([{"identifiers": {"object_type_id": "1", "object_id": "null"}}], "invalid", "no value"),
        ([{"identifiers": {"object_type_id": "1", "object_id": "x" * 151}}], "too_large", "150 bytes"),
        ([{"identifiers": {"email": "ada@example.com"}}], "invalid", "must identify the object"),
        ([{**TO_ACME, "relationship_attributes": []}], "invalid", "must be an object"),
        ([{**TO_ACME, "relationship_attributes": {"a": "x" * 1_001}}], "too_large", "1,001 bytes"),
        ([{**TO_ACME, "relationship_attributes": {"a" * 151: 1}}], "too_large", "150 bytes"),
        ([TO_ACME, {"identifiers": {"object_id": [0] * 20_000}}], "too_large", "item 2: The row is 40,"),
        ([{**TO_ACME, "relationship_attributes": {str(n): 1 for n in range(301)}}], "too_large", "301"),
    ],
)
def test_a_relationship_that_is_not_valid_rejects_its_row(related: Any, reason: str, words: str) -> None:
    """The rejection names the column and says what is wrong with which item."""
    found = rejection("person_identify", {**ADA, "cio_relationships": related})
    assert (found.reason, found.field) == (reason, "cio_relationships")
    assert words in found.message


@pytest.mark.parametrize(
    "identifiers",
    [
        {},
        {"email": "a@b.c", "id": "1"},
        {"email": None, "id": ""},
        {"name": "Ada"},
        {"phone": "123"},
        {"id": {}},
    ],
)
def test_a_related_person_has_exactly_one_valid_identifier(identifiers: Row) -> None:
    """Nothing is guessed."""
    found = rejection("object_identify", {**ACME, "cio_relationships": [{"identifiers": identifiers}]})
    assert (found.reason, found.field) == ("invalid", "cio_relationships")


def several(name: str, row: Row, table: Mapping[str, DestinationObject] = DESTINATION_OBJECTS) -> list[Row]:
    """The entries of a row that is too large for one, which Customer.io would accept."""
    settings = AssemblySettings(
        identifier_kind=IDENTIFICATIONS["email"],
        event_id_strategy="none",
        convert_timestamps=False,
        fresh_id=FreshIds(),
    )
    outcome = Assembler(Stream("rows"), table[name], settings).assemble(raw_row(row), b"line")
    assert isinstance(outcome, tuple)
    assert isinstance(outcome[1], Several)
    entries: list[Row] = [json.loads(entry) for entry in outcome[1].entries]
    for entry in entries:
        assert check_entry(entry, len(orjson.dumps(entry))) is None
    return entries


def test_relationships_beyond_the_size_of_an_entry_take_several_entries() -> None:
    """Attributes are in the first; no relationship is lost or repeated."""
    related = [{"identifiers": {"object_type_id": "1", "object_id": f"o{n}"}} for n in range(2_000)]
    entries = several("person_identify", {**ADA, "plan": "pro", "cio_relationships": related})
    assert [entry["action"] for entry in entries] == ["identify"] + ["add_relationships"] * (len(entries) - 1)
    assert entries[0]["attributes"] == {"plan": "pro"}
    assert [item for entry in entries for item in entry["cio_relationships"]] == related
    # As few as possible.
    assert len(entries) == math.ceil(len(json.dumps(related, separators=(",", ":"))) / 32_600)


@pytest.mark.parametrize(
    ("table", "update"),
    [
        (UPDATES, {}),
        (UPDATES, {"_update": False}),
        *((DESTINATION_OBJECTS, {"_update": true}) for true in (True, "yes", " TRUE")),
    ],
)
@pytest.mark.parametrize("time", [{}, {"timestamp": 1_714_557_600}])
def test_no_entry_of_a_row_that_only_updates_creates_its_person(
    table: Mapping[str, DestinationObject], update: Row, time: Row
) -> None:
    """Whether the sync mode or the row says so; all entries are updates of the same time."""
    related = [{"identifiers": {"object_type_id": "1", "object_id": f"o{n}"}} for n in range(2_000)]
    updated_at = {"person_updated_at": time["timestamp"]} if time else {}
    row = {**ADA, **update, **updated_at, "plan": "pro", "cio_relationships": related}
    first, *further = several("person_identify", row, table)
    assert first["attributes"] == {"plan": "pro", "_update": True}
    assert len(further) > 1
    for entry in further:
        assert [item["identifiers"] for item in entry.pop("cio_relationships")]
        assert entry == {
            "type": "person",
            "action": "identify",
            "identifiers": {"email": "Ada@example.com"},
            **time,
            "attributes": {"_update": True},
        }


@pytest.mark.parametrize(
    ("objects", "attributes", "field"),
    [
        (1_000, {"note": "x" * 1_000_000}, "note"),
        (2, {f"a{number}": "x" * 900 for number in range(40)}, ""),
        (20_000, {"note": "x" * 900}, ""),
    ],
)
def test_attributes_are_not_repeated_for_many_relationships_beyond_all_limits(
    objects: int, attributes: Row, field: str
) -> None:
    """Encoded for each of them, they could take more memory than there is."""
    ids = [f"o{number}" for number in range(objects)]
    found = rejection("person_relationship", {**ADA, "object_type_id": 1, "object_id": ids, **attributes})
    assert (found.reason, found.field) == ("too_large", field)


@pytest.mark.parametrize(
    ("name", "row", "column"),
    [
        ("person_relationship", {**ADA, "object_type_id": 1}, "object_id"),
        ("object_relationship", ACME, "person_email"),
        ("object_relationship_delete", ACME, "person_email"),
        ("person_identify", ADA, "cio_relationships"),
        ("object_identify", ACME, "cio_relationships"),
    ],
)
def test_a_row_has_a_bounded_number_of_relationships(name: str, row: Row, column: str) -> None:
    """Each takes an object of its own, so a short array of numbers could take hundreds of times its memory."""
    found = rejection(name, {**row, column: [1] * (MAX_RELATIONSHIPS + 1)})
    assert (found.reason, found.field) == ("too_large", column)
    assert "50,001 items" in found.message


def test_as_many_relationships_as_allowed_are_sent() -> None:
    """In as many entries as they take."""
    entries = several(
        "person_relationship", {**ADA, "object_type_id": 1, "object_id": [1] * MAX_RELATIONSHIPS}
    )
    assert sum(len(entry["cio_relationships"]) for entry in entries) == MAX_RELATIONSHIPS


@pytest.mark.parametrize("name", ["person_relationship", "person_relationship_delete"])
def test_an_array_of_many_objects_takes_several_entries_of_the_same_action(name: str) -> None:
    """Attributes are repeated, as each relationship has them."""
    ids = [f"o{number}" for number in range(1_000)]
    entries = several(name, {**ADA, "object_type_id": 1, "object_id": ids})
    assert len(entries) > 1
    assert len({entry["action"] for entry in entries}) == 1
    assert [
        item["identifiers"]["object_id"] for entry in entries for item in entry["cio_relationships"]
    ] == ids


def test_attributes_that_fill_an_entry_leave_the_relationships_to_the_next() -> None:
    """Both fit, but not together."""
    attributes = {f"a{number}": "x" * 900 for number in range(35)}
    row = {**ADA, **attributes, "last": "x" * 820, "cio_relationships": [TO_ACME] * 3}
    first, second = several("person_identify", row)
    assert "cio_relationships" not in first
    assert (second["action"], len(second["cio_relationships"])) == ("add_relationships", 3)


def test_attributes_that_no_entry_can_hold_reject_the_row() -> None:
    """Only relationships can be divided."""
    attributes = {f"a{number}": "x" * 900 for number in range(40)}
    row = {**ADA, **attributes, "cio_relationships": [TO_ACME]}
    assert rejection("person_identify", row).reason == "too_large"


def test_events_keep_a_column_of_this_name_as_an_attribute() -> None:
    """Only people and objects have relationships."""
    row = {**ADA, "event_name": "paid", "cio_relationships": [TO_ACME]}
    _, entry = assemble("person_event", row)
    assert entry["attributes"] == {"cio_relationships": [TO_ACME]}


def test_a_person_is_related_to_each_of_an_array_of_objects() -> None:
    """In one entry, with the same attributes."""
    row = {**ADA, "object_type_id": 1, "object_id": ["acme", 7, "acme"], "role": "owner"}
    order, entry = assemble("person_relationship", row)
    assert order == ("ada@example.com", ACME_KEY, object_order_key("1", "7"))
    assert entry["action"] == "add_relationships"
    assert [
        (item["identifiers"]["object_id"], item["relationship_attributes"])
        for item in entry["cio_relationships"]
    ] == [("acme", {"role": "owner"}), ("7", {"role": "owner"}), ("acme", {"role": "owner"})]


def test_json_text_is_an_array_of_objects_where_the_schema_says_so() -> None:
    """Elsewhere it is an id."""
    row = {**ADA, "object_type_id": 1, "object_id": '\ufeff["a","b"]'}
    _, entry = assemble("person_relationship_delete", dict(row), {"object_id": {"type": "array"}})
    assert len(entry["cio_relationships"]) == 2
    _, entry = assemble("person_relationship_delete", {**row, "object_id": '["a","b"]'})
    assert [item["identifiers"]["object_id"] for item in entry["cio_relationships"]] == ['["a","b"]']


def test_an_object_is_related_to_each_of_an_array_of_people() -> None:
    """By the configured identifier; a single one needs no array."""
    order, entry = assemble("object_relationship", {**ACME, "person_id": ["a", 2], "role": "x"}, kind="id")
    assert order == (ACME_KEY, "a", "2")
    assert entry == {
        "type": "object",
        "action": "add_relationships",
        "identifiers": {"object_type_id": "1", "object_id": "acme"},
        "cio_relationships": [
            {"identifiers": {"id": "a"}, "relationship_attributes": {"role": "x"}},
            {"identifiers": {"id": "2"}, "relationship_attributes": {"role": "x"}},
        ],
    }
    order, _ = assemble("object_relationship", {**ACME, "person_id": "a"}, kind="id")
    assert order == (ACME_KEY, "a")


@pytest.mark.parametrize(
    ("items", "reason"), [([], "required"), (["a", None], "required"), (["a", {}], "invalid")]
)
def test_an_array_with_something_that_is_no_id_rejects_the_row(items: list[Any], reason: str) -> None:
    """None of its relationships is sent."""
    found = rejection("person_relationship", {**ADA, "object_type_id": 1, "object_id": items})
    assert (found.reason, found.field) == (reason, "object_id")
    assert ("object_id, item 2: " in found.message) == (len(items) == 2)
    found = rejection("object_relationship", {**ACME, "person_email": items})
    assert (found.reason, found.field) == (reason, "person_email")
    assert ("person_email, item 2: " in found.message) == (len(items) == 2)


@pytest.mark.parametrize(
    ("people", "sent"),
    [
        (
            {"person_email": ["a@b.c", "d@e.f"], "person_phone": "+1"},
            [{"email": "a@b.c"}, {"email": "d@e.f"}],
        ),
        ({"person_id": [], "person_email": "a@b.c"}, [{"email": "a@b.c"}]),
        ({"person_id": "null", "person_email": ["a@b.c"]}, [{"email": "a@b.c"}]),
        ({"person_id": None, "person_phone": ["+1", "+2"]}, [{"phone": "+1"}, {"phone": "+2"}]),
        ({"person_cio_id": "a3", "person_id": ["1", "2"]}, [{"cio_id": "a3"}]),
    ],
)
def test_the_first_column_that_a_row_has_identifies_all_of_its_people(people: Row, sent: list[Row]) -> None:
    """The others of these columns are no attributes of the relationship."""
    _, entry = assemble("object_relationship", {**ACME, **people, "role": "x"}, kind="any")
    assert entry["cio_relationships"] == [
        {"identifiers": who, "relationship_attributes": {"role": "x"}} for who in sent
    ]


@pytest.mark.parametrize("people", [{}, {"person_email": []}, {"person_id": None, "person_email": " "}])
def test_a_row_that_names_nobody_in_any_way_is_rejected(people: Row) -> None:
    """As a row of a person is."""
    with pytest.raises(Rejection) as caught:
        assemble("object_relationship", {**ACME, **people}, kind="any")
    assert caught.value.reason == "required"
