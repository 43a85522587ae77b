"""Rows of mapped streams are renamed as configured; nothing else changes and nothing is lost."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.stream_mappings import StreamMapping
from destination_customerio.errors import ConfigError, Rejection
from destination_customerio.exact_json.codec import raw_members
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.routing.rename import Rename, resolve_renames
from destination_customerio.routing.router import Route
from unit_tests.exact_json import json_values
from unit_tests.exact_json.raw_rows import plain_row, raw_row
from unit_tests.mapping.sending import Sending

if TYPE_CHECKING:
    from collections.abc import Mapping

LINE = b"the RECORD line"
EMAIL = IDENTIFIER_KINDS["email"]
# Few names, so that sources, destinations and a row's own columns collide.
names = st.sampled_from(["a", "b", "c", "a.b", "b.c", "a.b.c", "person_email"])
rows = st.dictionaries(
    names, json_values.nested(json_values.scalars, st.sampled_from(["a", "b", "c"])), max_size=7
)
renamings = st.dictionaries(names, names, max_size=5)


def mapping(
    columns: Mapping[str, str] | None = None,
    target: str = "person_identify",
    *,
    constants: Mapping[str, str] | None = None,
    unmapped: str = "attributes",
) -> StreamMapping:
    """A mapping of the stream `rows`: destination → source, destination → constant."""
    items = [
        {"source": source, "destination": destination} for destination, source in (columns or {}).items()
    ]
    items += [
        {"value": value, "destination": destination} for destination, value in (constants or {}).items()
    ]
    return StreamMapping.model_validate(
        {
            "stream_name": "rows",
            "destination_object_name": target,
            "field_mappings": items,
            "unmapped_fields": unmapped,
        }
    )


def renaming(columns: Mapping[str, str], **more: Any) -> Rename:
    """The renaming that such a mapping makes."""
    found = mapping(columns, **more)
    return Rename(found, DESTINATION_OBJECTS[found.destination_object_name], EMAIL)


def renamed(row: dict[str, Any], columns: Mapping[str, str], **more: Any) -> list[tuple[str, Any]]:
    """The row's columns after the renaming, in order."""
    return list(plain_row(renaming(columns, **more)(raw_row(row))).items())


def assembler(
    found: StreamMapping,
    *,
    properties: dict[str, Any] | None = None,
    strategy: str = "none",
    convert: bool = False,
) -> Sending:
    """The assembler of a mapped stream."""
    settings = AssemblySettings(EMAIL, strategy, convert, FreshIds())
    stream = Stream("rows", properties=properties or {})
    target = DESTINATION_OBJECTS[found.destination_object_name]
    return Sending(Assembler(stream, target, settings, Rename(found, target, EMAIL)))


def entry(found: StreamMapping, row: dict[str, Any], **more: Any) -> Any:
    """The entry that a row becomes."""
    return json.loads(assembler(found, **more).assemble(row, LINE)[1])


def test_a_mapped_column_keeps_its_position() -> None:
    """The order of a row's columns is the order of the attributes."""
    row = {"id": 1, "email": "ada@example.com", "name": "Ada"}
    assert renamed(row, {"person_email": "email"}) == [
        ("id", 1),
        ("person_email", "ada@example.com"),
        ("name", "Ada"),
    ]


def test_columns_may_swap_names() -> None:
    """All columns are renamed at once, not one after another."""
    assert renamed({"a": 1, "b": 2}, {"b": "a", "a": "b"}) == [("b", 1), ("a", 2)]


def test_a_column_may_have_two_destinations() -> None:
    """The person's email may be an attribute too."""
    assert renamed({"email": "e", "x": 1}, {"person_email": "email", "contact": "email"}) == [
        ("person_email", "e"),
        ("contact", "e"),
        ("x", 1),
    ]


def test_a_source_with_dots_is_a_path_into_objects() -> None:
    """The value is copied; the object remains a whole attribute."""
    row = {"user": {"email": "e", "address": {"city": "Oslo"}}, "x": 1}
    assert renamed(row, {"person_email": "user.email", "city": "user.address.city"}) == [
        ("user", {"email": "e", "address": {"city": "Oslo"}}),
        ("x", 1),
        ("person_email", "e"),
        ("city", "Oslo"),
    ]


def test_a_column_with_dots_takes_precedence_over_a_path() -> None:
    """The exact name is looked up before any path."""
    row = {"user": {"email": "inner"}, "user.email": "column"}
    assert renamed(row, {"person_email": "user.email"}) == [
        ("user", {"email": "inner"}),
        ("person_email", "column"),
    ]


@pytest.mark.parametrize(
    "text", ['{"email": "e"}', ' {"email": "e"}', '{"x": [1], "email": "e"}', '\ufeff{"email": "e"}\u200b']
)
def test_a_path_also_reaches_into_objects_in_json_text(text: str) -> None:
    """Many warehouses store objects as JSON text."""
    assert dict(renamed({"user": text}, {"person_email": "user.email"})) == {
        "user": text,
        "person_email": "e",
    }


@pytest.mark.parametrize(
    ("source", "reached"),
    [
        ("emails.0.value", "first"),
        ("emails.1.value", "second"),
        ("text.0.value", "first"),
        ("nested.list.1.0", "e"),
    ],
)
def test_a_path_also_reaches_into_arrays(source: str, reached: str) -> None:
    """By the position of an item, from 0; JSON text included."""
    row = {
        "emails": [{"value": "first"}, {"value": "second"}],
        "text": ' [{"value": "first"}]',
        "nested": {"list": [[], ["e"]]},
    }
    assert dict(renamed(row, {"person_email": source}))["person_email"] == reached


@pytest.mark.parametrize(
    "source", ["a.2", "a.-1", "a.x", "a.", "a.0.0", "a.\u00b2", "a.\u0660", "a.00", "a." + "1" * 5_000]
)
def test_a_path_to_no_item_of_an_array_reaches_nothing(source: str) -> None:
    """A position is a plain number within the array."""
    assert dict(renamed({"a": [1, 2]}, {"person_email": source})) == {"a": [1, 2]}


def test_the_schema_of_an_items_column_is_found() -> None:
    """It says whether the column is a date."""
    properties = {
        "visits": {
            "type": "array",
            "items": {"properties": {"at": {"type": "string", "format": "date-time"}}},
        }
    }
    assert renaming({"last_visit": "visits.0.at"}).of_schema(properties)["last_visit"] == {
        "type": "string",
        "format": "date-time",
    }


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"user": None},
        {"user": "email"},
        {"user": "{broken"},
        {"user": '"\ud800"'},
        {"user": "{\ud800"},
        {"user": ["email"]},
        {"user": [{"email": "e"}]},
        {"user": {}},
        {"user": {"mail": "e"}},
    ],
)
def test_a_row_without_the_source_has_no_destination_column(row: dict[str, Any]) -> None:
    """It is absent rather than null, which would clear the attribute."""
    assert dict(renamed(row, {"a": "user.email", "b": "no_such_column"})) == row


def test_null_is_a_value() -> None:
    """A column that the row has is mapped, whatever its value."""
    assert renamed({"a": None, "b": {"c": None}}, {"x": "a", "y": "b.c"}) == [
        ("x", None),
        ("b", {"c": None}),
        ("y", None),
    ]


def test_a_destination_column_comes_from_its_mapping_only() -> None:
    """An unmapped column of the same name is left out, even if the row does not have the source."""
    columns = {"person_email": "email"}
    assert renamed({"person_email": "old", "email": "new"}, columns) == [("person_email", "new")]
    assert renamed({"person_email": "old"}, columns) == []
    assert renamed({"event_name": "old"}, {}, constants={"event_name": "new"}) == [("event_name", "new")]


def test_constants_come_last_in_order() -> None:
    """Every row has them."""
    assert renamed({"a": 1}, {}, constants={"x": "1", "event_name": "signup"}) == [
        ("a", 1),
        ("x", "1"),
        ("event_name", "signup"),
    ]


def test_drop_leaves_out_columns_that_would_be_attributes() -> None:
    """Named columns of the object are kept, mapped or not."""
    row = {"id": 7, "person_email": "e", "at": 1, "event_id": "x", "user": {"plan": "pro"}}
    assert renamed(row, {"timestamp": "at", "plan": "user.plan"}, target="person_event", unmapped="drop") == [
        ("person_email", "e"),
        ("timestamp", 1),
        ("event_id", "x"),
        ("plan", "pro"),
    ]


@given(rows, renamings)
def test_nothing_is_lost_and_order_is_kept(row: dict[str, Any], columns: dict[str, str]) -> None:
    """Compared with a naive model, for rows, sources and destinations that overlap in all ways."""
    before = copy.deepcopy(row)
    found = plain_row(renaming(columns)(raw_row(row)))
    assert json_values.same(row, before)

    kept = [name for name in row if name not in columns.values() and name not in columns]
    assert [name for name in found if name not in columns] == kept
    assert all(json_values.same(found[name], row[name]) for name in kept)
    moved = [name for name in found if columns.get(name) in row]
    assert [row_name for row_name in row if row_name in columns.values()] == list(
        dict.fromkeys(columns[name] for name in moved)
    )
    assert all(json_values.same(found[name], row[columns[name]]) for name in moved)
    for name in found.keys() - set(kept) - set(moved):
        value: Any = row
        for part in columns[name].split("."):
            value = json.loads(value)[part] if isinstance(value, str) else value[part]
        assert json_values.same(found[name], value)


@given(rows, renamings)
def test_drop_changes_neither_order_nor_values(row: dict[str, Any], columns: dict[str, str]) -> None:
    """It only leaves columns out."""
    whole = dict(renamed(row, columns))
    assert renamed(row, columns, unmapped="drop") == [
        (name, value) for name, value in whole.items() if name in columns or name == "person_email"
    ]


def test_a_mapped_row_becomes_an_entry() -> None:
    """The row is renamed before it is read."""
    found = mapping({"person_email": "email"}, "person_event", constants={"event_name": "order_paid"})
    assert entry(found, {"id": 7, "email": "ada@example.com", "total": 12.5}) == {
        "type": "person",
        "action": "event",
        "identifiers": {"email": "ada@example.com"},
        "name": "order_paid",
        "attributes": {"id": 7, "total": 12.5},
    }


@pytest.mark.parametrize(
    ("columns", "row", "field"),
    [
        ({"person_email": "mail"}, {"mail": " "}, "mail"),
        ({"person_email": "mail"}, {"person_email": "not this one"}, "mail"),
        ({"person_email": "user.mail"}, {"user": {"mail": []}}, "user.mail"),
        ({"person_email": "mail", "timestamp": "at"}, {"mail": "m", "at": "soon"}, "at"),
        ({}, {"person_email": None}, "person_email"),
    ],
)
def test_a_rejection_names_the_column_as_the_row_spells_it(
    columns: dict[str, str], row: dict[str, Any], field: str
) -> None:
    """So that it is found in the rejected row; the message has both names."""
    found = mapping(columns, "person_event", constants={"event_name": "seen"})
    with pytest.raises(Rejection) as caught:
        assembler(found).assemble(row, LINE)
    assert caught.value.field == field
    assert ("is mapped from" in caught.value.message) is (field in columns.values())


def test_a_rejected_attribute_is_named_by_its_source() -> None:
    """As a rejected named column is."""
    found = mapping({"person_email": "mail", "bio": "text"})
    with pytest.raises(Rejection) as caught:
        assembler(found).assemble({"mail": "m", "text": "x" * 1_001}, LINE)
    assert (caught.value.reason, caught.value.field) == ("too_large", "text")


def test_date_columns_are_recognized_after_renaming() -> None:
    """The schema is renamed as the rows are, including paths into objects."""
    date_time = {"type": "string", "format": "date-time"}
    properties = {
        "mail": {"type": "string"},
        "seen": date_time,
        "same": date_time,
        "account": {"type": "object", "properties": {"opened": date_time, "closed": {"type": "string"}}},
    }
    found = mapping(
        {"person_email": "mail", "seen_at": "seen", "opened_at": "account.opened", "closed": "account.closed"}
    )
    day = "2024-05-01T00:00:00Z"
    row = {"mail": "m", "seen": day, "same": day, "account": {"opened": day, "closed": day}}
    attributes = entry(found, row, properties=properties, convert=True)["attributes"]
    assert attributes == {
        "seen_at": 1714521600,
        "same": 1714521600,
        "account": {"opened": day, "closed": day},
        "opened_at": 1714521600,
        "closed": day,
    }


def test_row_ids_are_made_of_the_original_row() -> None:
    """Two rows that differ only in a dropped column are two events, and the mapping does not change the id."""

    def event_id(order: int, **more: Any) -> str:
        found = mapping({"person_email": "mail"}, "person_event", constants={"event_name": "paid"}, **more)
        row = {"order": order, "mail": "m"}
        id_of_event: str = entry(found, row, strategy="from_row")["id"]
        return id_of_event

    assert event_id(1, unmapped="drop") == event_id(1)
    assert event_id(1, unmapped="drop") != event_id(2, unmapped="drop")


def test_renaming_keeps_the_digits_of_numbers() -> None:
    """Of identifiers, within JSON text too, and of attributes."""
    found = mapping({"person_email": "n"})
    row = raw_members(b'{"n": 1.10, "big": 123456789012345678901234567890}')
    assert row is not None
    assert assembler(found).assemble(row, LINE)[1] == (
        b'{"type":"person","action":"identify","identifiers":{"email":"1.10"},'
        b'"attributes":{"big":123456789012345678901234567890}}'
    )
    within = assembler(mapping({"person_email": "user.n"})).assemble({"user": '{"n": 1.10}'}, LINE)
    assert b'"identifiers":{"email":"1.10"}' in within[1]


def resolve(found: StreamMapping, properties: dict[str, Any]) -> Rename | None:
    """The renaming of a stream with this schema."""
    target = DESTINATION_OBJECTS[found.destination_object_name]
    (resolved,) = resolve_renames([Route(Stream("rows", properties=properties), target, found)], EMAIL)
    return resolved


def test_a_missing_required_column_fails_the_sync_at_the_start() -> None:
    """The error names every stream with every column, and what to do."""
    event = mapping({}, "person_event")
    device = mapping({"person_email": "mail"}, "person_device", unmapped="drop")
    routes = [
        Route(Stream("orders", properties={"id": {}}), DESTINATION_OBJECTS["person_event"], event),
        Route(Stream("phones", properties={"mail": {}}), DESTINATION_OBJECTS["person_device"], device),
    ]
    with pytest.raises(ConfigError) as caught:
        resolve_renames(routes, EMAIL)
    message = str(caught.value)
    assert "stream orders has no person_email and no event_name for person_event" in message
    assert "stream phones has no device_token and no platform for person_device" in message
    assert "Nothing was written" in message


def test_a_required_column_may_come_from_any_source() -> None:
    """From a column, a path, a constant, or an unmapped column of the stream, even with `drop`."""
    columns = {"person_email": "user.mail"}
    assert resolve(mapping(columns, "person_event", constants={"event_name": "seen"}), {"user": {}})
    assert resolve(mapping(columns, "person_event", unmapped="drop"), {"user": {}, "event_name": {}})


def test_a_required_column_that_is_renamed_away_is_missing() -> None:
    """The stream then no longer has it."""
    with pytest.raises(ConfigError, match="has no event_name for person_event"):
        resolve(mapping({"kind": "event_name"}, "person_event"), {"person_email": {}, "event_name": {}})


def test_a_stream_without_a_schema_is_not_checked() -> None:
    """Its columns are unknown before the first row."""
    assert resolve(mapping({}, "person_event"), {})


def test_the_required_identifier_column_depends_on_the_configuration() -> None:
    """It is another one when people are identified by id."""
    found = mapping({"person_email": "mail"})
    route = Route(Stream("rows", properties={"mail": {}}), DESTINATION_OBJECTS["person_identify"], found)
    with pytest.raises(ConfigError, match="has no person_id for person_identify"):
        resolve_renames([route], IDENTIFIER_KINDS["id"])


def test_probable_mistakes_are_warnings() -> None:
    """A source that is not in the schema, and a column that a mapping replaces."""
    properties = {"mail": {}, "person_email": {}, "origin": {}, "user": {"type": "object"}}
    found = renaming({"person_email": "mail", "city": "user.city", "x": "emial"}, constants={"origin": "web"})
    lines = list(found.warning_lines(Stream("rows", properties=properties)))
    assert len(lines) == 3
    assert "Stream rows has no column emial in its schema" in lines[0]
    assert (
        "has a column person_email that is not sent: its mapping replaces it with the column mail."
        in lines[1]
    )
    assert "has a column origin that is not sent: its mapping replaces it with a constant." in lines[2]
    assert list(found.warning_lines(Stream("rows"))) == []


def test_a_stream_without_a_mapping_is_not_renamed() -> None:
    """Its rows are read as they are."""
    target = DESTINATION_OBJECTS["person_identify"]
    assert resolve_renames([Route(Stream("rows"), target)], EMAIL) == [None]
