"""4. Many lanes: what 64 lanes gain over 32."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import Run, Spread, cpus, interleaved, ratios, walls
from benchmarks.report import Goal, Section
from benchmarks.servers import track_api

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.servers import Bodies, TrackApi
    from benchmarks.syncs import Bench, Sync

_LATENCY_SECONDS = 0.12
_FEW, _MANY = 32, 64
_ROWS = {"events": 300_000, "large": 12_000}
_NAMES = {"events": "rows of 600 bytes", "large": "rows of 30 KB"}
_ROUNDS = 3
_MAX_BODY_BYTES = 500_000
_GOAL_SPEED_UP = 1.7


def measure(bench: Bench) -> Section:
    """The same rows through 32 and 64 lanes."""
    table = [
        ["rows", "lanes", "wall, s", "CPU, s", "rows/s", f"speed-up over {_FEW} lanes", "requests filled to"]
    ]
    goals = []
    with track_api(_LATENCY_SECONDS) as api:
        for kind, count in _ROWS.items():
            part = Rows(kind, bench.rows(count))
            path = bench.input_file(part)
            bodies: dict[int, Bodies] = {}
            sides = {
                str(lanes): partial(
                    _run, bench.sync(api.url, part, max_concurrent_requests=lanes), path, api, lanes, bodies
                )
                for lanes in (_FEW, _MANY)
            }
            runs = interleaved(sides, bench.rounds(_ROUNDS))
            path.unlink()
            speed_up = ratios(walls(runs[str(_FEW)]), walls(runs[str(_MANY)]))
            for lanes in (_FEW, _MANY):
                done = runs[str(lanes)]
                wall = Spread.of(walls(done))
                shown = f"{speed_up:.2f}" if lanes == _MANY else ""
                figures = [f"{wall:.2f}", f"{Spread.of(cpus(done)):.2f}", f"{part.rows / wall.median:,.0f}"]
                fullness = f"{bodies[lanes].mean_bytes / _MAX_BODY_BYTES:.0%}"
                table.append([_NAMES[kind], str(lanes), *figures, shown, fullness])
            goals.append(
                Goal.at_least(
                    f"{_MANY} lanes are at least {_GOAL_SPEED_UP} times as fast as {_FEW}, with {_NAMES[kind]}",
                    _GOAL_SPEED_UP,
                    speed_up.median,
                    f"{speed_up:.2f} times as fast",
                )
            )
    text = (
        f"Events to a server that responds after {_LATENCY_SECONDS * 1000:.0f} ms. All rows pass through one thread: once that "
        "is busy all the time, more lanes gain nothing."
    )
    return Section("Many lanes", text, table, goals)


def _run(sync: Sync, path: Path, api: TrackApi, lanes: int, bodies: dict[int, Bodies]) -> Run:
    api.reset()
    done = sync.from_file(path)
    bodies[lanes] = api.bodies()
    return done
