"""Errors of a line that ends the sync: what it is, what that means for the data, and what to do.

They name the line's number and its stream, never anything else of its content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.errors import ProtocolError
from destination_customerio.masking import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from destination_customerio.airbyte.catalog import Stream

_MAX_LISTED_STREAMS = 20
_MAX_NAME_CHARACTERS = 200
CONSEQUENCE = (
    "Rows before it were delivered; nothing after it was processed, and the next attempt resumes from the last "
    "acknowledged state."
)


def not_a_message(line_number: int, why: str) -> ProtocolError:
    """For a line that is no message of the protocol; `why` is half a sentence about its form."""
    return ProtocolError(
        f"Line {line_number:,} of the input is not a message of the Airbyte protocol: {why}. {CONSEQUENCE} Check that only "
        "the source writes to this input: a program in between may print log lines of its own, or cut lines off."
    )


def without_data(line_number: int, stream: Stream, *, is_null: bool) -> ProtocolError:
    """For a RECORD of a configured stream whose `data` is no object."""
    found = "null" if is_null else "missing or not an object"
    return ProtocolError(
        f"Line {line_number:,} of the input is a row without data: its `data` is {found}. It belongs to stream {stream}. "
        f"{CONSEQUENCE} What the row should hold is unknown, so it is neither delivered nor rejected. This is a fault in "
        "the source connector: update it, or deselect this stream until it is fixed."
    )


def unknown_stream(
    line_number: int, kind: str, namespace: str, name: str, candidates: Sequence[Stream]
) -> ProtocolError:
    """For a row or a state of a stream that is not in the catalog, or could be one of several.

    Args:
        line_number: the line's number, from 1
        kind: `row` or `state`
        namespace: the stream's namespace as the message spells it; "" if it has none
        name: the stream's name as the message spells it
        candidates: the catalog's streams with that name, else all of them
    """
    shown = printable(f"{namespace}.{name}" if namespace else name)[:_MAX_NAME_CHARACTERS]
    listed = ", ".join(str(stream) for stream in candidates[:_MAX_LISTED_STREAMS])
    further = len(candidates) - _MAX_LISTED_STREAMS
    return ProtocolError(
        f"Line {line_number:,} of the input is a {kind} of stream {shown}, which is not a stream of the configured catalog. "
        f"Candidates in the catalog: {listed or 'none'}{f' and {further:,} more' if further > 0 else ''}. {CONSEQUENCE} "
        "Give the source and this destination the same catalog, with the same names and namespaces: in Airbyte, refresh "
        "the source's schema and save the connection."
    )
