"""5. Slow uplinks: full requests over a line that is too slow for all lanes at once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import BenchmarkError, Run
from benchmarks.report import Goal, Section
from benchmarks.servers import track_api
from integration_tests.slow_line import slow_line

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.servers import Bodies
    from benchmarks.syncs import Bench

# Full requests by kilobits per second: one and a half minutes each.
_REQUESTS = {1_000: 22, 512: 11}
_ROWS_A_REQUEST = 16
_MAX_RESENT_SHARE = 0.1


def measure(bench: Bench) -> Section:
    """Both lines at the same time, as the connector mostly waits."""
    # The slower line with fewer requests, so that a smoke test takes seconds.
    requests = {speed: 1 if bench.is_quick else count for speed, count in _REQUESTS.items()}
    paths = {
        speed: bench.input_file(Rows("large", count * _ROWS_A_REQUEST)) for speed, count in requests.items()
    }
    with ThreadPoolExecutor(len(requests)) as pool:
        started = {
            speed: pool.submit(_run, bench, speed, requests[speed] * _ROWS_A_REQUEST, path)
            for speed, path in paths.items()
        }
        found = {speed: future.result() for speed, future in started.items()}
    table = [["upstream", "rows", "requests", "sent again", "wall, s", "used of the line"]]
    goals = []
    for speed, (done, sent, resent) in found.items():
        name = f"{speed:,} kbit/s"
        used = sent.count * sent.mean_bytes * 8 / (speed * 1_000) / done.wall_seconds
        rows = requests[speed] * _ROWS_A_REQUEST
        table.append(
            [name, f"{rows:,}", f"{sent.count}", f"{resent}", f"{done.wall_seconds:.0f}", f"{used:.0%}"]
        )
        goals.append(
            Goal.at_most(
                f"at {name} a sync completes, with at most one resend in ten requests",
                _MAX_RESENT_SHARE,
                resent / sent.count,
                f"{resent} of {sent.count} requests",
            )
        )
    text = (
        "Events of 30 KB, so that all requests are full, through a line on loopback that carries so many bits a second "
        "upstream over all connections together; eight lanes, run once."
    )
    return Section("Slow uplinks", text, table, goals)


def _run(bench: Bench, kilobits: int, rows: int, path: Path) -> tuple[Run, Bodies, int]:
    """The run, the requests that arrived, and how many were sent again."""
    with track_api() as api, slow_line(api.url, kilobits * 1_000 / 8) as url:
        done = bench.sync(url, Rows("large", rows)).from_file(path)
        resent = re.search(rb"to Customer\.io, (\d+) retr", b"".join(done.lines))
        if resent is None:
            raise BenchmarkError("The connector does not say how many requests it has sent again.")
        return done, api.bodies(), int(resent[1])
