"""7. Memory: the connector's peak memory as syncs get longer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import BenchmarkError, Spread
from benchmarks.report import Goal, Plot, Section
from benchmarks.servers import bucket_at, discarding_bucket, track_api

if TYPE_CHECKING:
    from benchmarks.syncs import Bench

_LENGTHS = (100_000, 500_000, 2_000_000)
_REJECTED_LENGTHS = (100_000, 300_000, 800_000)
_LARGE_LENGTHS = (3_000, 20_000, 60_000)
# Longer ones run once, because they take minutes and hardly vary.
_ROUNDS = (3, 1, 1)
_SERIES = {
    "1% rejected": (Rows("people", 0, reject_every=100), _LENGTHS),
    "1% rejected, 200 streams": (Rows("people", 0, reject_every=100, streams=200), _LENGTHS),
    "100% rejected": (Rows("people", 0, reject_every=1), _REJECTED_LENGTHS),
    "rows of 30 KB": (Rows("large", 0, state_every=1_000), _LARGE_LENGTHS),
}
_BYTES_PER_MB = 1e6
_MAX_GROWTH_MB, _MAX_PEAK_MB = 15.0, 220.0


def measure(bench: Bench) -> Section:
    """Each series in three lengths, with a bucket for rejected rows."""
    peaks: dict[str, list[tuple[int, Spread]]] = {}
    with track_api() as api, discarding_bucket() as bucket_url:
        storage = bucket_at(bucket_url)
        for name, (rows, lengths) in bench.series(_SERIES).items():
            peaks[name] = []
            for length, rounds in zip(lengths, _ROUNDS, strict=True):
                part = replace(rows, rows=bench.rows(length))
                sync = bench.sync(api.url, part, object_storage_config=storage)
                found = [sync.from_generator().peak_rss_bytes for _ in range(bench.rounds(rounds))]
                if not all(found):
                    raise BenchmarkError(
                        "The connector's peak memory is unknown, because this process used more."
                    )
                peaks[name].append((part.rows, Spread.of(each / _BYTES_PER_MB for each in found)))
                # Otherwise it keeps the size of each body.
                api.reset()

    header = [
        "rows",
        *(f"peak RSS of the {word} length, MB" for word in ("first", "second", "third")),
        "growth, MB",
    ]
    table = [header]
    growths = {}
    for name, lengths_and_peaks in peaks.items():
        growths[name] = lengths_and_peaks[-1][1].median - lengths_and_peaks[0][1].median
        cells = [f"{length:,} rows: {peak:.0f}" for length, peak in lengths_and_peaks]
        table.append([name, *cells, f"{growths[name]:+.1f}"])

    steepest = max(growths, key=lambda name: growths[name])
    highest, peak = max(
        ((name, spread.high) for name, found in peaks.items() for _, spread in found),
        key=lambda each: each[1],
    )
    goals = [
        Goal.at_most(
            f"growth under {_MAX_GROWTH_MB:.0f} MB from the first length to the last",
            _MAX_GROWTH_MB,
            growths[steepest],
            f"{growths[steepest]:+.1f} MB at most ({steepest})",
        ),
        Goal.at_most(
            f"peak under {_MAX_PEAK_MB:.0f} MB", _MAX_PEAK_MB, peak, f"{peak:.0f} MB at most ({highest})"
        ),
    ]
    text = (
        "Peak RSS of the whole process, as counted by the kernel, reading from a pipe filled by another process. Rejected "
        "rows go to a bucket on loopback that discards files; small rows are people of about 400 bytes."
    )
    large, rejected = (
        ", ".join(f"{n:,}" for n in lengths) for lengths in (_LARGE_LENGTHS, _REJECTED_LENGTHS)
    )
    notes = [
        f"Rows of 30 KB: {large} of them; 2 million would be 60 GB. The last is 1.8 GB, more than 2 million small ones.",
        f"100% rejected: {rejected} rows, because each takes several times as long as one that is sent.",
        "The shortest syncs run three times, the others once.",
    ]
    return Section("Memory", text, table, goals, notes, [_plot(peaks)])


def _plot(peaks: dict[str, list[tuple[int, Spread]]]) -> Plot:
    return Plot(
        "memory.svg",
        "Peak memory against rows",
        "rows of the sync",
        "peak RSS, MB",
        {name: [(length, peak.median) for length, peak in found] for name, found in peaks.items()},
        {
            f"goal: under {_MAX_PEAK_MB:.0f} MB": [
                (_LARGE_LENGTHS[0], _MAX_PEAK_MB),
                (_LENGTHS[-1], _MAX_PEAK_MB),
            ]
        },
        is_logarithmic=True,
    )
