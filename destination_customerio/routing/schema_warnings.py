"""What the catalog shows before the first row, and is probably unintended: one warning for each cause.

Each names the stream and the columns, and says what to change. The schema is judged after renaming, as the rows are; a
stream without a schema shows nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS, MERGEABLE_KINDS
from destination_customerio.mapping.notices import MAIL_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.mapping.destination_object import DestinationObject
    from destination_customerio.mapping.identifiers import Identification

# Attributes to which Customer.io gives a meaning, by the kind of object. Names are case-sensitive.
_PERSON_ATTRIBUTES = frozenset(
    {
        "_update",
        "cio_id",
        "cio_subscription_preferences",
        "created_at",
        "email",
        "id",
        "phone",
        "timezone",
        "unsubscribed",
    }
)
_RESERVED_ATTRIBUTES = {
    "person_identify": _PERSON_ATTRIBUTES,
    "object_identify": frozenset({"created_at"}),
    "person_event": MAIL_ATTRIBUTES,
    "person_page": MAIL_ATTRIBUTES,
    "person_screen": MAIL_ATTRIBUTES,
}
_MAX_LISTED = 20


def schema_warnings(
    stream: Stream, columns: Collection[str], target: DestinationObject, configured: Identification
) -> Iterator[str]:
    """Warnings about one stream.

    Args:
        stream: the stream
        columns: the columns of its schema, after renaming
        target: the object that it goes to
        configured: how the configuration identifies people
    """
    if stream.properties:
        yield from _missing_columns(stream, columns, target, configured)
    if misspelled := _misspelled(columns, target, configured):
        yield (
            f"Stream {stream} has columns that are spelled almost like names with a meaning: {_listed(misspelled)}. "
            "Names are case-sensitive, so these columns are sent as ordinary attributes and have no effect of their own. "
            "Rename them in lower case if the effect is intended."
        )


def overwrite_warnings(streams: Sequence[Stream]) -> Iterator[str]:
    """One warning about all streams that are configured to overwrite."""
    named = [
        f"{stream} ({stream.destination_sync_mode})"
        for stream in streams
        if stream.destination_sync_mode.startswith("overwrite")
    ]
    if named:
        yield (
            f"Some streams are configured to overwrite the destination: {_listed(named)}. Customer.io can't be overwritten, "
            "so their rows are appended: existing people and objects are updated, events are added, and nothing is deleted. "
            "Set the destination sync mode (destination_sync_mode) to append."
        )


def _missing_columns(
    stream: Stream, columns: Collection[str], target: DestinationObject, configured: Identification
) -> Iterator[str]:
    for required in target.named_columns(configured):
        if not required.required or required.name in columns:
            continue
        text = f"Stream {stream} has no column {required.name} in its schema, which {target.name} requires"
        if required.name in {kind.column for kind in configured.alternatives}:
            text += f", as the configuration identifies people by {configured.name} (identifierType)"
            yield f"{text}. {_rejected(required.name)} {_other_identifier(columns, required.name)}"
        else:
            yield f"{text}. {_rejected(required.name)} {_rename(columns, required.name)}"
    if target.name == "person_merge":
        for side in ("primary", "secondary"):
            names = [f"{side}_{kind}" for kind in MERGEABLE_KINDS]
            if not any(name in columns for name in names):
                yield (
                    f"Stream {stream} has none of the columns {', '.join(names)} in its schema, of which person_merge "
                    f"requires one. {_rejected(names[0])} {_rename(columns, names[0])}"
                )


def _rejected(column: str) -> str:
    return f"Rows without {column} are rejected."


def _other_identifier(columns: Collection[str], required: str) -> str:
    others = [other for other in IDENTIFIER_KINDS.values() if other.column in columns]
    if not others:
        return _rename(columns, required)
    named = " and ".join(other.column for other in others)
    choices = " or ".join(other.name for other in others)
    return f"The schema has {named}: set identifierType to {choices}, or map a column to {required}."


def _rename(columns: Collection[str], required: str) -> str:
    similar = [column for column in columns if column.lower() == required]
    if similar:
        return f"The schema has {_listed(similar)}, and names are case-sensitive: rename it to {required}, or map it."
    return f"Map a column or a constant to {required}, in the connection's mapping or in stream_mappings."


def _misspelled(columns: Collection[str], target: DestinationObject, configured: Identification) -> list[str]:
    """The columns with a reserved name in other case; required columns have a warning of their own."""
    reserved = _RESERVED_ATTRIBUTES.get(target.name, frozenset()) | {
        column.name for column in target.named_columns(configured) if not column.required
    }
    # Preferences may be spelled as paths: cio_subscription_preferences.topics.topic_1.
    stems = {column: column.split(".")[0] for column in columns}
    return [column for column, stem in stems.items() if stem.lower() in reserved and stem not in reserved]


def _listed(names: Sequence[str]) -> str:
    further = len(names) - _MAX_LISTED
    return ", ".join(name[:200] for name in names[:_MAX_LISTED]) + (
        f" and {further:,} more" if further > 0 else ""
    )
