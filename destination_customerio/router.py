"""Which destination object each configured stream goes to, settled before the first row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.errors import ConfigError
from destination_customerio.operations import DESTINATION_OBJECTS, DestinationObject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from destination_customerio.catalog import Stream


def route(
    streams: Iterable[Stream], *, allow_destructive_operations: bool
) -> list[tuple[Stream, DestinationObject]]:
    """Pair every stream with its object: the one the catalog names, else the one the stream is called like.

    Raises:
        ConfigError: a stream has none, or one that the configuration does not allow; it names all such streams.
    """
    routes = [(stream, DESTINATION_OBJECTS.get(stream.object_name or stream.name)) for stream in streams]
    lost = [stream for stream, target in routes if target is None]
    if lost:
        named = "; ".join(
            f"stream {stream} asks for {stream.object_name}"
            if stream.object_name
            else f"stream {stream} names none"
            for stream in lost
        )
        raise ConfigError(
            f"Not every stream has a destination object in Customer.io: {named}. Nothing was written. "
            f"Choose one of {', '.join(DESTINATION_OBJECTS)} for each stream in the connection's mapping, "
            "or give the stream that name."
        )
    found = [(stream, target) for stream, target in routes if target is not None]
    if not allow_destructive_operations:
        _refuse_destructive(found)
    return found


def _refuse_destructive(routes: list[tuple[Stream, DestinationObject]]) -> None:
    named = [f"stream {stream} goes to {target.name}" for stream, target in routes if target.destructive]
    if named:
        raise ConfigError(
            f"Rows of these streams would remove what can't be brought back: {'; '.join(named)}. Nothing was written. If "
            "that is meant, turn on Allow deleting, suppressing and merging (allow_destructive_operations); else choose "
            "another object in the connection's mapping."
        )
