"""The pages about reliability and security name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from integration_tests.faults.figures import table

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text()


@pytest.mark.parametrize("page", ["reliability", "security"])
def test_every_test_that_a_page_names_exists(page: str) -> None:
    """A promise without its test would be a word."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    named = set(re.findall(r"`((?:unit|integration)_tests/[\w/]+\.py)(?:::(\w+))?`", text))
    assert len(named) > 10
    for path, test in named:
        assert f"def {test}(" in (ROOT / path).read_text() if test else (ROOT / path).exists(), (path, test)


def test_every_test_of_a_fault_is_named() -> None:
    """What the suite shows stands on the page."""
    for path in (ROOT / "integration_tests" / "faults").glob("test_[0-9]*.py"):
        for test in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE):
            assert f"{path.name}::{test}`" in TEXT


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
