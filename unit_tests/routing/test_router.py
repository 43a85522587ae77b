"""Every stream has a destination object before the first row, or the sync does not start."""

from __future__ import annotations

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.stream_mappings import StreamMapping
from destination_customerio.errors import ConfigError
from destination_customerio.mapping.objects import DESTINATION_OBJECTS, sync_modes_of
from destination_customerio.routing.router import Route, route, unused_mapping_lines


def routes(*streams: Stream) -> list[str]:
    """The names of the objects that streams go to."""
    return [found.target.name for found in route(streams, allow_destructive_operations=False)]


def test_the_object_name_in_the_catalog_takes_precedence() -> None:
    """Over the stream's name, even if that is the name of another object."""
    assert routes(
        Stream(name="users", object_name="person_identify"),
        Stream(name="person_identify", object_name="person_event"),
    ) == ["person_identify", "person_event"]


def test_a_stream_goes_to_the_object_with_the_same_name() -> None:
    """When the catalog has no object name, as on platforms without data activation; in any namespace."""
    assert routes(Stream(name="person_event", namespace="shop"), Stream(name="person_identify")) == [
        "person_event",
        "person_identify",
    ]


def test_streams_that_differ_only_in_namespace_are_different() -> None:
    """Each has its own route, in the catalog's order."""
    streams = [
        Stream(name="rows", namespace="a", object_name="person_identify"),
        Stream(name="rows", namespace="b", object_name="person_event"),
    ]
    assert [found.stream for found in route(streams, allow_destructive_operations=False)] == streams
    assert routes(*streams) == ["person_identify", "person_event"]


def test_an_empty_catalog_has_no_routes() -> None:
    """It is not an error here."""
    assert route([], allow_destructive_operations=False) == []


def test_the_error_names_every_stream_without_an_object_and_the_valid_objects() -> None:
    """One error for all of them, so that the user fixes the mapping once."""
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
    assert "stream shop.users has none" in message
    assert "stream person_identify is mapped to Person_Identify, which does not exist" in message
    assert "person_identify, person_event" in message
    assert "stream person_event" not in message


DESTRUCTIVE = [name for name, row in DESTINATION_OBJECTS.items() if row.destructive]


@pytest.mark.parametrize("name", DESTRUCTIVE)
def test_irreversible_operations_must_be_allowed(name: str) -> None:
    """Otherwise the sync fails before the first row, naming the stream and its object."""
    stream = Stream(name="gone", object_name=name)
    with pytest.raises(ConfigError) as caught:
        route(
            [Stream(name="users", object_name="person_identify"), stream], allow_destructive_operations=False
        )
    assert f"would delete data irreversibly: stream gone goes to {name}." in str(caught.value)
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


def test_a_mapping_is_used_when_the_catalog_has_no_object_name() -> None:
    """It takes precedence over the stream's name, even if that is the name of another object."""
    users, events = mapping("users"), mapping("person_identify", "person_event")
    assert mapped(Stream("users"), Stream("person_identify"), by=[users, events]) == [
        ("person_identify", users),
        ("person_event", events),
    ]


def test_a_mapping_to_another_object_than_the_catalogs_is_not_used() -> None:
    """Neither its object nor its columns, with a warning; a mapping to the same object is used."""
    users = mapping("users")
    assert mapped(Stream("users", object_name="person_identify"), by=[users]) == [("person_identify", users)]

    other = Stream("users", object_name="person_event")
    assert mapped(other, by=[users]) == [("person_event", None)]
    (line,) = unused_mapping_lines(route([other], [users], allow_destructive_operations=False), [users])
    assert line.startswith("Stream users goes to person_event, as set in the connection.")
    assert "person_identify" in line


def test_the_mapping_with_the_streams_namespace_takes_precedence() -> None:
    """A mapping without a namespace fits every stream of the name; one with another namespace does not."""
    anywhere, shop = mapping("users"), mapping("users", "person_event", "shop")
    for order in ([anywhere, shop], [shop, anywhere]):
        assert mapped(
            Stream("users", namespace="shop"), Stream("users", namespace="crm"), Stream("users"), by=order
        ) == [("person_event", shop), ("person_identify", anywhere), ("person_identify", anywhere)]
    with pytest.raises(ConfigError, match=r"stream crm\.users has none"):
        mapped(Stream("users", namespace="crm"), by=[shop])


def test_a_mapping_of_a_stream_outside_the_sync_is_a_warning() -> None:
    """Not an error: one configuration may be used for several connections."""
    mappings = [mapping("users"), mapping("orders", namespace="shop"), mapping("users", namespace="crm")]
    routes = route([Stream("users", namespace="crm")], mappings, allow_destructive_operations=False)
    (line,) = unused_mapping_lines(routes, mappings)
    assert "maps the stream shop.orders, which is not part of this sync" in line
    assert list(unused_mapping_lines(routes, mappings[2:])) == []


def test_a_mapping_to_a_destructive_object_must_be_allowed_too() -> None:
    """A destructive object is refused however the stream is routed to it."""
    with pytest.raises(ConfigError, match="stream gone goes to person_delete"):
        mapped(Stream("gone"), by=[mapping("gone", "person_delete")])


def sync_mode(stream: Stream, mapped: str | None = None) -> str:
    """The sync mode of a stream's object; `mapped` is that of its mapping to person_identify."""
    mapping = StreamMapping(
        stream_name=stream.name,
        destination_object_name="person_identify",
        destination_sync_mode=mapped or "connection",  # type: ignore[arg-type]
    )
    (found,) = route([stream], [mapping] if mapped else [], allow_destructive_operations=False)
    return found.target.sync_mode


def test_the_sync_mode_of_the_catalog_decides_whether_people_are_created() -> None:
    """All inserts, upserts and overwrites are upserts, as they always were."""
    for mode in ("append", "append_dedup", "overwrite", "overwrite_dedup", ""):
        assert (
            sync_mode(Stream("u", object_name="person_identify", destination_sync_mode=mode))
            == "append_dedup"
        )
    assert sync_mode(Stream("u", object_name="person_identify", destination_sync_mode="update")) == "update"
    assert sync_mode(Stream("person_identify", destination_sync_mode="update")) == "update"


def test_the_sync_mode_of_a_mapping_decides_where_the_mapping_names_the_object() -> None:
    """A mapping that sets none leaves it to the catalog."""
    assert sync_mode(Stream("u", destination_sync_mode="append"), "update") == "update"
    assert sync_mode(Stream("u", destination_sync_mode="update"), "append_dedup") == "append_dedup"
    assert sync_mode(Stream("u", destination_sync_mode="update"), "connection") == "update"


def test_a_sync_mode_of_a_mapping_that_the_connection_overrides_is_reported() -> None:
    """The connection names the object, so it sets the sync mode too."""
    stream = Stream("u", object_name="person_identify", destination_sync_mode="append_dedup")
    mapping = StreamMapping(
        stream_name="u", destination_object_name="person_identify", destination_sync_mode="update"
    )
    found = route([stream], [mapping], allow_destructive_operations=False)
    assert found[0].target.sync_mode == "append_dedup"
    (line,) = unused_mapping_lines(found, [mapping])
    assert "sets update, which is not used" in line


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (name, mode)
        for name in sorted(DESTINATION_OBJECTS)
        for mode in ("update", "soft_delete", "soft-delete", "delete", "upsert")
        if mode not in sync_modes_of(name)
    ],
)
def test_a_stream_that_may_not_be_meant_to_create_is_refused_where_it_would(name: str, mode: str) -> None:
    """Unknown sync modes included; other streams, and inserts to an object that has upserts, are no reason to fail."""
    streams = [
        Stream("u", object_name="person_identify", destination_sync_mode="update"),
        Stream("d", object_name="person_delete", destination_sync_mode="soft_delete"),
        Stream("a", object_name="person_delete", destination_sync_mode="append"),
        Stream("s", object_name=name, destination_sync_mode=mode),
    ]
    with pytest.raises(ConfigError) as caught:
        route(streams, allow_destructive_operations=True)
    modes = " and ".join(sync_modes_of(name))
    assert (
        f"does not have: stream s goes to {name}, which has {modes}, not {mode}. Nothing was written:"
        in str(caught.value)
    )
