"""Which destination object each configured stream goes to, settled before the first row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.errors import ConfigError
from destination_customerio.operations import DESTINATION_OBJECTS, DestinationObject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from destination_customerio.catalog import Stream


def route(streams: Iterable[Stream]) -> list[tuple[Stream, DestinationObject]]:
    """Pair every stream with its object: the one the catalog names, else the one the stream is called like.

    Raises:
        ConfigError: a stream has none; it names all such streams and the valid objects.
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
    return [(stream, target) for stream, target in routes if target is not None]
