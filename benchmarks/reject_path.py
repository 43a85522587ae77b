"""8. Reject path: one row in ten can't be sent, and is kept in a bucket."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import Rows
from benchmarks.measure import Spread, cpus, in_turn, ratios, walls
from benchmarks.report import Section
from benchmarks.servers import bucket_at, local_s3, track_api

if TYPE_CHECKING:
    from benchmarks.syncs import Bench

_ROWS = 200_000
_ROUNDS = 3
_REJECT_EVERY = 10
_NONE = "none rejected"
_COUNTED = "10% rejected, counted"
_KEPT = "10% rejected, kept in a bucket"


def measure(bench: Bench) -> Section:
    """The same rows, with and without a person to send them for."""
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
        runs = in_turn(sides, bench.rounds(_ROUNDS))

    rows = [["rows", "wall, s", "CPU, s", "rows/s", f"wall to {_NONE}", f"CPU to {_NONE}"]]
    for name, done in runs.items():
        wall, cpu = Spread.of(walls(done)), Spread.of(cpus(done))
        shown = ["" if name == _NONE else f"{ratios(of(done), of(runs[_NONE])):.2f}" for of in (walls, cpus)]
        rows.append([name, f"{wall:.2f}", f"{cpu:.2f}", f"{sent.rows / wall.median:,.0f}", *shown])
    text = (
        f"{sent.rows:,} people of about 400 bytes from a file, every tenth without a person's id where rows are "
        "rejected; the bucket is moto's S3, files are CSV. Whole processes."
    )
    note = "With a bucket, the start of the process also loads boto3."
    return Section("Reject path", text, rows, notes=[note])
