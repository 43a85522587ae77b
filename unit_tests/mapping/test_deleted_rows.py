"""Rows that were deleted in their source are skipped or deleted, never upserted."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.stream_mappings import StreamMapping
from destination_customerio.errors import Rejection
from destination_customerio.mapping.airbyte_columns import DELETED, NOT_DELETED, Skipped
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.routing.rename import Rename
from unit_tests.mapping.sending import Sending

LINE = b"the RECORD line"
DELETED_AT = "2024-03-18T13:42:21Z"
# A row with the columns of every object; a source without full replica identity sends the keys of a deleted row only.
ROW = {
    "person_email": "ada@example.com",
    "device_token": "t0k",
    "object_type_id": 1,
    "object_id": "acme",
    "primary_id": "1",
    "secondary_id": "2",
    "event_name": "e",
    "name": "n",
    "platform": "ios",
    "segment_id": 1,
}
DELETIONS = {
    "person_identify": "person_delete",
    "person_device": "person_device_delete",
    "person_relationship": "person_relationship_delete",
    "object_identify": "object_delete",
    "object_relationship": "object_relationship_delete",
}
DELETING = set(DELETIONS.values())


def assembler(target: str, deleted_rows: str = "skip", mapping: dict[str, Any] | None = None) -> Assembler:
    """An assembler of a stream of one object."""
    kind = IDENTIFIER_KINDS["email"]
    settings = AssemblySettings(
        identifier_kind=kind,
        event_id_strategy="none",
        convert_timestamps=False,
        fresh_id=FreshIds(),
        deleted_rows=deleted_rows,
    )
    row = DESTINATION_OBJECTS[target]
    rename = None
    if mapping is not None:
        found = StreamMapping.model_validate(
            {"stream_name": "rows", "destination_object_name": target, **mapping}
        )
        rename = Rename(found, row, kind)
    return Assembler(Stream("rows"), row, settings, rename)


@pytest.mark.parametrize("column", ["_ab_cdc_deleted_at", "_AB_CDC_DELETED_AT"])
@pytest.mark.parametrize("value", [DELETED_AT, 1_710_769_341_000, True, 0])
@pytest.mark.parametrize("target", sorted(DESTINATION_OBJECTS.keys() - DELETING))
def test_a_deleted_row_is_skipped_by_default(target: str, column: str, value: Any) -> None:
    """In the stream of any object but those that delete, whatever the form of the time."""
    assert assembler(target).assemble({**ROW, column: value}, LINE) == DELETED


@pytest.mark.parametrize(
    "target", sorted(DESTINATION_OBJECTS.keys() - DELETIONS.keys() - DELETING - {"segment_add"})
)
def test_a_deleted_row_without_something_to_delete_is_always_skipped(target: str) -> None:
    """Events, suppressions, merges and removals from a segment can't be taken back by a row."""
    assert assembler(target, "delete").assemble({**ROW, "_ab_cdc_deleted_at": DELETED_AT}, LINE) == DELETED


@pytest.mark.parametrize(("target", "deletion"), DELETIONS.items())
def test_a_deleted_row_deletes_what_it_would_create_if_configured(target: str, deletion: str) -> None:
    """The entry and its order are those of the object that deletes; other columns do not matter."""
    row = {**ROW, "platform": None, "_ab_cdc_deleted_at": DELETED_AT, "n" * 151: "x" * 2_000}
    row |= {f"a{number}": number for number in range(400)}
    expected = Sending(assembler(deletion)).assemble(dict(row), LINE)
    subject = assembler(target, "delete")
    assert subject.assemble(row, LINE) == expected
    assert subject.take_notices() == []


def test_a_deleted_membership_removes_the_person_from_the_segment_if_configured() -> None:
    """As a row of segment_remove does; without the segment it is rejected."""
    row = {**ROW, "_ab_cdc_deleted_at": DELETED_AT, "note": "x" * 40_000}
    outcome = assembler("segment_add", "delete").assemble(dict(row), LINE)
    assert outcome == assembler("segment_remove").assemble(dict(ROW), LINE)
    with pytest.raises(Rejection) as caught:
        assembler("segment_add", "delete").assemble({**row, "segment_id": None}, LINE)
    assert (caught.value.reason, caught.value.field) == ("required", "segment_id")


def test_a_deletion_without_its_identifier_is_rejected() -> None:
    """It can't be sent, and is not lost."""
    with pytest.raises(Rejection) as caught:
        assembler("person_identify", "delete").assemble({"_ab_cdc_deleted_at": DELETED_AT}, LINE)
    assert (caught.value.reason, caught.value.field) == ("required", "person_email")


@pytest.mark.parametrize(
    "value",
    [None, "", " ", "\u200b", math.nan, False, "false", "null", " NULL", "None", "NaN", "undefined", r"\N"],
)
@pytest.mark.parametrize("deleted_rows", ["skip", "delete"])
def test_a_row_that_exists_is_sent_without_the_mark(value: Any, deleted_rows: str) -> None:
    """Null may have become blank, NaN or a word on its way; nobody is deleted for that."""
    row = {"person_email": "ada@example.com", "a": 1, "_ab_cdc_deleted_at": value}
    _, entry = Sending(assembler("person_identify", deleted_rows)).assemble(row, LINE)
    found = json.loads(entry)
    assert (found["action"], found["attributes"]) == ("identify", {"a": 1})


@pytest.mark.parametrize("target", sorted(DELETING))
def test_in_the_stream_of_a_deletion_a_row_that_exists_is_skipped(target: str) -> None:
    """Deleting it would delete what is alive; without the column, all rows are deletions."""
    subject = assembler(target)
    for mark in (None, False, "null"):
        assert subject.assemble({**ROW, "_ab_cdc_deleted_at": mark}, LINE) == NOT_DELETED
    for row in (dict(ROW), {**ROW, "_ab_cdc_deleted_at": DELETED_AT}):
        assert not isinstance(subject.assemble(row, LINE), Skipped)


@pytest.mark.parametrize(
    "mapping",
    [
        {"unmapped_fields": "drop"},
        {"field_mappings": [{"source": "_ab_cdc_deleted_at", "destination": "gone"}]},
        {"field_mappings": [{"source": "other", "destination": "_ab_cdc_deleted_at"}]},
    ],
)
def test_the_mark_is_looked_for_in_the_row_as_it_came(mapping: dict[str, Any]) -> None:
    """Whatever the mapping does with the column."""
    row = {"mail": "ada@example.com", "_ab_cdc_deleted_at": DELETED_AT}
    columns = [{"source": "mail", "destination": "person_email"}, *mapping.get("field_mappings", [])]
    mapping = {**mapping, "field_mappings": columns}
    assert assembler("person_identify", mapping=mapping).assemble(dict(row), LINE) == DELETED
    outcome = Sending(assembler("person_identify", "delete", mapping)).assemble(dict(row), LINE)
    assert outcome == (
        "ada@example.com",
        b'{"type":"person","action":"delete","identifiers":{"email":"ada@example.com"}}',
    )
    with pytest.raises(Rejection) as caught:
        assembler("person_identify", "delete", mapping).assemble({**row, "mail": " "}, LINE)
    assert caught.value.field == "mail"
