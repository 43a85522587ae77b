"""Every stream has its destination object before the first row, or the sync does not begin."""

from __future__ import annotations

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.stream_mappings import StreamMapping
from destination_customerio.errors import ConfigError
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.routing.router import Route, route, unused_mapping_lines


def routes(*streams: Stream) -> list[str]:
    """The names of the objects that streams go to."""
    return [found.target.name for found in route(streams, allow_destructive_operations=False)]


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
    assert [found.stream for found in route(streams, allow_destructive_operations=False)] == streams
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
    assert route([stream], allow_destructive_operations=True) == [Route(stream, DESTINATION_OBJECTS[name])]


def mapping(stream_name: str, object_name: str = "person_identify", namespace: str = "") -> StreamMapping:
    """A mapping without columns."""
    return StreamMapping(
        stream_name=stream_name, namespace=namespace, destination_object_name=object_name, field_mappings=()
    )


def mapped(*streams: Stream, by: list[StreamMapping]) -> list[tuple[str, StreamMapping | None]]:
    """The object and the applied mapping of each stream."""
    return [
        (found.target.name, found.mapping) for found in route(streams, by, allow_destructive_operations=False)
    ]


def test_a_mapping_decides_where_the_catalog_is_silent() -> None:
    """It wins over the stream's own name, which may be another object's."""
    users, events = mapping("users"), mapping("person_identify", "person_event")
    assert mapped(Stream("users"), Stream("person_identify"), by=[users, events]) == [
        ("person_identify", users),
        ("person_event", events),
    ]


def test_the_catalogs_object_wins_and_a_mapping_for_it_keeps_its_columns() -> None:
    """A mapping for another object is left out as a whole, and the log says so."""
    users = mapping("users")
    assert mapped(Stream("users", object_name="person_identify"), by=[users]) == [("person_identify", users)]

    other = Stream("users", object_name="person_event")
    assert mapped(other, by=[users]) == [("person_event", None)]
    (line,) = unused_mapping_lines(route([other], [users], allow_destructive_operations=False), [users])
    assert line.startswith("Stream users goes to person_event, as the connection says.")
    assert "person_identify" in line


def test_the_mapping_with_the_streams_namespace_wins() -> None:
    """One without fits in every namespace; one with another fits nowhere else."""
    anywhere, shop = mapping("users"), mapping("users", "person_event", "shop")
    for order in ([anywhere, shop], [shop, anywhere]):
        assert mapped(
            Stream("users", namespace="shop"), Stream("users", namespace="crm"), Stream("users"), by=order
        ) == [("person_event", shop), ("person_identify", anywhere), ("person_identify", anywhere)]
    with pytest.raises(ConfigError, match=r"stream crm\.users names none"):
        mapped(Stream("users", namespace="crm"), by=[shop])


def test_a_mapping_for_a_stream_that_is_not_synced_is_told_of() -> None:
    """The sync goes on: one configuration may serve several connections."""
    mappings = [mapping("users"), mapping("orders", namespace="shop"), mapping("users", namespace="crm")]
    routes = route([Stream("users", namespace="crm")], mappings, allow_destructive_operations=False)
    (line,) = unused_mapping_lines(routes, mappings)
    assert "maps the stream shop.orders, which this sync does not write" in line
    assert list(unused_mapping_lines(routes, mappings[2:])) == []


def test_a_mapping_does_not_allow_what_the_configuration_forbids() -> None:
    """A destructive object is refused whichever way a stream comes to it."""
    with pytest.raises(ConfigError, match="stream gone goes to person_delete"):
        mapped(Stream("gone"), by=[mapping("gone", "person_delete")])
