"""Where an entry is sent. Nearly all go to the batch endpoint; members of manual segments go to endpoints of their own.

A body is always a list of entries between an opening and a closing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from destination_customerio.mapping.limits import MAX_SEGMENT_IDS

if TYPE_CHECKING:
    from collections.abc import Callable


class Probe(NamedTuple):
    """A request that changes nothing: if it is refused too, the rows are not the reason.

    body  makes a body
    """

    path: str
    body: Callable[[], bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """An endpoint of the Track API: `path` with its query, and what surrounds the entries of a body.

    probe       what to send to find out whether the endpoint works at all
    parameters  what the path says about all entries, by name
    column      the column whose value is in the path, and which may be why nothing is accepted; "" for none
    """

    path: str
    opening: bytes
    closing: bytes
    probe: Probe
    max_entries: int = sys.maxsize
    parameters: tuple[tuple[str, str], ...] = ()
    column: str = ""


_BATCH_PATH = "/api/v2/batch"
BATCH = Endpoint(_BATCH_PATH, b'{"batch":[', b"]}", Probe(_BATCH_PATH, lambda: b'{"batch":[]}'))


# Cached, as equal endpoints are one object almost always; two objects for one endpoint only cost a request more.
@lru_cache(maxsize=4_096)
def segment_endpoint(segment_id: str, action: str, id_type: str) -> Endpoint:
    """The endpoint that adds people to a segment, or removes them, by one kind of identifier."""
    return Endpoint(
        f"/api/v1/segments/{segment_id}/{action}?id_type={id_type}",
        b'{"ids":[',
        b"]}",
        Probe(f"/api/v1/segments/{segment_id}/remove_customers?id_type={id_type}", partial(_nobody, id_type)),
        MAX_SEGMENT_IDS,
        (("action", action), ("segment_id", segment_id), ("id_type", id_type)),
        "segment_id",
    )


def _nobody(id_type: str) -> bytes:
    """An id that nobody has, which Customer.io ignores; each time another one, so that not even two probes share a person."""
    name = uuid4().hex
    return b'{"ids":["%b"]}' % (f"{name}@nobody.invalid" if id_type == "email" else name).encode()


class Several(NamedTuple):
    """The encoded entries of a row that is too large for one."""

    entries: tuple[bytes, ...]


class SegmentMember(NamedTuple):
    """A person to be added to a segment or removed from it: where to, and the encoded identifier."""

    endpoint: Endpoint
    entry: bytes
