"""The destination objects, and the catalog that `discover` returns for each kind of identifier."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from destination_customerio.mapping.identifiers import ANY_IDENTIFIER, IDENTIFICATIONS, IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS, destination_catalog

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("kind", ["email", "id", "cio_id", "phone", "any"])
def test_the_catalog_equals_the_golden_file(kind: str) -> None:
    """Including the order of keys, as the platform's mapping screen shows it."""
    golden = (GOLDEN / f"discover_{kind}.json").read_text()
    assert json.dumps(destination_catalog(IDENTIFICATIONS[kind]), indent=2) + "\n" == golden


def test_every_kind_of_identifier_has_a_golden_file() -> None:
    """A new kind needs one too."""
    assert {path.stem for path in GOLDEN.glob("discover_*.json")} - {"discover_reference"} == {
        f"discover_{kind}" for kind in IDENTIFICATIONS
    }


def test_required_and_matching_columns_exist() -> None:
    """And `matching_keys` is always present."""
    for kind in IDENTIFICATIONS.values():
        for operation in destination_catalog(kind)["operations"]:
            properties = operation["json_schema"]["properties"]
            assert operation["json_schema"]["additionalProperties"] is True
            assert set(operation["json_schema"].get("required", [])) <= set(properties)
            assert all(set(key) <= set(properties) for key in operation["matching_keys"])


def test_the_keys_of_the_table_are_the_names_of_the_objects() -> None:
    """Routing looks objects up by these keys."""
    assert all(name == row.name for name, row in DESTINATION_OBJECTS.items())


def test_upserts_and_deletions_match_by_their_identity() -> None:
    """An insert matches nothing and requires its identity columns instead."""
    for row in DESTINATION_OBJECTS.values():
        operation = row.catalog_operation(IDENTIFIER_KINDS["id"])
        identity = ["person_id" if name == "identifier" else name for name in row.identity]
        required = operation["json_schema"].get("required", [])
        if row.sync_mode == "append":
            assert operation["matching_keys"] == []
            assert required[: len(identity)] == identity
        else:
            assert operation["matching_keys"] == [identity]
            assert not set(required) & set(identity)


def test_irreversible_operations_are_destructive() -> None:
    """Deleting, suppressing and merging, and nothing else."""
    assert {name for name, row in DESTINATION_OBJECTS.items() if row.destructive} == {
        "person_delete",
        "person_suppress",
        "person_merge",
        "person_device_delete",
        "person_relationship_delete",
        "object_delete",
        "object_relationship_delete",
    }


def test_the_first_two_objects_are_compatible_with_existing_connections() -> None:
    """The catalog that platforms have stored from the earlier connector is still valid."""
    golden = json.loads((GOLDEN / "discover_reference.json").read_text())
    assert destination_catalog(IDENTIFIER_KINDS["email"])["operations"][:2] == golden["operations"]


def test_a_second_operation_of_people_updates_only() -> None:
    """It comes last, so the operations that connections have stored keep their places."""
    operations = destination_catalog(IDENTIFIER_KINDS["email"])["operations"]
    assert [operation["object_name"] for operation in operations[:-1]] == list(DESTINATION_OBJECTS)
    assert (operations[-1]["object_name"], operations[-1]["sync_mode"]) == ("person_identify", "update")
    assert operations[-1]["matching_keys"] == operations[0]["matching_keys"] == [["person_email"]]


def test_a_column_that_an_operation_takes_since_is_accepted_by_name() -> None:
    """The stored operation stays as it is, so only the new one lists the column."""
    upsert, *_, update = destination_catalog(IDENTIFIER_KINDS["email"])["operations"]
    assert list(upsert["json_schema"]["properties"]) == ["person_email"]
    assert update["json_schema"]["properties"]["person_updated_at"] == {"type": "integer"}
    named = DESTINATION_OBJECTS["person_identify"].named_columns(IDENTIFIER_KINDS["email"])
    assert [column.name for column in named] == ["person_email", "person_updated_at", "cio_relationships"]


def test_segments_are_offered_only_where_people_can_be_members() -> None:
    """Customer.io's segments take no phones, so such a stream would fail before its first row."""
    for kind, identification in IDENTIFICATIONS.items():
        names = {operation["object_name"] for operation in destination_catalog(identification)["operations"]}
        assert names == DESTINATION_OBJECTS.keys() - (
            {"segment_add", "segment_remove"} if kind == "phone" else set()
        )


def test_any_identifier_is_one_of_four_alternative_keys() -> None:
    """Where a key has further columns, each alternative has them; nobody's column is required by itself."""
    people = ["person_cio_id", "person_id", "person_email", "person_phone"]
    operations = destination_catalog(ANY_IDENTIFIER)["operations"]
    found = {(row["object_name"], row["sync_mode"]): row for row in operations}
    assert len(found) == len(operations) == len(destination_catalog(IDENTIFIER_KINDS["id"])["operations"])
    for mode in ("append_dedup", "update"):
        assert found["person_identify", mode]["matching_keys"] == [[name] for name in people]
    devices = found["person_device", "append_dedup"]
    assert devices["matching_keys"] == [[name, "device_token"] for name in people]
    assert list(devices["json_schema"]["properties"]) == [*people, "device_token", "platform", "last_used"]
    event = found["person_event", "append"]
    assert (event["matching_keys"], event["json_schema"]["required"]) == ([], ["event_name"])
    for name in ("object_identify", "object_delete"):
        operation = next(row for row in operations if row["object_name"] == name)
        assert operation["matching_keys"] == [["object_type_id", "object_id"]]
        assert not set(people) & set(operation["json_schema"]["properties"])
