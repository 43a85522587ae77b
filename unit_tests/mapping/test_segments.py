"""Rows that add people to manual segments, and remove them."""

from __future__ import annotations

from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.errors import Rejection
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.endpoints import SegmentMember
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFICATIONS
from destination_customerio.mapping.notices import IgnoredColumns
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from unit_tests.exact_json.raw_rows import raw_row


def assembler(name: str, kind: str = "email") -> Assembler:
    """An assembler for a stream of one object."""
    settings = AssemblySettings(
        identifier_kind=IDENTIFICATIONS[kind],
        event_id_strategy="retry_safe",
        convert_timestamps=True,
        fresh_id=FreshIds(),
    )
    return Assembler(Stream("rows"), DESTINATION_OBJECTS[name], settings)


def member(name: str, row: dict[str, Any], kind: str = "email") -> tuple[Any, SegmentMember]:
    """The order key and the member that a row becomes."""
    outcome = assembler(name, kind).assemble(raw_row(row), b"line")
    assert isinstance(outcome, tuple)
    order, entry = outcome
    assert isinstance(entry, SegmentMember)
    return order, entry


@pytest.mark.parametrize(
    ("name", "action"), [("segment_add", "add_customers"), ("segment_remove", "remove_customers")]
)
@pytest.mark.parametrize(("kind", "value"), [("email", "Ada@x.io"), ("id", "a"), ("cio_id", "a3")])
def test_a_row_becomes_an_id_for_the_endpoint_of_its_segment(
    name: str, action: str, kind: str, value: str
) -> None:
    """One endpoint for each segment, action and kind of identifier."""
    order, found = member(name, {f"person_{kind}": value, "segment_id": 7}, kind)
    assert order == value.lower()
    assert found.entry == f'"{value}"'.encode()
    assert found.endpoint.path == f"/api/v1/segments/7/{action}?id_type={kind}"


@pytest.mark.parametrize("value", [7, 7.0, "7", " 007 "])
def test_a_segment_has_one_endpoint_however_its_id_is_written(value: Any) -> None:
    """Text or number."""
    _, found = member("segment_add", {"person_email": "a@b.c", "segment_id": value})
    assert found.endpoint is member("segment_add", {"person_email": "a@b.c", "segment_id": 7})[1].endpoint


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "required"),
        (" ", "required"),
        ("beta", "invalid"),
        ("7/add", "invalid"),
        ("-7", "invalid"),
        (-7, "invalid"),
        (7.5, "invalid"),
        ("\u0667", "invalid"),
        ("9" * 21, "invalid"),
        (True, "invalid"),
        ([7], "invalid"),
    ],
)
def test_a_segment_id_that_is_no_whole_number_rejects_the_row(value: Any, reason: str) -> None:
    """With its column."""
    with pytest.raises(Rejection) as caught:
        member("segment_add", {"person_email": "a@b.c", "segment_id": value})
    assert (caught.value.reason, caught.value.field) == (reason, "segment_id")


def test_an_identifier_larger_than_an_entry_rejects_the_row() -> None:
    """No request could hold the largest ones."""
    for size in (32_768, 600_000):
        with pytest.raises(Rejection) as caught:
            member("segment_add", {"person_email": "a" * size, "segment_id": 1})
        assert caught.value.reason == "too_large"
    member("segment_add", {"person_email": "a" * 32_766, "segment_id": 1})


@pytest.mark.parametrize("kind", ["phone", "any"])
def test_a_phone_rejects_the_row(kind: str) -> None:
    """If the configuration did not fail before, and the row has no other identifier."""
    with pytest.raises(Rejection) as caught:
        member("segment_add", {"person_phone": "+442079460018", "segment_id": 1}, kind)
    assert (caught.value.reason, caught.value.field) == ("invalid", "person_phone")


def test_a_row_with_a_phone_and_another_identifier_becomes_a_member_by_that() -> None:
    """Where any identifier will do."""
    row = {"person_phone": "+442079460018", "person_email": "a@b.c", "segment_id": 1}
    order, found = member("segment_add", row, "any")
    assert (order, found.entry) == ("a@b.c", b'"a@b.c"')
    assert found.endpoint.path.endswith("?id_type=email")


def test_other_columns_are_ignored_with_a_notice() -> None:
    """Members have no attributes."""
    subject = assembler("segment_add")
    subject.assemble(raw_row({"person_email": "a@b.c", "segment_id": 1, "plan": "pro"}), b"line")
    assert subject.take_notices() == [IgnoredColumns(("plan",), is_last=False)]
