"""2. Real rows: a whole write against the least program that sends the same rows."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import BenchmarkError, Run, Spread, cpus, interleaved, ratios, run
from benchmarks.report import Goal, Section
from benchmarks.servers import track_api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.syncs import Bench

LEAST_WRITER = "benchmarks.baselines.least_writer"

_ROUNDS = 3
_MAX_PLAIN, _MAX_REAL, _MAX_TEXT_TIMES, _MAX_LONG_DIGITS = 1.40, 1.30, 1.10, 1.15

# Rows by kind: enough for the start of the processes not to matter. Kinds of one group are interleaved.
_GROUPS = (
    {"people": 400_000, "events": 300_000},
    {"real_people": 300_000},
    {"real_events": 300_000, "integer_times": 300_000, "long_digits": 300_000, "long_decimals": 300_000},
    {"30_columns": 200_000, "300_columns": 30_000},
)
_ROWS = {kind: rows for group in _GROUPS for kind, rows in group.items()}
_NAMES = {
    "people": "plain people",
    "events": "plain events",
    "real_people": "real people",
    "real_events": "real events",
    "integer_times": "the same, times as integers",
    "long_digits": "the same, a text of 24 digits",
    "long_decimals": "the same, a number of 19 digits",
    "30_columns": "real events, 30 columns",
    "300_columns": "real events, 300 columns",
}


def measure(bench: Bench) -> Section:
    """Each kind of rows through the connector and through the least writer."""
    sizes: dict[str, float] = {}
    runs: dict[str, list[Run]] = {}
    with track_api() as api:
        for group in _GROUPS:
            sides: dict[str, Callable[[], Run]] = {}
            paths = {kind: bench.input_file(Rows(kind, bench.rows(count))) for kind, count in group.items()}
            for kind, path in paths.items():
                part = Rows(kind, bench.rows(group[kind]))
                sizes[kind] = path.stat().st_size / part.rows
                sides[f"write {kind}"] = partial(bench.sync(api.url, part).from_file, path)
                sides[f"least {kind}"] = least_writer(path, api.url, part.rows)
            runs |= interleaved(sides, bench.rounds(_ROUNDS))
            for path in paths.values():
                path.unlink()
    writes, leasts = ({kind: runs[f"{side} {kind}"] for kind in _ROWS} for side in ("write", "least"))
    of_least = {kind: ratios(cpus(writes[kind]), cpus(leasts[kind])) for kind in _ROWS}
    table = [
        ["rows", "bytes per line", "least CPU per row, µs", "the least writer's, µs", "CPU relative to it"]
    ]
    for kind, count in _ROWS.items():
        rows = bench.rows(count)
        per_row = [
            Spread.of(seconds / rows * 1e6 for seconds in cpus(done[kind])) for done in (writes, leasts)
        ]
        # The least, as whatever else the machine does can only add to it.
        figures = [f"{spread.low:.1f}" for spread in per_row]
        table.append([_NAMES[kind], f"{sizes[kind]:,.0f}", *figures, f"{of_least[kind]:.2f}"])

    text_times = ratios(cpus(writes["real_events"]), cpus(writes["integer_times"]))
    long_digits = ratios(cpus(writes["long_digits"]), cpus(writes["real_events"]))
    plain = max(of_least["people"], of_least["events"], key=lambda spread: spread.median)
    real = max(of_least["real_people"], of_least["real_events"], key=lambda spread: spread.median)
    wide, narrow = of_least["300_columns"], of_least["real_events"]
    goals = [
        _goal("plain rows", "the least writer", _MAX_PLAIN, plain),
        _goal("real rows", "the least writer", _MAX_REAL, real),
        _goal("times as ISO text", "times as integers", _MAX_TEXT_TIMES, text_times),
        _goal("a text of 24 digits", "one of 24 letters", _MAX_LONG_DIGITS, long_digits),
        Goal.at_most(
            "300 columns have no worse a ratio to the least writer than 15",
            narrow.median,
            wide.median,
            f"{wide:.2f} against {narrow:.2f}",
        ),
    ]
    text = (
        "CPU time of whole processes, from start to exit, per row. Real rows have times as ISO text, 19-digit integers, "
        "decimals, nested objects, nulls and any language. The least writer parses each line with `orjson`, takes out the "
        "person, encodes the entry, and posts batches of up to 500,000 bytes on eight threads with `requests`; it has no "
        "order, limits, states, rejected rows or retries, and reads no times. The server only reads and responds."
    )
    return Section("Real rows", text, table, goals)


def least_writer(path: Path, url: str, rows: int) -> Callable[[], Run]:
    """A run of the least writer, which has to send every row."""

    def start() -> Run:
        done = run([sys.executable, "-m", LEAST_WRITER, url], path)
        if int(done.lines[-1]) != rows:
            raise BenchmarkError("The least writer did not send every row.")
        return done

    return start


def _goal(what: str, other: str, limit: float, found: Spread) -> Goal:
    return Goal.at_most(
        f"{what}: at most {limit:.2f} times the CPU time of {other}",
        limit,
        found.median,
        f"{found:.2f} times",
    )
