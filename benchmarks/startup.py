"""10. Startup: `spec` from start to exit, against a bare import of the CDK's `Destination`."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import Spread, cpus, interleaved, ratios, run, walls
from benchmarks.report import Goal, Section
from integration_tests.connector import SCRIPT

if TYPE_CHECKING:
    from benchmarks.syncs import Bench

_ROUNDS = 11
_MAX_MORE_SECONDS = 0.25
_SPEC = "`destination-customerio spec`"
_IMPORT = "`from airbyte_cdk.destinations import Destination`"
_BARE = "`python -c pass`"


def measure(bench: Bench) -> Section:
    """Three processes that exit immediately."""
    sides = {
        _SPEC: partial(run, [str(SCRIPT), "spec"]),
        _IMPORT: partial(run, [sys.executable, "-c", _IMPORT.strip("`")]),
        _BARE: partial(run, [sys.executable, "-c", "pass"]),
    }
    runs = interleaved(sides, bench.rounds(_ROUNDS))
    rows = [["process", "wall, s", "CPU, s", "wall of `spec` relative to it"]]
    for name, done in runs.items():
        ratio = "" if name == _SPEC else f"{ratios(walls(runs[_SPEC]), walls(done)):.2f}"
        rows.append([name, f"{Spread.of(walls(done)):.2f}", f"{Spread.of(cpus(done)):.2f}", ratio])
    more = Spread.of(
        spec - imported for spec, imported in zip(walls(runs[_SPEC]), walls(runs[_IMPORT]), strict=True)
    )
    goal = Goal.at_most(
        f"`spec` takes at most {_MAX_MORE_SECONDS} s more than the import",
        _MAX_MORE_SECONDS,
        more.median,
        f"{more:+.2f} s",
    )
    return Section(
        "Startup", "Each is a process from start to exit, with its files in the page cache.", rows, [goal]
    )
