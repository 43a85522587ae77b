"""Where the time per row goes: `make profile` samples a CPU-bound write and prints two tables.

py-spy samples the thread that all rows pass through from outside, so that no function is slowed more than another. A
function's own time includes the C functions it calls: that of `Intake._read_line` is mostly the parser of msgspec.
"""

from __future__ import annotations

import argparse
import linecache
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.inputs import Rows
from benchmarks.measure import environment
from benchmarks.servers import track_api
from benchmarks.syncs import Bench

if TYPE_CHECKING:
    from collections.abc import Iterable

_ROWS_OF_EACH = 300_000
_SAMPLES_PER_SECOND = 250
_SHOWN = 25
_COORDINATOR = "MainThread"
# Samples outside the coordinator's `run` belong to the start and end of the process.
_WORK = "Pipeline.run"
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^:]+)(?::(?P<line>\d+))?\)")


class Frame(NamedTuple):
    """The position of a thread."""

    function: str
    file: str
    line: int


def innermost_frames(raw: Iterable[str]) -> Counter[Frame]:
    """Counts the coordinator's innermost frames in py-spy's lines, each a stack (outermost first) and a count."""
    seen: Counter[Frame] = Counter()
    for line in raw:
        stack, _, count = line.rpartition(" ")
        if _COORDINATOR in stack and _WORK in stack and (found := _FRAME.fullmatch(stack.rpartition(";")[2])):
            seen[Frame(found["function"], found["file"], int(found["line"] or 0))] += int(count)
    return seen


def table(what: str, seen: Counter[str], rows: int) -> str:
    """The places with the most time, as Markdown: microseconds per row and share."""
    lines = [f"| {what} | µs per row | share |", "|---|---:|---:|"]
    total = seen.total()
    shown = seen.most_common(_SHOWN)
    rest = total - sum(count for _, count in shown)
    for place, count in [*shown, ("all others", rest), ("total", total)]:
        microseconds = count / _SAMPLES_PER_SECOND / rows * 1e6
        lines.append(f"| {place} | {microseconds:.2f} | {count / total:.1%} |")
    return "\n".join(lines)


def main() -> None:
    """Sample one write of people and events from a file, to a server that only reads and responds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where_time_goes", description=__doc__)
    parser.add_argument("py_spy", type=Path, help="path of py-spy")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="benchmarks-") as folder, track_api() as api:
        bench = Bench(Path(folder))
        parts = Rows("people", _ROWS_OF_EACH), Rows("events", _ROWS_OF_EACH)
        samples = Path(folder) / "samples"
        sampler = [str(options.py_spy), "record", "--format", "raw", "--threads", "--full-filenames"]
        sampler += ["--subprocesses", "--rate", str(_SAMPLES_PER_SECOND), "--output", str(samples), "--"]
        with bench.input_file(*parts).open("rb") as stdin:
            command = [*sampler, *bench.sync(api.url, *parts).command]
            done = subprocess.run(command, stdin=stdin, capture_output=True, env=environment(), check=False)
        if done.returncode != 0:
            sys.exit(f"py-spy could not sample the connector: {done.stderr.decode(errors='replace')}")
        seen = innermost_frames(samples.read_text().splitlines())
    by_function: Counter[str] = Counter()
    by_line: Counter[str] = Counter()
    for frame, count in seen.items():
        name = Path(frame.file).name
        by_function[f"`{frame.function}` ({name})"] += count
        by_line[f"`{linecache.getline(frame.file, frame.line).strip()}` ({name})"] += count
    rows = 2 * _ROWS_OF_EACH
    print(table("function", by_function, rows), "\n\n", table("line", by_line, rows), sep="")


if __name__ == "__main__":
    main()
