"""9. Checkpoints: the cost of states, and the delay between the last of its rows and a state."""

from __future__ import annotations

import json
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import Run, Spread, cpus, interleaved, ratios, walls
from benchmarks.report import Section
from benchmarks.servers import accept_everything, answered_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.syncs import Bench, Sync

_LATENCY_SECONDS = 0.02
_INTERVALS = (10, 1_000, 100_000)
_ROWS = 200_000
_ROUNDS = 3


def measure(bench: Bench) -> Section:
    """The same rows with a state every 10, 1,000 and 100,000 rows."""
    count = bench.rows(_ROWS)
    delays: dict[str, list[float]] = {}
    with accept_everything(_LATENCY_SECONDS) as url:
        sides = {}
        for interval in _INTERVALS:
            name = f"{interval:,}"
            delays[name] = []
            part = Rows("events", count, state_every=interval)
            sides[name] = partial(_run, bench.sync(url, part), bench.input_file(part), url, delays[name])
        runs = interleaved(sides, bench.rounds(_ROUNDS))

    fewest = f"{_INTERVALS[-1]:,}"
    header = [
        "a state every … rows",
        "states",
        "wall, s",
        "CPU, s",
        f"wall relative to every {fewest}",
        "CPU relative to that",
    ]
    rows = [[*header, "delay, median, ms", "99th percentile, ms", "maximum, ms"]]
    for name, done in runs.items():
        wall, cpu = ratios(walls(done), walls(runs[fewest])), ratios(cpus(done), cpus(runs[fewest]))
        states = sum(b'"STATE"' in line for line in done[0].lines)
        figures = [
            f"{Spread.of(walls(done)):.2f}",
            f"{Spread.of(cpus(done)):.2f}",
            f"{wall:.2f}",
            f"{cpu:.2f}",
        ]
        late = sorted(delays[name])
        waits = [late[len(late) // 2], late[len(late) * 99 // 100], late[-1]]
        rows.append([name, f"{states:,}", *figures, *(f"{wait * 1000:.1f}" for wait in waits)])
    text = (
        f"{count:,} events from a file to a server that responds after {_LATENCY_SECONDS * 1000:.0f} ms. The delay of a "
        "state is the time from the server's response for the last of the rows before it until the state appears on the "
        "connector's stdout."
    )
    note = "The input is read as fast as the connector accepts it, so a state's delay includes time spent on other rows."
    return Section("Checkpoints", text, rows, notes=[note])


def _run(sync: Sync, path: Path, url: str, delays: list[float]) -> Run:
    done = sync.from_file(path)
    delays += state_delays(done.lines, done.arrived_at, answered_rows(url))
    return done


def state_delays(
    lines: Sequence[bytes], arrived_at: Sequence[float], answered: Sequence[tuple[float, Sequence[int]]]
) -> list[float]:
    """Seconds from the response for the last row before each state to that state.

    lines, arrived_at  the connector's messages and their arrival times; a state's cursor is the number of the row before it
    answered           the time of each response and the numbers of its rows; every row from 0 is included
    """
    in_order = sorted((row, at) for at, rows in answered for row in rows)
    # The time by which a row and all rows before it had been answered.
    all_answered_at = list(accumulate((at for _, at in in_order), max))
    delays = []
    for line, at in zip(lines, arrived_at, strict=True):
        if b'"STATE"' in line:
            cursor = json.loads(line)["state"]["stream"]["stream_state"]["cursor"]
            delays.append(at - all_answered_at[cursor])
    return delays
