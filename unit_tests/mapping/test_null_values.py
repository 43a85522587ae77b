"""`null_values: omit` leaves null attributes out, whatever the object."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.exact_json.codec import raw_members
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.null_values import omit_nulls
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from tools.local_track_api.contract import check_entry
from unit_tests.mapping.sending import Sending

LINE = b"the RECORD line"
ADA = {"person_email": "ada@example.com"}
ACME = {"object_type_id": "1", "object_id": "acme"}
ROW = {
    "zero": 0,
    "off": False,
    "blank": "",
    "word": "null",
    "list": [None],
    "inner": {"a": None},
    "gone": None,
}
KEPT = {name: value for name, value in ROW.items() if name != "gone"}


def assembler(
    object_name: str, null_values: str, strategy: str = "none", properties: dict[str, Any] | None = None
) -> Sending:
    """An assembler for a stream of one object."""
    settings = AssemblySettings(
        identifier_kind=IDENTIFIER_KINDS["email"],
        event_id_strategy=strategy,
        convert_timestamps=True,
        fresh_id=FreshIds(),
        null_values=null_values,
    )
    stream = Stream("rows", properties=properties or {})
    return Sending(Assembler(stream, DESTINATION_OBJECTS[object_name], settings))


def assemble(object_name: str, row: dict[str, Any], null_values: str = "omit", **more: Any) -> Any:
    """The entry of one row, which Customer.io would accept."""
    _, encoded = assembler(object_name, null_values, **more).assemble(dict(row), LINE)
    entry = json.loads(encoded)
    assert check_entry(entry, len(encoded)) is None
    return entry


def attributes_of(entry: Any) -> Any:
    """The attributes of an entry, wherever it has them."""
    if "device" in entry:
        return entry["device"]["attributes"]
    if "cio_relationships" in entry:
        return entry["cio_relationships"][0]["relationship_attributes"]
    return entry["attributes"]


@pytest.mark.parametrize(
    ("object_name", "named"),
    [
        ("person_identify", ADA),
        ("person_event", {**ADA, "event_name": "paid"}),
        ("person_page", {**ADA, "name": "/pricing"}),
        ("person_screen", {**ADA, "name": "home"}),
        ("person_device", {**ADA, "device_token": "t", "platform": "ios"}),
        ("person_relationship", {**ADA, **ACME}),
        ("object_identify", ACME),
    ],
)
def test_null_attributes_of_every_object_are_left_out_at_the_top_level_only(
    object_name: str, named: dict[str, Any]
) -> None:
    """Blank text, zero and false are values, and so are objects and arrays with nulls inside."""
    assert attributes_of(assemble(object_name, {**named, **ROW})) == KEPT
    assert attributes_of(assemble(object_name, {**named, **ROW}, "send")) == ROW


@pytest.mark.parametrize(
    "name", ["unsubscribed", "created_at", "cio_subscription_preferences", "_update", "seen_at"]
)
def test_null_is_left_out_of_attributes_with_a_meaning_too(name: str) -> None:
    """They are read and converted as any other."""
    properties = {"seen_at": {"format": "date-time"}}
    assert assemble("person_identify", {**ADA, name: None, "plan": "pro"}, properties=properties)[
        "attributes"
    ] == {"plan": "pro"}


@pytest.mark.parametrize("text", [b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":null}', b'{"a": null }'])
def test_what_would_be_sent_as_null_is_left_out(text: bytes) -> None:
    """NaN and the infinities, which JSON does not have, are sent as null."""
    row: dict[str, Any] = dict(raw_members(text) or {})
    omit_nulls(row)
    assert row == {}


def test_values_that_were_parsed_are_judged_alike() -> None:
    """A converted attribute or a constant is no longer the bytes that it came in."""
    row = {"a": None, "b": math.nan, "c": Decimal("Infinity"), "d": Decimal("1.5"), "e": 0.0, "f": False}
    omit_nulls(row)
    assert row == {"d": Decimal("1.5"), "e": 0.0, "f": False}


def test_nulls_that_are_left_out_do_not_count_as_attributes() -> None:
    """A wide table of mostly empty columns is sent."""
    row = {
        **ADA,
        **{f"empty_{number}": None for number in range(400)},
        **{f"n{number}": 1 for number in range(300)},
    }
    assert len(assemble("person_identify", row)["attributes"]) == 300


def test_the_id_of_an_event_made_of_its_row_is_the_same() -> None:
    """So a repeated sync with the other setting duplicates nothing."""
    row = {**ADA, "event_name": "paid", "coupon": None}
    ids = {
        assemble("person_event", row, null_values, strategy="from_row")["id"]
        for null_values in ("send", "omit")
    }
    assert len(ids) == 1
