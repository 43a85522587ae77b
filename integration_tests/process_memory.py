"""What a process takes of memory and processor time, as Linux counts it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path


def peak_kib(process: int | str) -> int:
    """The most that the process of this number, or `self`, or one of its children has held at once; 0 at its end."""
    return max(_own_peak_kib(number) for number in _with_children(process))


def cpu_seconds(process: int) -> float:
    """The processor time that the process of this number and its children have used in Python so far; 0 at their end."""
    return sum(_own_cpu_seconds(number) for number in _with_children(process))


def _with_children(process: int | str) -> list[int | str]:
    children = Path(f"/proc/{process}/task/{process}/children")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [process, *children.read_text().split()]
    return [process]


def _own_cpu_seconds(process: int | str) -> float:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11]) / 100
    return 0.0


def _own_peak_kib(process: int | str) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        found = re.search(r"VmHWM:\s+([0-9]+)", Path(f"/proc/{process}/status").read_text())
        return int(found[1]) if found else 0
    return 0
