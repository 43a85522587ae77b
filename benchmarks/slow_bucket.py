"""13. Slow bucket: states that wait for many files of rejected rows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import Spread, interleaved, walls
from benchmarks.report import Goal, Section
from benchmarks.servers import bucket_at, discarding_bucket, track_api

if TYPE_CHECKING:
    from benchmarks.syncs import Bench

_LATENCY_SECONDS = 0.2
_STREAMS = 200
_ROWS = 4_000
_ROUNDS = 3
_MAX_SHARE = 0.25


def measure(bench: Bench) -> Section:
    """The rejected rows of 200 streams, to a bucket that responds at once or after 200 ms."""
    part = Rows("people", max(_STREAMS, bench.rows(_ROWS)), streams=_STREAMS, reject_every=1)
    path = bench.input_file(part)
    with track_api() as api, discarding_bucket() as fast, discarding_bucket(_LATENCY_SECONDS) as slow:
        sides = {
            name: partial(bench.sync(api.url, part, object_storage_config=bucket_at(url)).from_file, path)
            for name, url in (("at once", fast), (f"after {_LATENCY_SECONDS * 1000:.0f} ms", slow))
        }
        runs = interleaved(sides, bench.rounds(_ROUNDS))
    _, late = runs.values()
    wall = Spread.of(walls(late))
    one_by_one = _STREAMS * _LATENCY_SECONDS
    table = [["bucket responds", "files", "wall, s"]]
    table += [[name, f"{_STREAMS}", f"{Spread.of(walls(done)):.2f}"] for name, done in runs.items()]
    goal = Goal.at_most(
        f"a sync with {_STREAMS} files takes at most {_MAX_SHARE * one_by_one:.0f} s, a quarter of uploading one after another",
        _MAX_SHARE * one_by_one,
        wall.median,
        f"{wall:.1f} s",
    )
    text = (
        f"{part.rows:,} people of {_STREAMS} streams, all rejected: one file for each stream, which its state waits for. One "
        f"after another, the requests alone would take {one_by_one:.0f} s."
    )
    return Section("Slow bucket", text, table, [goal])
