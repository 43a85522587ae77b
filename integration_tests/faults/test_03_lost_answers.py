"""The server applies a request, and its response is lost: the retry must not count twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration_tests.faults.storms import lost_and_doubled, weather

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.local_track_api import LocalTrackApi


@pytest.mark.parametrize("ids", ["given", "retry_safe", "from_row"])
def test_a_lost_answer_doubles_no_event(
    api: LocalTrackApi, ids: str, sized: Callable[[int, int], int], figures: Callable[..., None]
) -> None:
    """Whether the row brings an id, or the connector makes one."""
    api.inject({"reset_after_apply": True, "probability": 0.3, "seed": 3})
    rows = sized(1_000, 5_000)
    if ids == "given":
        weather(api, rows, given_ids=True)
    else:
        weather(api, rows, event_id_strategy=ids)
    repeated = api.report()["ignored"]["repeated_events"]
    assert repeated > 0
    figures(
        faults="30% of answers lost",
        rows=rows,
        **lost_and_doubled(api, range(rows)),
        repeated_and_ignored=repeated,
    )
