"""Which destination object each configured stream goes to, settled before the first row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from destination_customerio.errors import ConfigError
from destination_customerio.mapping.objects import DESTINATION_OBJECTS, DestinationObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.stream_mappings import StreamMapping


class Route(NamedTuple):
    """Where a stream goes.

    mapping  the configuration's mapping for the stream, if there is one for this very object
    """

    stream: Stream
    target: DestinationObject
    mapping: StreamMapping | None = None


def route(
    streams: Iterable[Stream], mappings: Sequence[StreamMapping] = (), *, allow_destructive_operations: bool
) -> list[Route]:
    """Find every stream's object: the one the catalog names, else its mapping's, else the one it is called like.

    Raises:
        ConfigError: a stream has none, or one that the configuration does not allow; it names all such streams.
    """
    lost: list[Stream] = []
    routes: list[Route] = []
    for stream in streams:
        mapping = _mapping_for(stream, mappings)
        name = stream.object_name or (mapping.destination_object_name if mapping else stream.name)
        target = DESTINATION_OBJECTS.get(name)
        if target is None:
            lost.append(stream)
            continue
        applies = mapping is not None and mapping.destination_object_name == name
        routes.append(Route(stream, target, mapping if applies else None))
    if lost:
        named = "; ".join(
            f"stream {stream} asks for {stream.object_name}"
            if stream.object_name
            else f"stream {stream} names none"
            for stream in lost
        )
        raise ConfigError(
            f"Not every stream has a destination object in Customer.io: {named}. Nothing was written. "
            f"Choose one of {', '.join(DESTINATION_OBJECTS)} for each stream in the connection's mapping or in the "
            "configuration (stream_mappings), or give the stream that name."
        )
    if not allow_destructive_operations:
        _refuse_destructive(routes)
    return routes


def unused_mapping_lines(routes: Sequence[Route], mappings: Sequence[StreamMapping]) -> Iterator[str]:
    """Which mappings change nothing in this sync, and why."""
    for found in routes:
        mapping = _mapping_for(found.stream, mappings)
        if mapping is not None and found.mapping is None:
            yield (
                f"Stream {found.stream} goes to {found.target.name}, as the connection says. Its mapping in the "
                f"configuration (stream_mappings) is for {mapping.destination_object_name} and is left out, with its "
                "columns. Change it to the same object, or remove it."
            )
    for mapping in mappings:
        if not any(_fits(mapping, found.stream) for found in routes):
            yield (
                f"The configuration (stream_mappings) maps the stream {mapping}, which this sync does not write. Check its "
                "name and namespace, or that it is selected in the connection."
            )


def _mapping_for(stream: Stream, mappings: Sequence[StreamMapping]) -> StreamMapping | None:
    """The mapping that fits a stream, the one with its namespace first."""
    fitting = [mapping for mapping in mappings if _fits(mapping, stream)]
    return max(fitting, key=lambda mapping: bool(mapping.namespace), default=None)


def _fits(mapping: StreamMapping, stream: Stream) -> bool:
    return mapping.stream_name == stream.name and mapping.namespace in ("", stream.namespace or "")


def _refuse_destructive(routes: Sequence[Route]) -> None:
    named = [f"stream {stream} goes to {target.name}" for stream, target, _ in routes if target.destructive]
    if named:
        raise ConfigError(
            f"Rows of these streams would remove what can't be brought back: {'; '.join(named)}. Nothing was written. If "
            "that is meant, turn on Allow deleting, suppressing and merging (allow_destructive_operations); else choose "
            "another object in the connection's mapping."
        )
