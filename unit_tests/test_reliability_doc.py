"""The page about reliability names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from integration_tests.faults.figures import table

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "reliability.md").read_text()


def test_every_test_file_that_the_page_names_exists() -> None:
    """A promise without its test would be a word."""
    named = set(re.findall(r"`((?:unit|integration)_tests/[\w/]+\.py)`", TEXT))
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_numbered_fault_has_its_file() -> None:
    """Ten faults, ten files of tests."""
    files = sorted(path.name[5:7] for path in (ROOT / "integration_tests" / "faults").glob("test_[0-9]*.py"))
    assert files == [f"{number:02d}" for number in range(1, 11)]


def test_figures_make_a_line_each() -> None:
    """What a test has counted beyond the usual stands in the last column."""
    figure = {
        "test": "test_a_b",
        "file": "test_01_x.py",
        "faults": "3 kills",
        "rows": 1200,
        "lost": 0,
        "doubled": 0,
    }
    lines = table([figure, {**figure, "peak_mib": 99}]).splitlines()
    assert lines[2] == "| `test_01_x.py` a b | 3 kills | 1,200 | 0 | 0 |  |"
    assert lines[3].endswith("| peak mib: 99 |")
