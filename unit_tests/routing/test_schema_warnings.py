"""The catalog shows some mistakes before the first row; each gets one warning that says what to change."""

from __future__ import annotations

from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.loader import parse_config
from destination_customerio.mapping.identifiers import ANY_IDENTIFIER, IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.routing.schema_warnings import overwrite_warnings, schema_warnings
from destination_customerio.sync.wiring import stream_syncs


def warnings(object_name: str, *columns: str, identified_by: str = "email") -> list[str]:
    """The warnings about a stream whose schema has these columns."""
    stream = Stream("s", properties={column: {} for column in columns})
    kind = IDENTIFIER_KINDS[identified_by]
    return list(schema_warnings(stream, columns, DESTINATION_OBJECTS[object_name], kind))


@pytest.mark.parametrize(
    ("object_name", "column"),
    [
        ("person_identify", "UNSUBSCRIBED"),
        ("person_identify", "CREATED_AT"),
        ("person_identify", "Created_At"),
        ("person_identify", "Cio_Subscription_Preferences"),
        ("person_identify", "CIO_SUBSCRIPTION_PREFERENCES.topics.topic_1"),
        ("person_identify", "_UPDATE"),
        ("person_identify", "Timezone"),
        ("object_identify", "Created_at"),
        ("person_event", "TIMESTAMP"),
        ("person_event", "Event_Id"),
        ("person_page", "Recipient"),
        ("person_screen", "REPLY_TO"),
        ("person_device", "LAST_USED"),
    ],
)
def test_a_reserved_name_in_other_case_is_named(object_name: str, column: str) -> None:
    """Such a column does nothing, and nothing else would say so."""
    complete = [
        column.name for column in DESTINATION_OBJECTS[object_name].named_columns(IDENTIFIER_KINDS["email"])
    ]
    (line,) = warnings(object_name, *complete, column, "Plan")
    assert f"spelled almost like names with a meaning: {column}. " in line
    assert "case-sensitive" in line


@pytest.mark.parametrize(
    ("object_name", "columns"),
    [
        (
            "person_identify",
            (
                "person_email",
                "created_at",
                "unsubscribed",
                "cio_subscription_preferences.topics",
                "RECIPIENT",
            ),
        ),
        (
            "person_event",
            ("person_email", "event_name", "timestamp", "recipient", "UNSUBSCRIBED", "CREATED_AT"),
        ),
        ("object_identify", ("object_type_id", "object_id", "UNSUBSCRIBED")),
        ("person_delete", ("person_email", "CREATED_AT")),
        ("person_merge", ("primary_id", "secondary_email")),
    ],
)
def test_other_columns_are_not_named(object_name: str, columns: tuple[str, ...]) -> None:
    """The right spelling, and names without a meaning for this object."""
    assert warnings(object_name, *columns) == []


def test_all_misspelled_columns_share_one_warning() -> None:
    """A table of a warehouse in capitals has several."""
    (line,) = warnings("person_identify", "person_email", "UNSUBSCRIBED", "CREATED_AT")
    assert "UNSUBSCRIBED, CREATED_AT. " in line


@pytest.mark.parametrize("configured", IDENTIFIER_KINDS)
def test_another_identifier_in_the_schema_is_named_with_the_setting(configured: str) -> None:
    """The commonest mistake of a first sync rejects all rows."""
    column = IDENTIFIER_KINDS[configured].column
    for other in IDENTIFIER_KINDS.values():
        if other.name != configured:
            (line,) = warnings("person_identify", other.column, identified_by=configured)
            assert f"has no column {column} in its schema" in line
            assert f"identifies people by {configured} (identifierType)" in line
            assert (
                f"The schema has {other.column}: set identifierType to {other.name}, or map a column to {column}."
                in line
            )


@pytest.mark.parametrize(
    ("object_name", "missing"),
    [
        (name, column.name)
        for name, target in DESTINATION_OBJECTS.items()
        for column in target.named_columns(IDENTIFIER_KINDS["email"])
        if column.required
    ],
)
def test_each_missing_required_column_has_a_warning(object_name: str, missing: str) -> None:
    """It says that rows are rejected and what to map; a column that differs only in case is named."""
    complete = [
        column.name for column in DESTINATION_OBJECTS[object_name].named_columns(IDENTIFIER_KINDS["email"])
    ]
    others = [column for column in complete if column != missing]
    (line,) = warnings(object_name, *others, "x")
    assert f"has no column {missing} in its schema, which {object_name} requires" in line
    assert f"Rows without {missing} are rejected." in line
    (line,) = warnings(object_name, *others, missing.upper())
    assert f"The schema has {missing.upper()}, and names are case-sensitive: rename it to {missing}" in line


def test_a_merge_needs_a_column_of_each_side() -> None:
    """None of the six is required by itself."""
    (line,) = warnings("person_merge", "primary_id", "Secondary_Email")[:1]
    assert "none of the columns secondary_email, secondary_id, secondary_cio_id" in line
    assert len(warnings("person_merge", "x")) == 2


def test_a_stream_without_a_schema_shows_nothing() -> None:
    """Not every source has one."""
    assert warnings("person_identify") == []


def catalog_warnings(streams: list[Stream], **settings: Any) -> list[str]:
    """All warnings of the start of a sync of these streams."""
    found: list[str] = []
    raw = {"credentials": {"siteId": "site", "apiKey": "key"}, **settings}
    stream_syncs(parse_config(raw, {}), streams, found.append)
    return found


def mapping(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A stream mapping of `s`."""
    return {
        "stream_name": "s",
        "destination_object_name": "person_identify",
        "field_mappings": list(fields),
        **more,
    }


def test_a_mapped_stream_is_judged_by_its_new_names() -> None:
    """A renamed column has its effect or loses it; a mapped identifier is there, constants included."""
    email = {"source": "MAIL", "destination": "person_email"}
    stream = Stream("s", properties={"MAIL": {}, "UNSUBSCRIBED": {}, "joined": {}})
    (line,) = catalog_warnings([stream], stream_mappings=[mapping(email)])
    assert "UNSUBSCRIBED. " in line
    renamed = {"source": "UNSUBSCRIBED", "destination": "unsubscribed"}
    assert catalog_warnings([stream], stream_mappings=[mapping(email, renamed)]) == []
    assert catalog_warnings([stream], stream_mappings=[mapping(email, unmapped_fields="drop")]) == []
    misspelled = {"source": "joined", "destination": "Created_At"}
    constant = {"value": "nobody@example.com", "destination": "person_email"}
    (line,) = catalog_warnings([stream], stream_mappings=[mapping(constant, renamed, misspelled)])
    assert "Created_At. " in line


def test_streams_that_overwrite_share_one_warning() -> None:
    """Rows are appended, whatever the catalog asks for."""
    modes = ["append", "overwrite", "append_dedup", "overwrite_dedup", "", "update", "soft_delete"]
    streams = [Stream(f"s{number}", "shop", destination_sync_mode=mode) for number, mode in enumerate(modes)]
    (line,) = overwrite_warnings(streams)
    assert "shop.s1 (overwrite), shop.s3 (overwrite_dedup). " in line
    assert "appended" in line
    assert list(overwrite_warnings(streams[:1])) == []
    (many,) = overwrite_warnings(
        [Stream(f"s{number}", destination_sync_mode="overwrite") for number in range(1_000)]
    )
    assert "s19 (overwrite) and 980 more. " in many


def test_an_identifier_in_other_case_is_named_where_any_identifies_people() -> None:
    """No single column is required then, so nothing else would say so."""
    columns = ("person_email", "PERSON_ID")
    stream = Stream("s", properties={column: {} for column in columns})
    target = DESTINATION_OBJECTS["person_identify"]
    (line,) = schema_warnings(stream, columns, target, ANY_IDENTIFIER)
    assert "spelled almost like names with a meaning: PERSON_ID. " in line
