"""Checks the constants of stream mappings before the first row: one that no row could have would reject all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.errors import ConfigError, Rejection
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from destination_customerio.mapping.columns import AssemblySettings
    from destination_customerio.mapping.destination_object import DestinationObject
    from destination_customerio.mapping.identifiers import Identification
    from destination_customerio.routing.rename import Rename
    from destination_customerio.routing.router import Route

# What required columns may have; any other takes a 1.
_EXAMPLES = {"platform": "ios", **{kind.column: kind.example for kind in IDENTIFIER_KINDS.values()}}


def check_constants(
    routes: Sequence[Route],
    renames: Sequence[Rename | None],
    identifications: Sequence[Identification],
    settings: AssemblySettings,
) -> None:
    """Assemble a row of each mapped stream that is valid but for its constants.

    Raises:
        ConfigError: a constant would be the reason to reject every row; it names all such streams.
    """
    # An example needs no id; those of a replay come from its files.
    settings = replace(settings, event_id_strategy="none")
    problems = []
    for found, rename, identification in zip(routes, renames, identifications, strict=True):
        if rename and (
            rejection := _rejection(
                found.target, rename.constants, replace(settings, identifier_kind=identification)
            )
        ):
            problems.append(f"stream {found.stream}: {rejection.message.rstrip('.')}")
    if problems:
        raise ConfigError(
            f"Some stream mappings (stream_mappings) have a constant for which every row would be rejected: "
            f"{'; '.join(problems)}. Nothing was written. Correct these constants in the configuration."
        )


def _rejection(
    target: DestinationObject, constants: Mapping[str, Any], settings: AssemblySettings
) -> Rejection | None:
    """Why a row with these constants can't be sent, if one of them is the reason."""
    identification = settings.identifier_kind
    required = {column.name for column in target.named_columns(identification) if column.required}
    if target.names_a_person:
        required.add(identification.alternatives[0].column)
    row = {name: _EXAMPLES.get(name, "1") for name in required} | dict(constants)
    try:
        Assembler(Stream("example"), target, settings).assemble(row, b"")
    except Rejection as rejection:
        return rejection if rejection.field in constants else None
    return None
