"""Checks what can be known of manual segments before the first row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.errors import ConfigError
from destination_customerio.routing.identification import columns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from destination_customerio.mapping.identifiers import Identification
    from destination_customerio.routing.rename import Rename
    from destination_customerio.routing.router import Route


def check_segments(
    routes: Sequence[Route], renames: Sequence[Rename | None], identifications: Sequence[Identification]
) -> None:
    """Check the streams whose rows are members of segments. A row that only has a phone number is rejected when it comes.

    Raises:
        ConfigError: people can't be members by the only identifier of a stream.
    """
    for found, rename, identification in zip(routes, renames, identifications, strict=True):
        if not found.target.is_member:
            continue
        columns = columns_of(found, rename)
        ways = [kind.name for kind in identification.alternatives]
        known_ways = [kind.name for kind in identification.alternatives if kind.column in columns]
        if (known_ways or ways) == ["phone"]:
            raise ConfigError(
                f"Stream {found.stream} goes to {found.target.name}, but its people are identified by phone, which "
                "Customer.io's manual segments don't accept. Nothing was written. Identify people by email, id or cio_id "
                "(identifierType, or the stream's columns), or remove the stream from the connection."
            )
