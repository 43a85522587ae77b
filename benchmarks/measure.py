"""Runs processes from start to exit and measures their time and memory; compares such runs in pairs.

All figures cover whole processes, as counted by the kernel (`wait4`). Comparisons are interleaved, A B A B, and ratios
are taken per pair, so that whatever else the machine does affects both sides.
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

# Far longer than any run: a process that gets here hangs.
_PATIENCE_SECONDS = 300.0
_BYTES_PER_KIB = 1024
_SHOWN_BYTES_OF_STDERR = 2_000
# The measurement must not depend on proxies, AWS settings or Python settings of the machine. Where Python may not write
# bytecode, every process would compile its libraries again; an installed connector has them compiled.
_FOREIGN = ("aws_", "http_proxy", "https_proxy", "all_proxy", "pythondontwritebytecode")
_ENVIRONMENT = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class BenchmarkError(Exception):
    """A measurement failed; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """One process from its start to its exit.

    wall_seconds    between the two
    cpu_seconds     of all its threads, user and system
    peak_rss_bytes  its peak memory; 0 if unknown, because this process had more when it started the other
    lines           its stdout
    arrived_at      the arrival time of each line, by the monotonic clock
    """

    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    lines: list[bytes] = field(repr=False)
    arrived_at: list[float] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, minimum and maximum of several figures."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """Summarize one or more figures."""
        ordered = sorted(figures)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])

    def __format__(self, spec: str) -> str:
        shown = [format(figure, spec) for figure in (self.median, self.low, self.high)]
        return shown[0] if len(set(shown)) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"


def environment() -> dict[str, str]:
    """The environment for the measured processes."""
    own = {name: value for name, value in os.environ.items() if not name.lower().startswith(_FOREIGN)}
    return {**own, **_ENVIRONMENT}


def run(command: Sequence[str], stdin: Path | None = None) -> Run:
    """Run a command to completion, with a file as stdin.

    Raises:
        BenchmarkError: it failed or hung.
    """
    with Path(stdin or os.devnull).open("rb") as file:
        return _run(command, file)


def run_behind(generator: Sequence[str], command: Sequence[str]) -> Run:
    """Run a command to completion, reading from a pipe filled by another process, which is not measured.

    Raises:
        BenchmarkError: one of the two failed or hung.
    """
    with subprocess.Popen(generator, stdout=subprocess.PIPE, env=environment()) as source:
        assert source.stdout is not None
        with source.stdout as pipe:
            done = _run(command, pipe)
    if source.returncode != 0:
        raise BenchmarkError("The process that makes the rows failed.")
    return done


def interleaved(sides: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Run the sides interleaved, A B A B, for that many rounds."""
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, start in sides.items():
            runs[side].append(start())
    return runs


def ratios(figures: Iterable[float], others: Iterable[float]) -> Spread:
    """The ratios of figures measured in pairs."""
    return Spread.of(figure / other for figure, other in zip(figures, others, strict=True))


def walls(runs: Iterable[Run]) -> list[float]:
    """Seconds from start to exit."""
    return [each.wall_seconds for each in runs]


def cpus(runs: Iterable[Run]) -> list[float]:
    """Seconds of CPU time."""
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
            # Not Popen.wait: the kernel reports a process's resource usage only once.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            wall_seconds = time.perf_counter() - began
        finally:
            watchdog.cancel()
            # No effect on a process that has exited.
            process.kill()
        if process.returncode != 0:
            stderr.seek(0)
            said = [*lines[-3:], stderr.read()[-_SHOWN_BYTES_OF_STDERR:]]
            raise BenchmarkError(
                f"{Path(command[0]).name} ended with {process.returncode}: {b''.join(said).decode(errors='replace')}"
            )
    peak_rss_bytes = usage.ru_maxrss * _BYTES_PER_KIB
    # The kernel counts the memory this process had when it forked as the other's.
    if peak_rss_bytes <= _own_peak_rss_bytes():
        peak_rss_bytes = 0
    return Run(wall_seconds, usage.ru_utime + usage.ru_stime, peak_rss_bytes, lines, arrived_at)


def _own_peak_rss_bytes() -> int:
    # Not getrusage, whose value has the same flaw for this process.
    status = Path("/proc/self/status").read_text()
    return int(dict(line.split(":", 1) for line in status.splitlines())["VmHWM"].split()[0]) * _BYTES_PER_KIB


def _read(stdout: IO[bytes]) -> tuple[list[bytes], list[float]]:
    lines, arrived_at = [], []
    with stdout:
        for line in stdout:
            lines.append(line)
            arrived_at.append(time.monotonic())
    return lines, arrived_at
