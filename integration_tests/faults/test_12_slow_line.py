"""A line that is too slow for all lanes at once."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import Connector, catalog_of, record, stream, stream_state
from integration_tests.faults.sizes import IS_LONG
from integration_tests.faults.storms import config_of, lost_and_doubled
from integration_tests.slow_line import slow_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.local_track_api import LocalTrackApi

ROWS_PER_REQUEST = 16


def sync(
    api: LocalTrackApi,
    bytes_per_second: float,
    requests: int,
    patience_seconds: float = math.inf,
    **config: object,
) -> int:
    """Sync about so many full requests over a slow line; returns how many had to be sent again."""
    rows = requests * ROWS_PER_REQUEST
    lines = [
        record(
            "orders",
            {"person_email": f"u{number}@b.c", "event_name": "paid", "_seq": number, "x": "x" * 30_000},
        )
        for number in range(rows)
    ]
    catalog = catalog_of(stream("orders", "person_event"))
    with slow_line(api.url, bytes_per_second, patience_seconds) as url:
        settings = {**config_of(api, **config), "track_api_url": url}
        with Connector("write", settings, catalog) as connector:
            connector.send([*lines, stream_state("orders", rows)])
            connector.close_stdin()
            # A log line comes every half minute, so this may take as long as the line needs.
            for _ in connector.messages("LOG"):
                pass
            done = connector.finish()
    assert (done.exit_code, done.errors, len(done.states)) == (0, [], 1)
    assert sorted(event.attributes["_seq"] for event in api.world.events) == list(range(rows))
    assert api.order_violations == []
    (retries,) = (match for line in done.logs if (match := re.search(r"to Customer\.io, (\d+) retr", line)))
    return int(retries[1])


def test_a_request_that_makes_progress_is_not_sent_again(
    api: LocalTrackApi, figures: Callable[..., None]
) -> None:
    """Eight requests share the line for longer than a server may be silent, and all arrive."""
    resends = sync(api, 800_000, requests=16, retry_timeout_seconds=3)
    assert resends == 0
    figures(faults="a slow line", rows=256, **lost_and_doubled(api, range(256)), resends=resends)


def test_requests_that_are_cut_off_midway_make_room_for_one_another(
    api: LocalTrackApi, figures: Callable[..., None]
) -> None:
    """A gateway gives no eight requests at once the time they need; after the first ones fewer are sent at once."""
    resends = sync(api, 800_000, requests=24, patience_seconds=3.5)
    assert 0 < resends <= 12
    figures(
        faults="a gateway before a slow line", rows=384, **lost_and_doubled(api, range(384)), resends=resends
    )


@pytest.mark.skipif(not IS_LONG, reason="takes four minutes; `make chaos` has them")
def test_a_line_of_512_kbit_carries_a_sync(api: LocalTrackApi, figures: Callable[..., None]) -> None:
    """At most one request in ten is sent again."""
    resends = sync(api, 64_000, requests=30)
    assert resends <= 3
    figures(faults="512 kbit/s", rows=480, **lost_and_doubled(api, range(480)), resends=resends)
