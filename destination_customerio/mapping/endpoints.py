"""Where an entry is sent. Nearly all go to the batch endpoint; members of manual segments go to endpoints of their own.

A body is always a list of entries between an opening and a closing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from destination_customerio.mapping.limits import MAX_SEGMENT_IDS


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of the Track API: `path` with its query, and what surrounds the entries of a body.

    parameters  what the path says about all entries, by name
    """

    path: str
    opening: bytes
    closing: bytes
    max_entries: int = sys.maxsize
    parameters: tuple[tuple[str, str], ...] = ()


BATCH = Endpoint("/api/v2/batch", b'{"batch":[', b"]}")


# Cached, as equal endpoints are one object almost always; two objects for one endpoint only cost a request more.
@lru_cache(maxsize=1_024)
def segment_endpoint(segment_id: str, action: str, id_type: str) -> Endpoint:
    """The endpoint that adds people to a segment, or removes them, by one kind of identifier."""
    return Endpoint(
        f"/api/v1/segments/{segment_id}/{action}?id_type={id_type}",
        b'{"ids":[',
        b"]}",
        MAX_SEGMENT_IDS,
        (("action", action), ("segment_id", segment_id), ("id_type", id_type)),
    )


class Several(NamedTuple):
    """The entries of a row that is too large for one: encoded, joined by commas, and how many there are."""

    joined: bytes
    parts: int


class Member(NamedTuple):
    """A person to be added to a segment or removed from it: where to, and the encoded identifier."""

    endpoint: Endpoint
    entry: bytes
