"""How the rows of each stream identify people, resolved once per stream, at the start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from destination_customerio.errors import ConfigError
from destination_customerio.mapping.identifiers import AnyIdentifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from destination_customerio.mapping.identifiers import Identification
    from destination_customerio.routing.rename import Rename
    from destination_customerio.routing.router import Route


def resolve_identification(
    routes: Sequence[Route], renames: Sequence[Rename | None], configured: Identification
) -> list[Identification]:
    """How the rows of each route identify people: as configured, or by the stream's key where any identifier will do.

    Raises:
        ConfigError: no column of a stream identifies people, as far as its schema is known; it names all such streams.
    """
    if not isinstance(configured, AnyIdentifier):
        return [configured] * len(routes)
    unidentified = [
        f"stream {found.stream} goes to {found.target.name}"
        for found, rename in zip(routes, renames, strict=True)
        if found.target.names_a_person
        and found.stream.properties
        and not any(kind.column in columns_of(found, rename) for kind in configured.alternatives)
    ]
    if unidentified:
        raise ConfigError(
            f"No column of these streams identifies people: {'; '.join(unidentified)}. Nothing was written. Map a column to "
            f"one of {', '.join(kind.column for kind in configured.alternatives)}, in the connection's mapping or in the "
            "configuration (stream_mappings). Names are case-sensitive."
        )
    return [_of_stream(found, rename, configured) for found, rename in zip(routes, renames, strict=True)]


def _of_stream(found: Route, rename: Rename | None, configured: AnyIdentifier) -> AnyIdentifier:
    """The one alternative that the stream's key names; all, if it names none or several."""
    sources = rename.sources if rename else {}
    key: set[str] = set()
    for path in found.stream.primary_key:
        name = ".".join(path)
        # The key names the source's columns, or, if the connection renames them, those of the destination.
        key.update([new for new, source in sources.items() if source == name] or [name])
    columns = columns_of(found, rename)
    named = [
        kind
        for kind in configured.alternatives
        if kind.column in key and (kind.column in columns or not found.stream.properties)
    ]
    return replace(configured, alternatives=tuple(named)) if len(named) == 1 else configured


def columns_of(found: Route, rename: Rename | None) -> set[str]:
    """The columns of a stream's rows by the names that they get, as far as its schema is known."""
    properties = found.stream.properties
    return set(rename.columns_of(properties) if rename else properties)
