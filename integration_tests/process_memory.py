"""What a process takes of memory, as Linux counts it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path


def peak_kib(process: int | str) -> int:
    """The most that the process of this number, or `self`, or one of its children has held at once; 0 at its end."""
    children = Path(f"/proc/{process}/task/{process}/children")
    numbers = [process, *(children.read_text().split() if children.exists() else ())]
    return max(_own_peak_kib(number) for number in numbers)


def _own_peak_kib(process: int | str) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        found = re.search(r"VmHWM:\s+([0-9]+)", Path(f"/proc/{process}/status").read_text())
        return int(found[1]) if found else 0
    return 0
