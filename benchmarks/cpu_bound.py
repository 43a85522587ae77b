"""1. CPU bound: a whole write against the CDK's reader and against bare parsing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import BenchmarkError, Run, Spread, cpus, interleaved, ratios, run, walls
from benchmarks.report import Goal, Section
from benchmarks.servers import track_api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.syncs import Bench

_ROWS_OF_EACH = 500_000
_ROUNDS = 3

_WRITE = "a whole write"
_READER = "(a) the CDK's reader, discarding messages"
_LOADS = "(b) `orjson.loads` of each line"
_MODULES = {_READER: "benchmarks.baselines.cdk_reader", _LOADS: "benchmarks.baselines.bare_loads"}
_GOALS = {
    _READER: (1.0, f"a whole write takes no longer than {_READER}"),
    _LOADS: (1.8, f"a whole write takes at most 1.8 times as long as {_LOADS}"),
}


def measure(bench: Bench) -> Section:
    """500,000 people and 500,000 events, a state every 10,000."""
    each = bench.rows(_ROWS_OF_EACH)
    parts = Rows("people", each), Rows("events", each)
    path = bench.input_file(*parts)
    with track_api() as api:
        sync = bench.sync(api.url, *parts)
        sides: dict[str, Callable[[], Run]] = {_WRITE: lambda: sync.from_file(path)}
        for name, module in _MODULES.items():
            sides[name] = _reader_of(module, path, 2 * each)
        runs = interleaved(sides, bench.rounds(_ROUNDS))
    path.unlink()

    rows = [
        [
            "process",
            "wall, s",
            "CPU, s",
            "rows/s",
            "wall of the write relative to it",
            "CPU of the write relative to it",
        ]
    ]
    goals = []
    for name, done in runs.items():
        wall = ratios(walls(runs[_WRITE]), walls(done))
        cpu = ratios(cpus(runs[_WRITE]), cpus(done))
        speed = 2 * each / Spread.of(walls(done)).median
        shown = ["", ""] if name == _WRITE else [f"{wall:.2f}", f"{cpu:.2f}"]
        rows.append(
            [name, f"{Spread.of(walls(done)):.2f}", f"{Spread.of(cpus(done)):.2f}", f"{speed:,.0f}", *shown]
        )
        if name in _GOALS:
            limit, wanted = _GOALS[name]
            goals.append(Goal.at_most(wanted, limit, wall.median, f"{wall:.2f} times as long"))
    text = (
        f"{each:,} people (lines of about 400 bytes), then {each:,} events (about 600), a state every 10,000 rows; from a "
        "file on stdin to a server on loopback that only reads and responds. Each is a process from start to exit."
    )
    return Section("CPU bound", text, rows, goals)


def _reader_of(module: str, path: Path, at_least: int) -> Callable[[], Run]:
    def start() -> Run:
        done = run([sys.executable, "-m", module], path)
        if int(done.lines[-1]) < at_least:
            raise BenchmarkError(f"{module} did not read every line.")
        return done

    return start
