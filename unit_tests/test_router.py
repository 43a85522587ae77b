"""Every stream has its destination object before the first row, or the sync does not begin."""

from __future__ import annotations

import pytest

from destination_customerio.catalog import Stream
from destination_customerio.errors import ConfigError
from destination_customerio.operations import DESTINATION_OBJECTS
from destination_customerio.router import route


def routes(*streams: Stream) -> list[str]:
    """The names of the objects that streams go to."""
    return [target.name for _, target in route(streams, allow_destructive_operations=False)]


def test_the_catalogs_object_name_decides() -> None:
    """Whatever the stream is called, another object's name included."""
    assert routes(
        Stream(name="users", object_name="person_identify"),
        Stream(name="person_identify", object_name="person_event"),
    ) == ["person_identify", "person_event"]


def test_without_one_the_streams_own_name_decides() -> None:
    """Platforms before data activation name no object; the namespace plays no part."""
    assert routes(Stream(name="person_event", namespace="shop"), Stream(name="person_identify")) == [
        "person_event",
        "person_identify",
    ]


def test_streams_that_differ_only_in_namespace_are_two() -> None:
    """Each is routed for itself, in the catalog's order."""
    streams = [
        Stream(name="rows", namespace="a", object_name="person_identify"),
        Stream(name="rows", namespace="b", object_name="person_event"),
    ]
    assert [stream for stream, _ in route(streams, allow_destructive_operations=False)] == streams
    assert routes(*streams) == ["person_identify", "person_event"]


def test_no_streams_have_no_routes() -> None:
    """An empty catalog is not for the router to judge."""
    assert route([], allow_destructive_operations=False) == []


def test_every_lost_stream_is_named_with_the_valid_objects() -> None:
    """One error for all of them, so that the user mends the mapping once."""
    with pytest.raises(ConfigError) as caught:
        route(
            [
                Stream(name="person_event"),
                Stream(name="users", namespace="shop"),
                Stream(name="person_identify", object_name="Person_Identify"),
            ],
            allow_destructive_operations=False,
        )
    message = str(caught.value)
    assert "stream shop.users names none" in message
    assert "stream person_identify asks for Person_Identify" in message
    assert "person_identify, person_event" in message
    assert "stream person_event" not in message


DESTRUCTIVE = [name for name, row in DESTINATION_OBJECTS.items() if row.destructive]


@pytest.mark.parametrize("name", DESTRUCTIVE)
def test_what_cannot_be_undone_has_to_be_allowed(name: str) -> None:
    """The stream and its object are named before the first row."""
    stream = Stream(name="gone", object_name=name)
    with pytest.raises(ConfigError) as caught:
        route(
            [Stream(name="users", object_name="person_identify"), stream], allow_destructive_operations=False
        )
    assert f"stream gone goes to {name}" in str(caught.value)
    assert "users" not in str(caught.value)
    assert "allow_destructive_operations" in str(caught.value)
    assert route([stream], allow_destructive_operations=True) == [(stream, DESTINATION_OBJECTS[name])]
