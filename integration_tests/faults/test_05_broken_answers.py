"""Failing servers, broken connections, and answers that say nothing, or nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import catalog_of, record, run_connector, stream, stream_state
from integration_tests.faults.sizes import IS_LONG
from integration_tests.faults.storms import config_of, faults_in, lost_and_doubled, weather

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.local_track_api import LocalTrackApi


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503, "apply": True},
        {"reset_before": True},
        {"truncate": True},
        {"garbage": True},
    ],
    ids=["500", "503 after applying", "reset", "truncated", "garbage"],
)
def test_every_row_arrives_when_three_in_ten_requests_break(
    api: LocalTrackApi, fault: dict[str, Any], sized: Callable[[int, int], int], figures: Callable[..., None]
) -> None:
    """Once, in order per person, acknowledged."""
    api.inject({**fault, "probability": 0.3, "seed": 5})
    rows = sized(500, 5_000)
    done = weather(api, rows)
    assert faults_in(api) > 0
    assert "0 retries" not in done.logs[-1]
    figures(
        faults=f"30% {next(iter(fault))}: {faults_in(api)}", rows=rows, **lost_and_doubled(api, range(rows))
    )


HANGING = [record("orders", {"person_email": "a@b.c", "event_name": "paid"}), stream_state("orders", 1)]


def test_a_hang_as_long_as_the_budget_ends_the_sync(api: LocalTrackApi, figures: Callable[..., None]) -> None:
    """A silence is never waited for longer than a request may be tried again."""
    api.inject({"hang_seconds": 1_000})
    config = config_of(api, retry_timeout_seconds=2)
    done = run_connector("write", config, catalog_of(stream("orders", "person_event")), HANGING)
    assert (done.exit_code, done.states) == (1, [])
    assert done.error["failure_type"] == "transient_error"
    figures(faults="a server that hangs", rows=1)


@pytest.mark.skipif(not IS_LONG, reason="waits for the read timeout of half a minute; `make chaos` does")
def test_a_hang_beyond_the_read_timeout_is_tried_again(
    api: LocalTrackApi, figures: Callable[..., None]
) -> None:
    """The silence ends with the timeout, and the next attempt delivers."""
    api.inject({"hang_seconds": 1_000, "request": 1})
    done = run_connector("write", config_of(api), catalog_of(stream("orders", "person_event")), HANGING)
    assert (done.exit_code, len(done.states), len(api.world.events)) == (0, 1, 1)
    figures(faults="1 hang", rows=1)


NONSENSE: list[Any] = [
    [{"reason": "invalid"}],
    [{"batch_index": -1}],
    [{"batch_index": 10**9}],
    [{"batch_index": "0"}],
    [{"batch_index": 1.5}],
]


@pytest.mark.parametrize("errors", NONSENSE, ids=str)
def test_a_207_that_names_no_row_rejects_none_by_guess(
    api: LocalTrackApi, errors: Any, figures: Callable[..., None]
) -> None:
    """Halving finds that all rows are good; none is counted as rejected, and none counts twice."""
    api.inject({"errors207": errors, "times": 2})
    done = weather(api, 500, max_concurrent_requests=1)
    (summary,) = (line for line in done.logs if line.startswith("Stream orders: 500 rows read"))
    assert " 0 rejected" in summary
    figures(faults="2 x 207 without a usable index", rows=500, **lost_and_doubled(api, range(500)))


def test_a_207_that_names_one_row_twice_rejects_it_once(api: LocalTrackApi) -> None:
    """Both messages are kept; the neighbours are accepted."""
    errors = [{"batch_index": 0, "message": "a"}, {"batch_index": 0, "message": "b"}]
    api.inject({"errors207": errors, "request": 1})
    event = {"person_email": "a@b.c", "event_name": "paid"}
    lines = [*(record("orders", {**event, "n": n}) for n in range(3)), stream_state("orders", 3)]
    done = run_connector("write", config_of(api), catalog_of(stream("orders", "person_event")), lines)
    assert done.states[0]["destinationStats"] == {"recordCount": 2.0, "rejectedRecordCount": 1.0}
    assert [event.attributes["n"] for event in api.world.events] == [1, 2]


def test_a_207_that_names_every_row_rejects_them_all(api: LocalTrackApi) -> None:
    """They are the rows' own faults, each with an index; the sync succeeds."""
    api.inject({"errors207": "every entry"})
    event = {"person_email": "a@b.c", "event_name": "paid"}
    lines = [*(record("orders", {**event, "n": n}) for n in range(50)), stream_state("orders", 50)]
    done = run_connector("write", config_of(api), catalog_of(stream("orders", "person_event")), lines)
    assert done.exit_code == 0
    assert done.states[0]["destinationStats"] == {"recordCount": 0.0, "rejectedRecordCount": 50.0}
    assert api.report()["requests"]["batch"] == 1
