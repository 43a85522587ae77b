"""12. Reject path: one row in ten is rejected, and stored in a bucket."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import Spread, cpus, interleaved, ratios, walls
from benchmarks.report import Section
from benchmarks.servers import bucket_at, local_s3, track_api

if TYPE_CHECKING:
    from benchmarks.syncs import Bench

_ROWS = 200_000
_ROUNDS = 3
_REJECT_EVERY = 10
_NONE = "none rejected"
_COUNTED = "10% rejected, counted"
_KEPT = "10% rejected, stored in a bucket"


def measure(bench: Bench) -> Section:
    """The same rows, with and without a person."""
    sent, rejected = (
        Rows("people", bench.rows(_ROWS)),
        Rows("people", bench.rows(_ROWS), reject_every=_REJECT_EVERY),
    )
    sent_path, rejected_path = bench.input_file(sent), bench.input_file(rejected)
    with track_api() as api, local_s3() as s3_url:
        storage = bucket_at(s3_url)
        sides = {
            _NONE: partial(bench.sync(api.url, sent).from_file, sent_path),
            _COUNTED: partial(bench.sync(api.url, rejected).from_file, rejected_path),
            _KEPT: partial(
                bench.sync(api.url, rejected, object_storage_config=storage).from_file, rejected_path
            ),
        }
        runs = interleaved(sides, bench.rounds(_ROUNDS))

    rows = [["rows", "wall, s", "CPU, s", "rows/s", f"wall relative to {_NONE}", f"CPU relative to {_NONE}"]]
    for name, done in runs.items():
        wall, cpu = Spread.of(walls(done)), Spread.of(cpus(done))
        shown = ["" if name == _NONE else f"{ratios(of(done), of(runs[_NONE])):.2f}" for of in (walls, cpus)]
        rows.append([name, f"{wall:.2f}", f"{cpu:.2f}", f"{sent.rows / wall.median:,.0f}", *shown])
    text = (
        f"{sent.rows:,} people of about 400 bytes from a file; where rows are rejected, every tenth has no person. The bucket "
        "is moto's S3, files are CSV. Whole processes."
    )
    note = "With a bucket, process startup includes loading boto3."
    return Section("Reject path", text, rows, notes=[note])
