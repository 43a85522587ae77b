"""Which destination object each configured stream goes to, decided before the first row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from destination_customerio.errors import ConfigError
from destination_customerio.mapping.objects import DESTINATION_OBJECTS, UPDATES, sync_modes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.stream_mappings import StreamMapping
    from destination_customerio.mapping.destination_object import DestinationObject


# The rows of streams with these sync modes are inserts or upserts, as the object has it: older platforms and PyAirbyte know
# only `append`. Rows with any other mode may not be meant to create anything, so the object must have it.
_CREATING_MODES = frozenset({"", "append", "append_dedup", "overwrite", "overwrite_dedup"})


class Route(NamedTuple):
    """Where a stream goes.

    mapping  the configuration's mapping of the stream, if it is to this object
    """

    stream: Stream
    target: DestinationObject
    mapping: StreamMapping | None = None


def route(
    streams: Iterable[Stream], mappings: Sequence[StreamMapping] = (), *, allow_destructive_operations: bool
) -> list[Route]:
    """Find every stream's object: the one in the catalog, else in its mapping, else the object with the same name.

    Whoever names the object sets the sync mode; a mapping that sets none leaves it to the catalog.

    Raises:
        ConfigError: a stream has none, or one that the configuration does not allow; it names all such streams.
    """
    unrouted: list[Stream] = []
    misfits: list[str] = []
    routes: list[Route] = []
    for stream in streams:
        mapping = _mapping_for(stream, mappings)
        name = stream.object_name or (mapping.destination_object_name if mapping else stream.name)
        target = DESTINATION_OBJECTS.get(name)
        if target is None:
            unrouted.append(stream)
            continue
        mode, modes = _sync_mode(stream, mapping), sync_modes_of(name)
        if mode not in _CREATING_MODES and mode not in modes:
            misfits.append(f"stream {stream} goes to {name}, which has {' and '.join(modes)}, not {mode}")
            continue
        if mode == "update":
            target = UPDATES[name]
        applies = mapping is not None and mapping.destination_object_name == name
        routes.append(Route(stream, target, mapping if applies else None))
    if unrouted:
        named = "; ".join(
            f"stream {stream} is mapped to {stream.object_name}, which does not exist"
            if stream.object_name
            else f"stream {stream} has none"
            for stream in unrouted
        )
        raise ConfigError(
            f"Not every stream has a destination object: {named}. Nothing was written. Choose one of "
            f"{', '.join(DESTINATION_OBJECTS)} for each of these streams, in the connection's mapping or in the "
            "configuration (stream_mappings). Otherwise a stream goes to the object with the same name."
        )
    if misfits:
        raise ConfigError(
            f"Some streams have a sync mode (destination_sync_mode) that their object does not have: {'; '.join(misfits)}. "
            "Nothing was written: rows that should only update or delete could create something. Choose another sync mode or "
            "object for these streams, in the connection's mapping or in the configuration (stream_mappings)."
        )
    if not allow_destructive_operations:
        _refuse_destructive(routes)
    return routes


def unused_mapping_lines(routes: Sequence[Route], mappings: Sequence[StreamMapping]) -> Iterator[str]:
    """Which mappings are not used in this sync, and why."""
    for found in routes:
        mapping = _mapping_for(found.stream, mappings)
        if mapping is not None and found.mapping is None:
            yield (
                f"Stream {found.stream} goes to {found.target.name}, as set in the connection. Its mapping in the "
                f"configuration (stream_mappings) is to {mapping.destination_object_name}, so it is not used. Change it "
                "to the same object, or remove it."
            )
        elif found.mapping and found.mapping.destination_sync_mode not in (
            "connection",
            found.target.sync_mode,
        ):
            yield (
                f"Stream {found.stream} is written with the sync mode of the connection. Its mapping in the configuration "
                f"(stream_mappings) sets {found.mapping.destination_sync_mode}, which is not used. Set the sync mode in the "
                "connection."
            )
    for mapping in mappings:
        if not any(_fits(mapping, found.stream) for found in routes):
            yield (
                f"The configuration (stream_mappings) maps the stream {mapping}, which is not part of this sync. Check its "
                "name and namespace, and that it is selected in the connection."
            )


def _sync_mode(stream: Stream, mapping: StreamMapping | None) -> str:
    if stream.object_name or mapping is None or mapping.destination_sync_mode == "connection":
        return stream.destination_sync_mode
    return mapping.destination_sync_mode


def _mapping_for(stream: Stream, mappings: Sequence[StreamMapping]) -> StreamMapping | None:
    """The mapping of a stream; one with its namespace takes precedence."""
    fitting = [mapping for mapping in mappings if _fits(mapping, stream)]
    return max(fitting, key=lambda mapping: bool(mapping.namespace), default=None)


def _fits(mapping: StreamMapping, stream: Stream) -> bool:
    return mapping.stream_name == stream.name and mapping.namespace in ("", stream.namespace or "")


def _refuse_destructive(routes: Sequence[Route]) -> None:
    named = [f"stream {stream} goes to {target.name}" for stream, target, _ in routes if target.destructive]
    if named:
        raise ConfigError(
            f"Rows of these streams would delete data irreversibly: {'; '.join(named)}. Nothing was written. If that is "
            "intended, turn on Allow deleting, suppressing and merging (allow_destructive_operations); otherwise choose "
            "another object in the connection's mapping."
        )
