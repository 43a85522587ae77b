"""Runs a process from start to exit, and says what it took; compares such runs in pairs.

All figures are of whole processes, as the kernel counts them (`wait4`). A comparison runs its sides in turn, A B A B,
and takes the ratio of each pair: what the machine does meanwhile then strikes both sides alike.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# Far beyond any run: a process that gets here hangs.
_PATIENCE_SECONDS = 300.0
_BYTES_PER_KIB = 1024
_SHOWN_BYTES_OF_STDERR = 2_000
# Neither proxies nor an AWS account of whoever runs this may have a say in what is measured.
_FOREIGN = ("aws_", "http_proxy", "https_proxy", "all_proxy")
_ENVIRONMENT = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class BenchmarkError(Exception):
    """A figure can't be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """One process from its start to its exit.

    wall_seconds    between the two
    cpu_seconds     of all its threads, in user and kernel mode
    peak_rss_bytes  the most memory it held at once; 0 where it is hidden behind what this process held at its start
    lines           what it wrote to stdout
    arrived_at      when each of these lines came, by the monotonic clock
    """

    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    lines: list[bytes] = field(repr=False)
    arrived_at: list[float] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several figures, and the least and the greatest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """Sum up one figure or more."""
        ordered = sorted(figures)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])

    def __format__(self, spec: str) -> str:
        shown = [format(figure, spec) for figure in (self.median, self.low, self.high)]
        return shown[0] if len(set(shown)) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"


def environment() -> dict[str, str]:
    """What the processes see of this one's environment."""
    own = {name: value for name, value in os.environ.items() if not name.lower().startswith(_FOREIGN)}
    return {**own, **_ENVIRONMENT}


def run(command: Sequence[str], stdin: Path | None = None) -> Run:
    """Run a command to its end, with a file for stdin.

    Raises:
        BenchmarkError: it failed, or did not end.
    """
    with Path(stdin or os.devnull).open("rb") as file:
        return _run(command, file)


def run_behind(generator: Sequence[str], command: Sequence[str]) -> Run:
    """Run a command to its end behind a pipe that another process fills, which is not measured.

    Raises:
        BenchmarkError: one of the two failed, or did not end.
    """
    with subprocess.Popen(generator, stdout=subprocess.PIPE, env=environment()) as source:
        assert source.stdout is not None
        with source.stdout as pipe:
            done = _run(command, pipe)
    if source.returncode != 0:
        raise BenchmarkError("The process that makes the rows failed.")
    return done


def in_turn(sides: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Run the sides one after the other, so many times: A B A B."""
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, start in sides.items():
            runs[side].append(start())
    return runs


def ratios(figures: Iterable[float], others: Iterable[float]) -> Spread:
    """The ratios of figures that were measured in pairs."""
    return Spread.of(figure / other for figure, other in zip(figures, others, strict=True))


def walls(runs: Iterable[Run]) -> list[float]:
    """Seconds from start to exit."""
    return [each.wall_seconds for each in runs]


def cpus(runs: Iterable[Run]) -> list[float]:
    """Seconds of processor time."""
    return [each.cpu_seconds for each in runs]


def _run(command: Sequence[str], stdin: IO[bytes]) -> Run:
    with tempfile.TemporaryFile() as stderr:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, env=environment()
        )
        watchdog = threading.Timer(_PATIENCE_SECONDS, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            lines, arrived_at = _read(process.stdout)
            # Not by Popen's own wait: the kernel tells what a process took only once.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall_seconds = time.perf_counter() - began
        finally:
            watchdog.cancel()
            # Does nothing to a process that has ended.
            process.kill()
        if process.returncode != 0:
            stderr.seek(0)
            said = [*lines[-3:], stderr.read()[-_SHOWN_BYTES_OF_STDERR:]]
            raise BenchmarkError(
                f"{Path(command[0]).name} ended with {process.returncode}: {b''.join(said).decode(errors='replace')}"
            )
    peak_rss_bytes = usage.ru_maxrss * _BYTES_PER_KIB
    # What this process held when it started the other, the kernel counts as if it had been the other's.
    if peak_rss_bytes <= _own_peak_rss_bytes():
        peak_rss_bytes = 0
    return Run(wall_seconds, usage.ru_utime + usage.ru_stime, peak_rss_bytes, lines, arrived_at)


def _own_peak_rss_bytes() -> int:
    # Not of getrusage, which knows nothing better of this process than of the others.
    status = Path("/proc/self/status").read_text()
    return int(dict(line.split(":", 1) for line in status.splitlines())["VmHWM"].split()[0]) * _BYTES_PER_KIB


def _read(stdout: IO[bytes]) -> tuple[list[bytes], list[float]]:
    lines, arrived_at = [], []
    with stdout:
        for line in stdout:
            lines.append(line)
            arrived_at.append(time.monotonic())
    return lines, arrived_at
