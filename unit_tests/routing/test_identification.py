"""Which column identifies the people of a stream is decided before the first row."""

from __future__ import annotations

from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.stream_mappings import StreamMapping
from destination_customerio.errors import ConfigError
from destination_customerio.mapping.identifiers import ANY_IDENTIFIER, IDENTIFIER_KINDS, Identification
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.routing.identification import resolve_identification
from destination_customerio.routing.rename import resolve_renames
from destination_customerio.routing.router import route

ALL = ["person_cio_id", "person_id", "person_email", "person_phone"]


def resolved(
    *streams: Stream,
    mappings: tuple[StreamMapping, ...] = (),
    configured: Identification = ANY_IDENTIFIER,
) -> list[list[str]]:
    """The columns that identify the people of each stream."""
    routes = route(streams, mappings, allow_destructive_operations=True)
    found = resolve_identification(routes, resolve_renames(routes, configured), configured)
    return [[kind.column for kind in one.alternatives] for one in found]


def stream(
    *columns: str, key: tuple[str, ...] = (), object_name: str | None = "person_identify", name: str = "s"
) -> Stream:
    """A stream with these columns and this primary key."""
    return Stream(
        name,
        object_name=object_name,
        properties={column: {} for column in columns},
        primary_key=tuple(tuple(path.split(".")) for path in key),
    )


def mapping(unmapped: str = "attributes", **sources: str) -> StreamMapping:
    """A mapping of stream s: destination columns and their sources."""
    columns: list[Any] = [{"source": source, "destination": new} for new, source in sources.items()]
    return StreamMapping(
        stream_name="s",
        destination_object_name="person_identify",
        field_mappings=tuple(columns),
        unmapped_fields=unmapped,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("key", "chosen"),
    [
        ((), ALL),
        (("person_email",), ["person_email"]),
        (("person_id",), ["person_id"]),
        (("order", "person_phone"), ["person_phone"]),
        (("person_id", "person_email"), ALL),
        (("order",), ALL),
        (("person_cio_id",), ALL),  # not a column of the stream
    ],
)
def test_the_key_of_a_stream_chooses_where_it_names_one_identifier(
    key: tuple[str, ...], chosen: list[str]
) -> None:
    """A key that names none, or several, leaves it to each row."""
    assert resolved(stream("person_id", "person_email", "person_phone", "order", key=key)) == [chosen]


def test_the_key_names_columns_of_the_source_where_a_mapping_renames_them() -> None:
    """Paths included; PyAirbyte knows the source's names only."""
    found = mapping(person_id="user.id", person_email="mail")
    for key, chosen in {
        "user.id": ["person_id"],
        "mail": ["person_email"],
        "person_id": ["person_id"],
    }.items():
        assert resolved(stream("user", "mail", key=(key,), object_name=None), mappings=(found,)) == [chosen]
    twice = mapping(person_id="uid", person_cio_id="uid")
    assert resolved(stream("uid", key=("uid",), object_name=None), mappings=(twice,)) == [ALL]


def test_a_key_is_believed_where_the_schema_is_unknown() -> None:
    """And such a stream does not fail: its rows may have any column."""
    assert resolved(stream(), stream(key=("person_phone",), name="t")) == [ALL, ["person_phone"]]


@pytest.mark.parametrize("kind", IDENTIFIER_KINDS)
def test_the_key_of_a_stream_chooses_nothing_unless_any_identifier_is_configured(kind: str) -> None:
    """Nor does a stream without the column fail."""
    configured = IDENTIFIER_KINDS[kind]
    assert resolved(stream("x", key=("person_email",)), configured=configured) == [[configured.column]]


def test_streams_without_a_column_that_identifies_people_fail_together() -> None:
    """In one sentence, before the first row; objects that name nobody are not concerned."""
    streams = [
        stream("email", "PERSON_ID", name="users"),
        stream("person_phone", name="phones"),
        stream("x", name="clicks", object_name="person_event"),
        stream("x", name="firms", object_name="object_identify"),
        stream("primary_id", "secondary_id", name="twins", object_name="person_merge"),
    ]
    with pytest.raises(ConfigError) as caught:
        resolved(*streams)
    message = str(caught.value)
    assert (
        "No column of these streams identifies people: stream users goes to person_identify; stream clicks goes to "
        "person_event. Nothing was written. Map a column to one of person_cio_id, person_id, person_email, person_phone"
        in message
    )
    assert "phones" not in message
    assert "firms" not in message
    assert "twins" not in message


def test_a_mapped_column_or_constant_identifies_people_as_a_column_of_the_stream_does() -> None:
    """Also if all other columns are dropped; a column that the mapping moves away does not."""
    assert resolved(stream("mail", object_name=None), mappings=(mapping("drop", person_email="mail"),)) == [
        ALL
    ]
    constant = StreamMapping.model_validate(
        {
            "stream_name": "s",
            "destination_object_name": "person_identify",
            "field_mappings": [{"value": "team@x.io", "destination": "person_email"}],
        }
    )
    assert resolved(stream("plan", object_name=None), mappings=(constant,)) == [ALL]
    with pytest.raises(ConfigError):
        resolved(stream("person_email", object_name=None), mappings=(mapping(contact="person_email"),))


def test_the_table_says_which_objects_name_a_person() -> None:
    """All others have identifiers of their own."""
    assert {name for name, row in DESTINATION_OBJECTS.items() if not row.names_a_person} == {
        "person_merge",
        "object_identify",
        "object_delete",
    }
