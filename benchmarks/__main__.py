"""Runs all benchmarks, or the ones named.

A complete run writes what it measured to `results.json`, measurement by measurement, and then everything that is made of
it: `results.md`, the plots, and the tables in docs/performance.md. With `--write`, the named measurements alone are run and
replace theirs; with `--documents`, nothing is run.
"""

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

from benchmarks.report import Results, machine, markdown, page, with_goals, with_tables
from benchmarks.syncs import Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.report import Section

NAMES = (
    "cpu_bound",
    "real_rows",
    "latency",
    "many_lanes",
    "slow_uplinks",
    "skew",
    "memory",
    "long_lines",
    "checkpoints",
    "startup",
    "alternatives",
    "reject_path",
    "slow_bucket",
    "replay",
)

_HERE = Path(__file__).parent
_RESULTS = _HERE / "results.json"
_DOCUMENT = _HERE.parent / "docs" / "performance.md"
_COMPARED_LIBRARIES = ("customerio", "async-customerio", "matplotlib")


_MAX_MINUTES = 40


class OutOfTime(BaseException):
    """The run takes too long; no failure of a single measurement."""


def measured(name: str, bench: Bench) -> Section:
    """Run one measurement by name."""
    measure: Callable[[Bench], Section] = import_module(f"benchmarks.{name}").measure
    return measure(bench)


def _run(names: Sequence[str], bench: Bench, keep: Callable[[str, Section], None]) -> list[str]:
    """Run measurements; returns the names of those that failed, which does not stop the others."""
    failed = []
    for name in names:
        began = time.monotonic()
        try:
            section = measured(name, bench)
        except OutOfTime:
            raise
        except Exception as error:  # noqa: BLE001 - the others are worth twenty minutes
            print(f"{name} failed ({type(error).__name__}): {error}", file=sys.stderr, flush=True)
            failed.append(name)
            continue
        print(f"{markdown(section)}\n", flush=True)
        print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        keep(name, section)
    return failed


class _ResultsFile:
    """Writes each result as soon as there is one, so that a run that breaks off has not been for nothing."""

    def __init__(self, results: Results, python: Path) -> None:
        self._results = results
        self._python = python
        self._began = time.monotonic()
        self._minutes_before = results.minutes

    def keep(self, name: str, section: Section) -> None:
        """Add a result, or replace that of the same measurement."""
        self._results.sections[name] = section
        self._results.machine[:] = [*machine(), *_versions(self._python)]
        self._results.minutes = self._minutes_before + (time.monotonic() - self._began) / 60
        _RESULTS.write_text(self._results.to_json())


def _write_documents(python: Path) -> None:
    """Everything that is made of the results."""
    results = Results.from_json(_RESULTS.read_text())
    sections = list(results.sections.values())
    plots = json.dumps([asdict(plot) for section in sections for plot in section.plots])
    subprocess.run([str(python), "-m", "benchmarks.plots", str(_HERE)], input=plots, text=True, check=True)
    (_HERE / "results.md").write_text(page(results))
    document = with_goals(_DOCUMENT.read_text(), sections)
    _DOCUMENT.write_text(with_tables(document, results.sections))


def _versions(python: Path) -> list[str]:
    """The versions of the libraries that the connector is compared with."""
    code = (
        "import sys; from importlib.metadata import version; "
        "print(', '.join(f'{name} {version(name)}' for name in sys.argv[1:]))"
    )
    command = [str(python), "-c", code, *_COMPARED_LIBRARIES]
    return [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()]


def _give_up(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of a signal handler
    raise OutOfTime(
        f"Stopped after {_MAX_MINUTES} minutes: the machine is too busy or too slow for the whole run. Finished "
        "measurements are above, and in results.json; run the others by name, with --write."
    )


def main() -> int:
    """Run the benchmarks; only a complete run writes its results into the repository, anything less is printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(NAMES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="few rows, one round: a smoke test")
    parser.add_argument("--write", action="store_true", help="write the results of the named ones, too")
    parser.add_argument(
        "--documents", action="store_true", help="run nothing: write the documents from results.json"
    )
    parser.add_argument("--compared-python", type=Path, help="a Python with the packages of locks/bench.lock")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if options.quick and (options.write or options.documents):
        parser.error("--quick measures nothing that could be written")
    is_whole = not options.names and not options.quick
    writes = is_whole or options.write or options.documents
    if writes and options.compared_python is None:
        parser.error("what writes results needs --compared-python; `make bench` passes it")
    if writes:
        # Fail now, not after the run, if the document has no place for the goals.
        with_goals(_DOCUMENT.read_text(), [])
    if options.documents:
        _write_documents(options.compared_python)
        return 0
    keep = _show_only
    if writes:
        before = _RESULTS.read_text() if options.write and not is_whole and _RESULTS.exists() else ""
        keep = _ResultsFile(Results.from_json(before) if before else Results(), options.compared_python).keep
    signal.signal(signal.SIGALRM, _give_up)
    # Exit normally, so that the servers stop and the folder is removed.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    signal.alarm(_MAX_MINUTES * 60)
    try:
        with TemporaryDirectory(prefix="benchmarks-") as folder:
            bench = Bench(Path(folder), is_quick=options.quick, compared_python=options.compared_python)
            failed = _run(options.names or NAMES, bench, keep)
    except OutOfTime as error:
        print(error, file=sys.stderr)
        return 1
    if writes:
        _write_documents(options.compared_python)
    return 1 if failed else 0


def _show_only(name: str, section: Section) -> None:
    """Keep nothing of a run that only prints."""


if __name__ == "__main__":
    sys.exit(main())
