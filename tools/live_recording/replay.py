"""Sends recorded requests to the local Track API: it should answer as Customer.io did.

python -m tools.live_recording.replay FILE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from tools.live_recording.exchange import Exchange, read_recording
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterable

_TIMEOUT_SECONDS = 30
# Say something about the moment, not about the request.
_OF_THE_MOMENT = frozenset({401, 403, 408, 429, *range(500, 600)})


def differences(exchanges: Iterable[Exchange], api: LocalTrackApi) -> list[str]:
    """One line for each request that the local server answers in another way: status, or rows named with reason and field.

    Messages may differ: no program depends on them.
    """
    found = []
    for number, exchange in enumerate(exchanges, 1):
        if exchange.status in _OF_THE_MOMENT:
            continue
        answer = requests.request(
            exchange.method,
            api.url + exchange.path,
            data=exchange.request.encode() or None,
            headers={"Content-Type": "application/json"},
            auth=(api.site_id, api.api_key),
            timeout=_TIMEOUT_SECONDS,
        )
        recorded, local = (exchange.status, exchange.answer), (answer.status_code, answer.text)
        if essence(*recorded) != essence(*local):
            found.append(
                f"request {number} ({exchange.method} {exchange.path}): Customer.io answered {essence(*recorded)}, the local "
                f"server {essence(*local)}"
            )
    return found


def essence(status: int, answer: str) -> tuple[int, frozenset[Any]]:
    """What a program depends on in an answer: the status, the members, and each error's row, reason and field."""
    try:
        parsed = json.loads(answer) if answer.strip() else {}
    except ValueError:
        return status, frozenset({"not JSON"})
    if not isinstance(parsed, dict):
        return status, frozenset({"not an object"})
    errors = parsed.get("errors")
    if not isinstance(errors, list):
        return status, frozenset(parsed)
    return status, frozenset(
        (error.get("batch_index"), error.get("reason"), error.get("field"))
        if isinstance(error, dict)
        else "not an object"
        for error in errors
    )


def main(file: Path) -> int:
    """Print the differences; returns the exit code."""
    exchanges = read_recording(file)
    with LocalTrackApi() as api:
        found = differences(exchanges, api)
    for line in found:
        print(line)
    print(f"{len(exchanges)} requests, {len(found)} answered differently by tools/local_track_api.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
