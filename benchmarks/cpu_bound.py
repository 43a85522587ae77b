"""1. CPU bound: a whole write of plain rows against the CDK's reader."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import BenchmarkError, Run, Spread, cpus, interleaved, ratios, run, walls
from benchmarks.real_rows import least_writer
from benchmarks.report import Goal, Section
from benchmarks.servers import track_api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.syncs import Bench

_ROWS_OF_EACH = 250_000
_ROUNDS = 3

_WRITE = "a whole write"
_READER = "the CDK's reader, discarding messages"
_LEAST_WRITER = "the least writer"
_MAX_OF_READER = 1.0


def measure(bench: Bench) -> Section:
    """250,000 people and 250,000 events, a state every 10,000."""
    each = bench.rows(_ROWS_OF_EACH)
    parts = Rows("people", each), Rows("events", each)
    path = bench.input_file(*parts)
    with track_api() as api:
        sync = bench.sync(api.url, *parts)
        sides: dict[str, Callable[[], Run]] = {
            _WRITE: lambda: sync.from_file(path),
            _READER: _cdk_reader(path, 2 * each),
            _LEAST_WRITER: least_writer(path, api.url, 2 * each),
        }
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
    for name, done in runs.items():
        wall = ratios(walls(runs[_WRITE]), walls(done))
        cpu = ratios(cpus(runs[_WRITE]), cpus(done))
        speed = 2 * each / Spread.of(walls(done)).median
        shown = ["", ""] if name == _WRITE else [f"{wall:.2f}", f"{cpu:.2f}"]
        rows.append(
            [name, f"{Spread.of(walls(done)):.2f}", f"{Spread.of(cpus(done)):.2f}", f"{speed:,.0f}", *shown]
        )
    of_reader = ratios(walls(runs[_WRITE]), walls(runs[_READER]))
    goal = Goal.at_most(
        f"a whole write takes no longer than {_READER}",
        _MAX_OF_READER,
        of_reader.median,
        f"{of_reader:.2f} times as long",
    )
    text = (
        f"{each:,} people (lines of about 400 bytes), then {each:,} events (about 600), a state every 10,000 rows; from a "
        "file on stdin to a server on loopback that only reads and responds. Each is a process from start to exit."
    )
    return Section("CPU bound", text, rows, [goal])


def _cdk_reader(path: Path, at_least: int) -> Callable[[], Run]:
    def start() -> Run:
        done = run([sys.executable, "-m", "benchmarks.baselines.cdk_reader"], path)
        if int(done.lines[-1]) < at_least:
            raise BenchmarkError("The CDK's reader did not read every line.")
        return done

    return start
