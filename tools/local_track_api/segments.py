"""The v1 endpoints of manual segments: `POST /api/v1/segments/{id}/add_customers` and `…/remove_customers`.

Written from the published reference, and sharing no code with the connector.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

_PATH = re.compile(r"/api/v1/segments/([0-9]+)/(add|remove)_customers")
_ID_TYPES = ("id", "email", "cio_id")
_MAX_IDS = 1_000


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """One call: which segment, what to do, and by which kind of identifier the people are named."""

    segment_id: str
    action: str
    id_type: str


class RefusedSegment(Exception):  # noqa: N818 - what the request is, answered with 400
    """Why a call is refused as a whole."""


def segment_request(target: str) -> SegmentRequest | None:
    """The call that a request's target makes, or None for any other path."""
    parts = urlsplit(target)
    found = _PATH.fullmatch(parts.path)
    if found is None:
        return None
    id_type = parse_qs(parts.query).get("id_type", ["id"])[-1]
    return SegmentRequest(found[1], found[2], id_type)


def ids_of(call: SegmentRequest, body: bytes) -> list[str]:
    """The ids of a body.

    Raises:
        RefusedSegment: the body or the kind of identifier breaks a rule.
    """
    if call.id_type not in _ID_TYPES:
        raise RefusedSegment(f"id_type must be one of {', '.join(_ID_TYPES)}")
    try:
        parsed = json.loads(body)
    except ValueError:
        raise RefusedSegment("the body is not JSON") from None
    ids = parsed.get("ids") if type(parsed) is dict else None
    if type(ids) is not list or not 1 <= len(ids) <= _MAX_IDS:
        raise RefusedSegment(f"ids must be a list of 1 to {_MAX_IDS} ids")
    if not all(type(name) is str and name.strip() for name in ids):
        raise RefusedSegment("ids must be strings that are not blank")
    return ids
