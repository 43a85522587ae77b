"""Runs the connector's `write` for the benchmarks, and checks that it acknowledged every row."""

from __future__ import annotations

import json
import subprocess
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.inputs import OBJECT_OF_KIND, Rows, command
from benchmarks.measure import BenchmarkError, Run, environment, run, run_behind
from integration_tests.connector import SCRIPT, catalog_of, config_for, stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")

# The default of max_concurrent_requests.
DEFAULT_LANES = 8


class Bench:
    """Shared by all measurements.

    folder           for input and configuration files; its owner removes it
    is_quick         few rows and one round: a smoke test
    compared_python  a Python with the libraries compared with; None if they are not installed
    """

    def __init__(self, folder: Path, *, is_quick: bool = False, compared_python: Path | None = None) -> None:
        self.is_quick = is_quick
        self.compared_python = compared_python
        self._folder = folder
        self._files = 0

    def rows(self, count: int) -> int:
        """That many rows, or few in a quick run."""
        return max(200, count // 1_000) if self.is_quick else count

    def rounds(self, count: int) -> int:
        """That many rounds, or one in a quick run."""
        return 1 if self.is_quick else count

    def series(self, named: Mapping[str, T]) -> Mapping[str, T]:
        """All of them, or only the first when it is quick."""
        return dict(islice(named.items(), 1)) if self.is_quick else named

    def input_file(self, *parts: Rows) -> Path:
        """A new file with these lines; the caller should unlink a large one."""
        path = self.new_path("input.jsonl")
        with path.open("wb") as file:
            subprocess.run(command(*parts), stdout=file, env=environment(), check=True)
        return path

    def sync(self, url: str, *parts: Rows, **config: Any) -> Sync:
        """A sync of these rows, part by part, to the server at `url`."""
        streams = [stream(name, OBJECT_OF_KIND[part.kind]) for part in parts for name in part.stream_names]
        paths = []
        for name, content in (("config", config_for(url, **config)), ("catalog", catalog_of(*streams))):
            path = self.new_path(f"{name}.json")
            path.write_text(json.dumps(content))
            paths += [f"--{name}", str(path)]
        return Sync([str(SCRIPT), "write", *paths], parts)

    def new_path(self, name: str) -> Path:
        """A path that no other file has."""
        self._files += 1
        return self._folder / f"{self._files}-{name}"


class Sync:
    """A repeatable `write`; `command` starts it."""

    def __init__(self, command_line: Sequence[str], parts: Sequence[Rows]) -> None:
        self.command = command_line
        self._parts = parts

    def from_file(self, path: Path) -> Run:
        """Run it with its rows from a file.

        Raises:
            BenchmarkError: it failed, or did not acknowledge every row.
        """
        return self._checked(run(self.command, path))

    def from_generator(self) -> Run:
        """Run it with its rows from a pipe filled by a generator process.

        Raises:
            BenchmarkError: it failed, or did not acknowledge every row.
        """
        return self._checked(run_behind(command(*self._parts), self.command))

    def _checked(self, done: Run) -> Run:
        states = [json.loads(line)["state"]["destinationStats"] for line in done.lines if b'"STATE"' in line]
        delivered = sum(state["recordCount"] for state in states)
        rejected = sum(state["rejectedRecordCount"] for state in states)
        expected_rejected = sum(part.rejected for part in self._parts)
        expected = sum(part.rows for part in self._parts) - expected_rejected
        if (delivered, rejected) != (expected, expected_rejected):
            raise BenchmarkError(
                f"The sync acknowledged {delivered:,.0f} delivered and {rejected:,.0f} rejected rows, expected {expected:,} "
                f"and {expected_rejected:,}."
            )
        return done
