"""Runs all benchmarks, or the ones named."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.measure import BenchmarkError
from benchmarks.report import markdown, page, with_goals
from benchmarks.syncs import Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.report import Section

NAMES = (
    "cpu_bound",
    "real_rows",
    "latency",
    "skew",
    "memory",
    "long_lines",
    "checkpoints",
    "startup",
    "alternatives",
    "reject_path",
)

_HERE = Path(__file__).parent
_DOCUMENT = _HERE.parent / "docs" / "performance.md"
_COMPARED_LIBRARIES = ("customerio", "async-customerio", "matplotlib")


_MAX_MINUTES = 20


def measured(name: str, bench: Bench) -> Section:
    """Run one measurement by name."""
    measure: Callable[[Bench], Section] = import_module(f"benchmarks.{name}").measure
    return measure(bench)


def _run(names: Sequence[str], bench: Bench) -> list[Section]:
    sections = []
    for name in names:
        began = time.monotonic()
        sections.append(measured(name, bench))
        print(f"{markdown(sections[-1])}\n", flush=True)
        print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return sections


def _write_results(sections: Sequence[Section], python: Path, minutes: float) -> None:
    plots = json.dumps([asdict(plot) for section in sections for plot in section.plots])
    subprocess.run([str(python), "-m", "benchmarks.plots", str(_HERE)], input=plots, text=True, check=True)
    (_HERE / "results.md").write_text(page(sections, _versions(python), minutes))
    _DOCUMENT.write_text(with_goals(_DOCUMENT.read_text(), sections))


def _versions(python: Path) -> list[str]:
    """The versions of the libraries that the connector is compared with."""
    code = (
        "import sys; from importlib.metadata import version; "
        "print(', '.join(f'{name} {version(name)}' for name in sys.argv[1:]))"
    )
    command = [str(python), "-c", code, *_COMPARED_LIBRARIES]
    return [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()]


def _give_up(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of a signal handler
    raise BenchmarkError(
        f"Stopped after {_MAX_MINUTES} minutes: the machine is too busy or too slow for the whole run. Finished "
        "measurements are above; run the others by name, one at a time."
    )


def main() -> int:
    """Run the benchmarks; only a complete run writes its results into the repository, anything less is printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="few rows, one round: a smoke test")
    parser.add_argument("--compared-python", type=Path, help="a Python with the packages of locks/bench.lock")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    is_whole = not options.names and not options.quick
    if is_whole and options.compared_python is None:
        parser.error("a complete run needs --compared-python; `make bench` passes it")
    if is_whole:
        # Fail now, not after the run, if the document has no place for the goals.
        with_goals(_DOCUMENT.read_text(), [])
    began = time.monotonic()
    signal.signal(signal.SIGALRM, _give_up)
    # Exit normally, so that the servers stop and the folder is removed.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    signal.alarm(_MAX_MINUTES * 60)
    try:
        with TemporaryDirectory(prefix="benchmarks-") as folder:
            bench = Bench(Path(folder), is_quick=options.quick, compared_python=options.compared_python)
            sections = _run(options.names or NAMES, bench)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    if is_whole:
        _write_results(sections, options.compared_python, (time.monotonic() - began) / 60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
