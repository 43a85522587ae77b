"""6. Skew: the cost of ordering when half of all rows belong to one person."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import Spread, interleaved, ratios, walls
from benchmarks.report import Section
from benchmarks.servers import track_api
from benchmarks.syncs import DEFAULT_LANES

if TYPE_CHECKING:
    from benchmarks.syncs import Bench

_LATENCY_SECONDS = 0.12
_ROWS = 80_000
_ROUNDS = 2
_EVEN = "events of 50,000 people"
_SKEWED = "half of them of one person"
_ONE_LANE = "the same in one lane"


def measure(bench: Bench) -> Section:
    """The same number of rows, evenly spread over people or skewed."""
    even, skewed = Rows("events", bench.rows(_ROWS)), Rows("events", bench.rows(_ROWS), hot_every=2)
    even_path, skewed_path = bench.input_file(even), bench.input_file(skewed)
    with track_api(_LATENCY_SECONDS) as api:
        sides = {
            _EVEN: partial(bench.sync(api.url, even).from_file, even_path),
            _SKEWED: partial(bench.sync(api.url, skewed).from_file, skewed_path),
            _ONE_LANE: partial(bench.sync(api.url, skewed, max_concurrent_requests=1).from_file, skewed_path),
        }
        runs = interleaved(sides, bench.rounds(_ROUNDS))

    rows = [["rows", "lanes", "wall, s", "rows/s", f"wall relative to {_EVEN}"]]
    for name, done in runs.items():
        wall = Spread.of(walls(done))
        lanes = "1" if name == _ONE_LANE else f"{DEFAULT_LANES}"
        ratio = "" if name == _EVEN else f"{ratios(walls(done), walls(runs[_EVEN])):.2f}"
        rows.append([name, lanes, f"{wall:.2f}", f"{even.rows / wall.median:,.0f}", ratio])
    share = 1 / 2 + 1 / 2 / DEFAULT_LANES
    text = (
        f"{even.rows:,} events to a server that responds after {_LATENCY_SECONDS * 1000:.0f} ms, {DEFAULT_LANES} lanes. "
        "Rows of one person are never in flight in two requests, so one lane carries all of the busy person's rows."
    )
    note = (
        f"That lane carries {share:.1%} of all rows: its half, and 1/{DEFAULT_LANES} of the others. So ordering alone limits "
        f"the speed-up to {1 / share:.2f} times one lane, and costs up to {share * DEFAULT_LANES:.1f} times the wall of evenly "
        "spread rows. This is the price of keeping one person's rows in order."
    )
    return Section("Skew", text, rows, notes=[note])
