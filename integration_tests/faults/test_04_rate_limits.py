"""A storm of 429s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.faults.storms import lost_and_doubled, weather

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.local_track_api import LocalTrackApi


@pytest.mark.parametrize("wait", [None, 1, {"http_date": 2}], ids=["without", "seconds", "date"])
def test_every_row_arrives_through_a_storm_of_429s(
    api: LocalTrackApi, wait: Any, sized: Callable[[int, int], int], figures: Callable[..., None]
) -> None:
    """All lanes back off together: during the pause, only requests already in flight arrive."""
    fault = {"status": 429, "probability": 0.3, "seed": 4}
    api.inject(fault if wait is None else {**fault, "retry_after": wait})
    rows = sized(300, 2_000)
    weather(api, rows)
    report = api.report()
    refused = report["requests_by_status"]["429"]
    assert refused > 0
    # A request that left another lane before the 429 came back can't be called back: at most one a lane.
    early = report["requests_during_retry_after"]
    assert early <= refused * 7
    settled = [seconds for seconds in report["requests_during_retry_after_seconds"] if seconds > 0.5]
    assert settled == []
    figures(
        faults=f"{refused} x 429",
        rows=rows,
        **lost_and_doubled(api, range(rows)),
        sent_during_the_wait=early,
    )
