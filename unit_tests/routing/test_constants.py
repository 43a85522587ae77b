"""Constants of stream mappings that no row could have are known before the first row."""

from __future__ import annotations

from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.stream_mappings import StreamMapping
from destination_customerio.errors import ConfigError
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFICATIONS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.routing.constants import check_constants
from destination_customerio.routing.rename import resolve_renames
from destination_customerio.routing.router import route

NO_TYPE = '[{"identifiers": {"object_id": "acme"}}]'
TO_ACME = '[{"identifiers": {"object_type_id": 1, "object_id": "acme"}}]'


def check(*mapped: tuple[str, dict[str, Any]], kind: str = "email") -> None:
    """Check one stream for each object and the constants mapped to it."""
    mappings = [
        StreamMapping.model_validate(
            {
                "stream_name": f"s{number}",
                "destination_object_name": name,
                "field_mappings": [{"value": value, "destination": to} for to, value in constants.items()],
            }
        )
        for number, (name, constants) in enumerate(mapped)
    ]
    streams = [Stream(mapping.stream_name) for mapping in mappings]
    routes = route(streams, mappings, allow_destructive_operations=True)
    identification = IDENTIFICATIONS[kind]
    settings = AssemblySettings(identification, "retry_safe", convert_timestamps=False, fresh_id=FreshIds())
    renames = resolve_renames(routes, identification)
    check_constants(routes, renames, [identification] * len(routes), settings)


@pytest.mark.parametrize(
    ("name", "column", "value", "words"),
    [
        ("segment_add", "segment_id", "beta", "segment_id must be a whole number"),
        ("segment_remove", "segment_id", 7.5, "segment_id must be a whole number"),
        ("segment_add", "segment_id", True, "segment_id must be text or a number"),
        ("person_identify", "cio_relationships", "acme", "must be an array of relationships"),
        ("object_identify", "cio_relationships", TO_ACME, "item 1: Exactly one of"),
        ("person_identify", "cio_relationships", NO_TYPE, "item 1: object_type_id is missing"),
        ("person_identify", "person_updated_at", "yesterday", "is not a valid timestamp"),
        ("person_identify", "cio_subscription_preferences", "topic_1", "must be an object"),
        ("person_identify", "note", "x" * 1_001, "note is 1,001 bytes long"),
        ("person_identify", "n" * 151, 1, "A column name is longer than 150 bytes"),
        ("person_event", "event_name", " ", "event_name is missing or blank"),
        ("person_page", "name", "x" * 101, "name is longer than 100 bytes"),
        ("person_device", "platform", "windows", "platform must be one of ios, android"),
        ("person_relationship", "object_type_id", "null", "object_type_id is the text"),
        ("object_delete", "object_id", "x" * 151, "object_id is longer than 150 bytes"),
        ("person_delete", "person_email", "[object Object]", "person_email is the text"),
        ("person_merge", "primary_id", True, "primary_id must be text or a number"),
    ],
)
def test_a_constant_that_no_row_could_have_fails(name: str, column: str, value: Any, words: str) -> None:
    """With what a row would be rejected for, whatever is wrong with it."""
    with pytest.raises(ConfigError, match="every row would be rejected: stream s0: ") as caught:
        check((name, {column: value}))
    assert words in str(caught.value)


def test_all_such_streams_are_named() -> None:
    """In one error, so that the user fixes the configuration once."""
    with pytest.raises(ConfigError) as caught:
        check(
            ("segment_add", {"segment_id": "beta"}),
            ("segment_add", {"segment_id": "7"}),
            ("person_device", {"platform": "windows"}),
        )
    assert "stream s0: segment_id must be" in str(caught.value)
    assert "; stream s2: platform must be" in str(caught.value)
    assert "s1" not in str(caught.value)


@pytest.mark.parametrize("kind", IDENTIFICATIONS)
@pytest.mark.parametrize("name", DESTINATION_OBJECTS)
def test_other_columns_are_no_reason_to_fail(name: str, kind: str) -> None:
    """Rows have them; an attribute may be any text."""
    if not (name.startswith("segment") and kind == "phone"):
        check((name, {"note": "x"}), (name, {"unsubscribed": "maybe"}), kind=kind)


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        *(("segment_add", {"segment_id": value}) for value in (7, 7.0, "007")),
        ("person_identify", {"cio_relationships": TO_ACME, "person_updated_at": "2024-05-01"}),
        ("person_event", {"event_name": "order_paid", "timestamp": 1714564800, "event_id": 7}),
        ("person_device", {"platform": "Android", "last_used": "2024-05-01"}),
        ("person_merge", {"primary_email": "ada@example.com"}),
        ("object_relationship", {"object_type_id": 1.0, "object_id": "acme", "person_email": "a@b.c"}),
    ],
)
def test_a_constant_that_a_row_could_have_is_accepted(name: str, constants: dict[str, Any]) -> None:
    """It is read as in a row."""
    check((name, constants))
