"""3. Latency bound: how far concurrency hides a slow network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import Run, Spread, interleaved, ratios, walls
from benchmarks.report import Goal, Plot, Section
from benchmarks.servers import track_api

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.servers import Bodies, TrackApi
    from benchmarks.syncs import Bench, Sync

_LATENCY_SECONDS = 0.12
_LANES = (1, 2, 4, 8, 16)
_ROWS = 240_000
_ROUNDS = 2
_MAX_BODY_BYTES = 500_000
_GOAL_LANES, _GOAL_SPEED_UP, _GOAL_FULLNESS = 8, 7.0, 0.97


def measure(bench: Bench) -> Section:
    """The same rows through 1 to 16 lanes."""
    part = Rows("events", bench.rows(_ROWS))
    path = bench.input_file(part)
    bodies: dict[str, Bodies] = {}
    with track_api(_LATENCY_SECONDS) as api:
        sides = {}
        for count in _LANES:
            sync = bench.sync(api.url, part, max_concurrent_requests=count)
            sides[str(count)] = partial(_run, sync, path, api, str(count), bodies)
        runs = interleaved(sides, bench.rounds(_ROUNDS))
    path.unlink()

    rows = [
        [
            "lanes",
            "wall, s",
            "rows/s",
            "speed-up over one lane",
            "requests",
            "bytes per request, mean",
            "maximum",
        ]
    ]
    speed_ups = {lanes: ratios(walls(runs["1"]), walls(done)) for lanes, done in runs.items()}
    rows_per_second = {lanes: part.rows / Spread.of(walls(done)).median for lanes, done in runs.items()}
    for lanes, done in runs.items():
        sent = bodies[lanes]
        figures = [
            f"{Spread.of(walls(done)):.2f}",
            f"{rows_per_second[lanes]:,.0f}",
            f"{speed_ups[lanes]:.2f}",
        ]
        rows.append([lanes, *figures, f"{sent.count:,}", f"{sent.mean_bytes:,.0f}", f"{sent.max_bytes:,}"])

    speed_up, sent = speed_ups[str(_GOAL_LANES)], bodies[str(_GOAL_LANES)]
    largest = max(each.max_bytes for each in bodies.values())
    goals = [
        Goal.at_least(
            f"{_GOAL_LANES} lanes are at least {_GOAL_SPEED_UP:g} times as fast as one",
            _GOAL_SPEED_UP,
            speed_up.median,
            f"{speed_up:.2f} times as fast",
        ),
        Goal.at_least(
            f"requests are filled to {_GOAL_FULLNESS:.0%} of {_MAX_BODY_BYTES:,} bytes on average",
            _GOAL_FULLNESS,
            sent.mean_bytes / _MAX_BODY_BYTES,
            f"{sent.mean_bytes / _MAX_BODY_BYTES:.1%}, with {_GOAL_LANES} lanes",
        ),
        Goal.at_most(
            f"no request is over {_MAX_BODY_BYTES:,} bytes",
            _MAX_BODY_BYTES,
            largest,
            f"the largest has {largest:,} bytes",
        ),
    ]
    text = (
        f"{part.rows:,} events to a server that responds after {_LATENCY_SECONDS * 1000:.0f} ms. Whole processes, including "
        "start and end, when not all lanes are busy."
    )
    note = (
        "The last request of each lane carries the remainder, so the mean falls slightly with the number of lanes and rises "
        "with the length of the sync."
    )
    return Section("Latency bound", text, rows, goals, [note], [_plot(rows_per_second)])


def _run(sync: Sync, path: Path, api: TrackApi, lanes: str, bodies: dict[str, Bodies]) -> Run:
    api.reset()
    done = sync.from_file(path)
    bodies[lanes] = api.bodies()
    return done


def _plot(rows_per_second: dict[str, float]) -> Plot:
    one = rows_per_second["1"]
    return Plot(
        "throughput.svg",
        f"Throughput against lanes, {_LATENCY_SECONDS * 1000:.0f} ms per response",
        "requests in flight (lanes)",
        "rows per second",
        {"measured": [(float(lanes), speed) for lanes, speed in rows_per_second.items()]},
        {"linear speed-up": [(float(lanes), one * float(lanes)) for lanes in rows_per_second]},
    )
