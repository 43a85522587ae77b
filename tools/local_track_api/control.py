"""The control endpoints, without HTTP: what a test may ask of the server, and tell it. No credentials are needed.

    GET    /_control/report          all counts, and the violations of order
    GET    /_control/people          also events, objects, relationships, suppressed; ?limit= (100 unless told)
    GET    /_control/faults          the rules in force, and how often each has acted
    POST   /_control/faults          a JSON list of rules, in place of those in force (see `faults`)
    DELETE /_control/faults          no more faults
    POST   /_control/settings        {"mode": "strict" | "count", "latency_seconds": 0.05}, either or both
    POST   /_control/new_sync        sequences may start anew
    POST   /_control/reset           forget everything, faults and settings included

In the mode `count`, batches are read and answered with 200, without a look inside: a benchmark's other end.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson

from tools.local_track_api.answers import Answer, answer
from tools.local_track_api.faults import BadRule, FaultPlan, Rule
from tools.local_track_api.service import MODES, TrackService

if TYPE_CHECKING:
    from tools.local_track_api.world import World

PREFIX = "/_control/"

_DEFAULT_LIMIT = 100
_LISTS = ("people", "events", "objects", "relationships", "suppressed")


class BadControl(Exception):  # noqa: N818 - told to whoever asked, with 400
    """A control request that can't be carried out; nothing was changed."""


def control(service: TrackService, method: str, target: str, body: bytes) -> Answer:
    """Carry out one control request; `target` as in the request line."""
    parts = urlsplit(target)
    name = parts.path.removeprefix(PREFIX)
    try:
        match method, name:
            case "GET", "report":
                return answer(200, service.report())
            case "GET", "faults":
                with service.lock:
                    return answer(200, service.state.faults.to_json())
            case "GET", _ if name in _LISTS:
                return _listed(service, name, parse_qs(parts.query))
            case "POST", "faults":
                set_faults(service, _json(body))
            case "DELETE", "faults":
                set_faults(service, [])
            case "POST", "settings":
                set_settings(service, _json(body))
            case "POST", "new_sync":
                with service.lock:
                    service.state.order.new_sync()
            case "POST", "reset":
                service.reset()
            case _:
                return answer(404, {"message": f"there is no {method} {parts.path}"})
    except (BadControl, BadRule) as bad:
        return answer(HTTPStatus.BAD_REQUEST, {"message": str(bad)})
    return answer(200, {})


def set_faults(service: TrackService, rules: object) -> None:
    """Put a list of rules in force, in place of any others.

    Raises:
        BadRule: one of them is wrong; the old ones stay in force.
    """
    if not isinstance(rules, list):
        raise BadRule("the rules must be a JSON list")
    plan = FaultPlan([Rule.from_json(rule) for rule in rules])
    with service.lock:
        service.state.faults = plan


def set_settings(service: TrackService, settings: object) -> None:
    """Change the mode, the latency of batch answers, or both.

    Raises:
        BadControl: unknown settings or values.
    """
    if not isinstance(settings, dict) or not settings.keys() <= {"mode", "latency_seconds"}:
        raise BadControl("settings must be an object with mode, latency_seconds, or both")
    mode, latency = settings.get("mode", MODES[0]), settings.get("latency_seconds", 0.0)
    if mode not in MODES:
        raise BadControl(f"mode must be one of {', '.join(MODES)}")
    if type(latency) not in (int, float) or latency < 0:
        raise BadControl("latency_seconds must be a number of at least 0")
    with service.lock:
        service.state.mode = settings.get("mode", service.state.mode)
        service.state.latency_seconds = settings.get("latency_seconds", service.state.latency_seconds)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadControl("the body is not JSON") from None


def _listed(service: TrackService, name: str, query: dict[str, list[str]]) -> Answer:
    """The first `limit` things of one kind, and how many there are."""
    limit = query.get("limit", [str(_DEFAULT_LIMIT)])[0]
    if not (limit.isascii() and limit.isdigit()):
        raise BadControl("limit must be a whole number of at least 0")
    with service.lock:
        items = _items(service.state.world, name)
        # Encoded under the lock, as the items are the world's own.
        return answer(200, {"total": len(items), "items": [_as_json(item) for item in items[: int(limit)]]})


def _items(world: World, name: str) -> list[Any]:
    match name:
        case "people":
            return world.profiles()
        case "events":
            return world.events
        case "objects":
            return [
                {"object_type_id": type_id, "object_id": object_id, "attributes": attributes}
                for (type_id, object_id), attributes in world.objects.items()
            ]
        case "relationships":
            return [
                {
                    "person": person,
                    "object_type_id": type_id,
                    "object_id": object_id,
                    "attributes": attributes,
                }
                for (person, (type_id, object_id)), attributes in world.relationships.items()
            ]
        case _:
            return sorted(world.suppressed)


def _as_json(item: Any) -> Any:
    return item.to_json() if hasattr(item, "to_json") else item
