"""What happens to attributes because of their names."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import encode, parse
from destination_customerio.mapping.attribute_rules import AttributeRules
from destination_customerio.mapping.event_ids import RowIds, from_row
from destination_customerio.mapping.notices import RefusedAttributes, UnclearBooleans
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from unit_tests.exact_json.raw_rows import raw_row

TOPIC = "cio_subscription_preferences.topics.topic_1"
AIRBYTES = {
    "_airbyte_raw_id": "6f4a",
    "_airbyte_extracted_at": 1_700_000_000,
    "_airbyte_meta": {"changes": []},
    "_airbyte_generation_id": 3,
    "_airbyte_loaded_at": None,
    "_ab_cdc_lsn": 12,
    "_ab_cdc_updated_at": "2024-01-01",
    "_ab_cdc_cursor": 1,
    "_ab_source_file_url": "s3://x",
    "_AIRBYTE_RAW_ID": "6f4a",
}


def applied(target: str, attributes: dict[str, Any], *mapped: str) -> dict[str, Any]:
    """The attributes after the rules, which hold for the first row as for later ones."""
    rules = AttributeRules(DESTINATION_OBJECTS[target], mapped)
    first, second = raw_row(attributes), raw_row(attributes)
    rules.apply(first)
    rules.apply(second)
    assert encode(first) == encode(second)
    sent: dict[str, Any] = parse(encode(first))
    return sent


@pytest.mark.parametrize("target", sorted(DESTINATION_OBJECTS))
def test_airbytes_own_columns_are_never_attributes(target: str) -> None:
    """Of any object; similar names are the user's."""
    own = {"a": 1, "airbyte_id": 2, "_abc": 3, "ab_cdc_lsn": 4}
    assert applied(target, {**AIRBYTES, **own}) == own


def test_airbytes_own_columns_do_not_count_and_are_not_reported() -> None:
    """Neither towards the 300 attributes of a person nor as columns that a deletion ignores."""
    own = {f"a{number}": number for number in range(300)}
    assert applied("person_identify", {**own, **AIRBYTES}) == own
    with pytest.raises(Rejection):
        applied("person_identify", {**own, "one more": 1})
    rules = AttributeRules(DESTINATION_OBJECTS["person_delete"])
    rules.apply(dict(AIRBYTES))
    assert rules.take_notices() == []


def test_a_column_that_is_mapped_by_name_is_sent() -> None:
    """The configuration asks for it."""
    assert applied("person_event", dict(AIRBYTES), "_ab_cdc_lsn") == {"_ab_cdc_lsn": 12}


def test_names_are_learned_again_after_the_memory_was_full() -> None:
    """The rules hold for names that were known before."""
    rules = AttributeRules(DESTINATION_OBJECTS["person_identify"])
    for block in range(60):
        row: dict[str, Any] = {f"{block}-{number}": 1 for number in range(250)}
        rules.apply(row | {"_ab_cdc_lsn": 1, "unsubscribed": "t"})
        row = {"_ab_cdc_lsn": 1, "unsubscribed": "t"}
        rules.apply(row)
        assert row == {"unsubscribed": True}


@pytest.mark.parametrize("name", ["token", "platform"])
def test_device_attributes_that_customer_io_refuses_are_left_out_with_a_notice(name: str) -> None:
    """The device is sent, and the column named once."""
    rules = AttributeRules(DESTINATION_OBJECTS["person_device"], (name,))
    for _ in range(2):
        row = {name: "t", "model": "x"}
        rules.apply(row)
        assert row == {"model": "x"}
    assert rules.take_notices() == [RefusedAttributes((name,))]
    assert rules.take_notices() == []
    assert applied("person_event", {name: "t"}) == {name: "t"}


@pytest.mark.parametrize("name", ["unsubscribed", "_update", TOPIC])
@pytest.mark.parametrize(
    ("value", "sent"),
    [
        *(
            (word, True)
            for word in ("t", "true", "TRUE", "yes", "Y", "on", "1", "1.0", " true ", "\ufefftrue")
        ),
        *((word, False) for word in ("f", "False", "no", "N", "off", "0", "0.0", "n\n")),
        *((number, True) for number in (1, 1.0, Decimal("1.0"))),
        *((number, False) for number in (0, 0.0, Decimal(0))),
        (True, True),
        (False, False),
        (None, None),
    ],
)
def test_acting_attributes_are_booleans(name: str, value: Any, sent: bool | None) -> None:
    """Warehouses have booleans as text and numbers."""
    found = applied("person_identify", {name: value})[name]
    assert found is sent
    assert applied("person_event", {name: value})[name] == value


@pytest.mark.parametrize("form", ["cio_subscription_preferences", "cio_subscription_preferences.topics"])
def test_topics_in_an_object_are_booleans(form: str) -> None:
    """Other members of the object stay."""
    topics = {"topic_1": "t", "topic_2": 0, "topic_3": True, "topic_4": None}
    sent = {"topic_1": True, "topic_2": False, "topic_3": True, "topic_4": None}
    value = topics if form.endswith("topics") else {"topics": topics, "other": "t"}
    expected = sent if form.endswith("topics") else {"topics": sent, "other": "t"}
    assert applied("person_identify", {form: value}) == {form: expected}


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("cio_subscription_preferences.topics", '{"topic_1": 0}', {"topic_1": False}),
        ("cio_subscription_preferences", {"topics": '{"topic_1": "t"}'}, {"topics": {"topic_1": True}}),
        ("cio_subscription_preferences", '{"topics": "{\\"topic_1\\": 0}"}', {"topics": {"topic_1": False}}),
    ],
)
def test_topics_in_json_text_are_booleans(name: str, value: Any, sent: dict[str, Any]) -> None:
    """Many warehouses store objects as JSON text, also within others."""
    assert applied("person_identify", {name: value}) == {name: sent}


@pytest.mark.parametrize("value", [None, 1, [], {}, {"topics": None}, {"topics": "x"}, {"other": 1}, ""])
def test_preferences_of_another_shape_stay(value: Any) -> None:
    """Customer.io decides."""
    name = "cio_subscription_preferences"
    assert applied("person_identify", {name: value}) == {name: value}


@pytest.mark.parametrize("value", ["maybe", "", "2", 2, -1, 0.5, [], {}])
def test_what_is_neither_true_nor_false_stays_and_is_reported_once(value: Any) -> None:
    """With the names of all acting attributes concerned."""
    rules = AttributeRules(DESTINATION_OBJECTS["person_identify"])
    for _ in range(2):
        row = {"unsubscribed": value, "cio_subscription_preferences": {"topics": {"topic_1": value}}}
        read = raw_row(row)
        rules.apply(read)
        assert parse(encode(read)) == row
    assert rules.take_notices() == [UnclearBooleans((TOPIC, "unsubscribed"), is_last=False)]
    assert rules.take_notices() == []


def test_an_id_of_a_row_ignores_airbytes_own_columns() -> None:
    """Two loads of the same row get one id; all other columns count."""
    stream = Stream("rows")
    row = {"email": "ada@example.com", "order": 7}
    row_id = RowIds(stream)
    for _ in range(2):
        assert row_id({**row, **AIRBYTES}) == row_id(row) == from_row(stream, row)
        assert from_row(stream, {**row, "_airbyte_raw_id": "1"}) == from_row(stream, row)
    assert row_id({**row, "_abc": 1}) != row_id(row)
