"""11. Alternatives: the same rows through hand-written clients."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import BenchmarkError, Run, Spread, interleaved, ratios, run, walls
from benchmarks.report import Goal, Section
from benchmarks.servers import accept_everything, answered_rows
from benchmarks.syncs import DEFAULT_LANES

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.syncs import Bench, Sync

_LATENCY_SECONDS = 0.02
_ROWS = 50_000
_ROUNDS = 3
# All 50,000 one by one would take twenty minutes per round; every thousand takes the same time.
_ROWS_ONE_BY_ONE = 1_000
# A round number that keeps requests of these rows below 500,000 bytes.
_ROWS_A_BATCH = 1_200
_MIN_TIMES_AS_FAST_AS_IDENTIFY = 50.0

_OURS = "the connector"
_IDENTIFY = "`customerio`: `identify`, row by row"
_BATCHES = "`async-customerio`: `send_batch`"


def measure(bench: Bench) -> Section:
    """50,000 people to a server that accepts everything after 20 ms."""
    if bench.compared_python is None:
        raise BenchmarkError("The libraries to compare with are not installed; `make bench` installs them.")
    python = str(bench.compared_python)
    part = Rows("people", bench.rows(_ROWS))
    one_by_one = bench.rows(_ROWS_ONE_BY_ONE)
    path = bench.input_file(part)
    with accept_everything(_LATENCY_SECONDS) as url:
        identify = [python, "-m", "benchmarks.baselines.identify_rows", url, str(one_by_one)]
        batches = [
            python,
            "-m",
            "benchmarks.baselines.send_batches",
            url,
            str(_ROWS_A_BATCH),
            str(DEFAULT_LANES),
        ]
        sides = {
            _OURS: partial(_connector, bench.sync(url, part), path, url, part.rows),
            _BATCHES: partial(_batches, batches, path, url, part.rows),
            _IDENTIFY: partial(_one_by_one, identify, path, one_by_one),
        }
        runs = interleaved(sides, bench.rounds(_ROUNDS))

    seconds = {
        _OURS: walls(runs[_OURS]),
        _BATCHES: walls(runs[_BATCHES]),
        _IDENTIFY: [_extrapolated(done, part.rows) for done in runs[_IDENTIFY]],
    }
    times = {name: ratios(found, seconds[_OURS]) for name, found in seconds.items()}
    rows = [
        [
            "process",
            "requests in flight",
            f"wall for {part.rows:,} rows, s",
            "rows/s",
            "time relative to the connector",
        ]
    ]
    for name, found in seconds.items():
        wall = Spread.of(found)
        at_once = "1" if name == _IDENTIFY else f"{DEFAULT_LANES}"
        ratio = "" if name == _OURS else f"{times[name]:.1f}"
        rows.append([name, at_once, f"{wall:.2f}", f"{part.rows / wall.median:,.0f}", ratio])
    goals = [
        Goal.at_least(
            f"at least {_MIN_TIMES_AS_FAST_AS_IDENTIFY:.0f} times as fast as {_IDENTIFY}",
            _MIN_TIMES_AS_FAST_AS_IDENTIFY,
            times[_IDENTIFY].median,
            f"{times[_IDENTIFY]:.0f} times as fast",
        ),
        Goal.at_least(
            f"ahead of {_BATCHES}", 1.0, times[_BATCHES].median, f"{times[_BATCHES]:.2f} times as fast"
        ),
    ]
    text = (
        f"{part.rows:,} people of about 400 bytes from a file, to a server that accepts everything after "
        f"{_LATENCY_SECONDS * 1000:.0f} ms. Each is a process from start to exit. The two others parse their lines with "
        f"`orjson` and only send them. `send_batch` gets {_ROWS_A_BATCH:,} rows per batch, {DEFAULT_LANES} batches at once, "
        "without ordering, limits, states or rejected rows."
    )
    note = (
        f"`identify` sends {one_by_one:,} rows per round, and its time is extrapolated to {part.rows:,}: startup once, the "
        "rest per row. A full run would take longer than all other benchmarks together."
    )
    return Section("Alternatives", text, rows, goals, [note])


def _connector(sync: Sync, path: Path, url: str, rows: int) -> Run:
    done = sync.from_file(path)
    _check_arrived(url, rows)
    return done


def _batches(command: list[str], path: Path, url: str, rows: int) -> Run:
    done = run(command, path)
    _check_arrived(url, rows)
    return done


def _one_by_one(command: list[str], path: Path, rows: int) -> Run:
    done = run(command, path)
    if json.loads(done.lines[-1])["rows"] != rows:
        raise BenchmarkError("`identify` did not send every row.")
    return done


def _check_arrived(url: str, rows: int) -> None:
    arrived = sum(len(numbers) for _, numbers in answered_rows(url))
    if arrived != rows:
        raise BenchmarkError(f"Only {arrived:,} of {rows:,} rows arrived.")


def _extrapolated(done: Run, rows: int) -> float:
    said = json.loads(done.lines[-1])
    seconds: float = done.wall_seconds - said["seconds"] + said["seconds"] / said["rows"] * rows
    return seconds
