"""The answers of the Track API, and the envelopes of its refusals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tools.local_track_api.body import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON_TYPE = "application/json"

ENVELOPES = ("errors", "meta.error", "meta.errors", "message")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer; `headers` are those other than Content-Type and Content-Length."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(status: int, payload: Any) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, encode(payload))


def refusal(status: int, reason: str, where: str, message: str, envelope: str = "errors") -> Answer:
    """A whole request refused, in one of the four envelopes that the API has been seen to use.

    Raises:
        ValueError: no such envelope.
    """
    match envelope:
        case "errors":
            return answer(status, {"errors": [{"reason": reason, "field": where, "message": message}]})
        case "meta.error":
            return answer(status, {"meta": {"error": message}})
        case "meta.errors":
            return answer(status, {"meta": {"errors": [message]}})
        case "message":
            return answer(status, {"message": message})
    raise ValueError(f"no such envelope; the known ones are {', '.join(ENVELOPES)}")
