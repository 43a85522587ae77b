"""The control endpoints, without HTTP, for programs that run the server as a process. No credentials are needed.

    GET    /_control/report          all counts
    GET    /_control/people          also events
    POST   /_control/settings        {"mode": "strict" | "count", "latency_seconds": 0.05}, either or both
    POST   /_control/segments        {"id": 7}: create a manual segment
    POST   /_control/reset           forget everything, faults and settings included

In the mode `count`, batches are read and answered with 200 and not parsed: the far end of a benchmark.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from tools.local_track_api.answers import Answer, answer

if TYPE_CHECKING:
    from tools.local_track_api.service import TrackService

PREFIX = "/_control/"


def control(service: TrackService, method: str, path: str, body: bytes) -> Answer:
    """Carry out one control request."""
    match method, path.removeprefix(PREFIX):
        case "GET", "report":
            return answer(200, service.report())
        case "GET", "people":
            with service.lock:
                # Encoded under the lock, as the profiles belong to the world.
                return answer(200, [person.to_json() for person in service.state.world.profiles()])
        case "GET", "events":
            with service.lock:
                return answer(200, [event.to_json() for event in service.state.world.events])
        case "POST", "settings":
            settings: dict[str, Any] = orjson.loads(body)
            service.configure(**settings)
        case "POST", "segments":
            service.create_segment(str(orjson.loads(body)["id"]))
        case "POST", "reset":
            service.reset()
        case _:
            return answer(HTTPStatus.NOT_FOUND, {"message": f"there is no {method} {path}"})
    return answer(200, {})
