"""What can be known of manual segments before the first row."""

from __future__ import annotations

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.errors import ConfigError
from destination_customerio.mapping.identifiers import IDENTIFICATIONS
from destination_customerio.routing.identification import resolve_identification
from destination_customerio.routing.rename import resolve_renames
from destination_customerio.routing.router import route
from destination_customerio.routing.segments import check_segments


def check(identifier_type: str, *columns: str, key: str = "", object_name: str = "segment_add") -> None:
    """Check a stream with these columns."""
    stream = Stream(
        "s",
        object_name=object_name,
        properties={column: {} for column in columns},
        primary_key=((key,),) if key else (),
    )
    routes = route([stream], (), allow_destructive_operations=False)
    identification = IDENTIFICATIONS[identifier_type]
    renames = resolve_renames(routes, identification)
    check_segments(routes, renames, resolve_identification(routes, renames, identification))


@pytest.mark.parametrize("object_name", ["segment_add", "segment_remove"])
@pytest.mark.parametrize(
    ("identifier_type", "columns", "key"),
    [
        ("phone", (), ""),
        ("phone", ("person_phone", "person_email"), ""),
        ("any", ("person_phone", "segment_id"), ""),
        ("any", ("person_phone", "person_email"), "person_phone"),
        ("any", (), "person_phone"),
    ],
)
def test_a_stream_whose_people_have_only_phones_fails(
    object_name: str, identifier_type: str, columns: tuple[str, ...], key: str
) -> None:
    """By the configuration, the schema or the primary key."""
    with pytest.raises(ConfigError, match="Stream s goes to segment_"):
        check(identifier_type, *columns, key=key, object_name=object_name)


@pytest.mark.parametrize(
    ("identifier_type", "columns", "key"),
    [
        ("email", (), ""),
        ("any", (), ""),
        ("any", ("person_phone", "person_email"), ""),
        ("any", ("person_phone", "person_email"), "person_email"),
    ],
)
def test_a_stream_whose_people_may_have_another_identifier_is_accepted(
    identifier_type: str, columns: tuple[str, ...], key: str
) -> None:
    """Rows that only have a phone are rejected as they come."""
    check(identifier_type, *columns, key=key)


def test_other_objects_take_phones() -> None:
    """Only segments don't."""
    check("phone", object_name="person_identify")
