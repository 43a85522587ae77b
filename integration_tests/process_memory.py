"""What a process takes of memory, as Linux counts it."""

from __future__ import annotations

import re
from pathlib import Path


def peak_kib(process: int | str) -> int:
    """The most that the process of this number, or `self`, has held at once; 0 in the moment of its end."""
    found = re.search(r"VmHWM:\s+([0-9]+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) if found else 0
