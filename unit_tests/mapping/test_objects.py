"""`discover` answers what the contract says, for each way to identify people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS, destination_catalog

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("kind", ["email", "id", "cio_id", "phone"])
def test_discover_answers_the_golden_catalog(kind: str) -> None:
    """To the letter, order of keys included: the platform's mapping screen is drawn from it."""
    golden = (GOLDEN / f"discover_{kind}.json").read_text()
    assert json.dumps(destination_catalog(IDENTIFIER_KINDS[kind]), indent=2) + "\n" == golden


def test_every_kind_of_identifier_has_a_golden_catalog() -> None:
    """A new kind comes with its own."""
    assert {path.stem for path in GOLDEN.glob("discover_*.json")} - {"discover_reference"} == {
        f"discover_{kind}" for kind in IDENTIFIER_KINDS
    }


def test_required_and_matching_columns_are_columns() -> None:
    """What the platform must map or match by exists, and `matching_keys` is always there."""
    for kind in IDENTIFIER_KINDS.values():
        for operation in destination_catalog(kind)["operations"]:
            properties = operation["json_schema"]["properties"]
            assert set(operation["json_schema"].get("required", [])) <= set(properties)
            assert all(set(key) <= set(properties) for key in operation["matching_keys"])


def test_objects_go_by_their_own_names() -> None:
    """The table's keys are what routing looks up."""
    assert all(name == row.name for name, row in DESTINATION_OBJECTS.items())


def test_upserts_and_deletions_match_by_what_they_are_about() -> None:
    """An insert matches nothing and requires its identity; the others match by it."""
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


def test_what_removes_for_good_is_destructive() -> None:
    """Deleting, suppressing and merging need the configuration's consent, and nothing else does."""
    assert {name for name, row in DESTINATION_OBJECTS.items() if row.destructive} == {
        "person_delete",
        "person_suppress",
        "person_merge",
        "person_device_delete",
        "person_relationship_delete",
        "object_delete",
    }


def test_the_first_two_objects_are_those_existing_connections_use() -> None:
    """What the platform has stored of the earlier connector's catalog still holds."""
    golden = json.loads((GOLDEN / "discover_reference.json").read_text())
    assert destination_catalog(IDENTIFIER_KINDS["email"])["operations"][:2] == golden["operations"]
