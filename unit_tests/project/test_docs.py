"""The documentation names only tests and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from integration_tests.faults.figures import table

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FAULT_TESTS = sorted((ROOT / "integration_tests" / "faults").glob("test_[0-9]*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """A promise of the documentation can be traced to the test that proves it."""
    named = re.findall(r"`((?:unit|integration)_tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text())
    for path, test in named:
        assert f"def {test}(" in (ROOT / path).read_text() if test else (ROOT / path).exists(), (path, test)


@pytest.mark.parametrize("page", ["reliability", "security"])
def test_promises_are_made_with_their_tests(page: str) -> None:
    """The pages about reliability and security name at least ten tests each."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    assert len(set(re.findall(r"`(?:unit|integration)_tests/[\w/]+\.py(?:::\w+)?`", text))) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    """In commands and in the text."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^\$ |`)make ([a-z]+(?:-[a-z]+)*)", page.read_text(), re.MULTILINE)
    assert set(named) <= targets


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    """To a file that exists, and to a heading in it. Links that start with a slash are for Airbyte's own site."""
    for target, anchor in re.findall(r"\]\((?!https?:|/)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text()):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def test_the_page_about_reliability_names_every_fault_test() -> None:
    """Each test of the fault suite is listed there, in files numbered by the kind of fault."""
    page = (ROOT / "docs" / "reliability.md").read_text()
    for path in FAULT_TESTS:
        for test in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE):
            assert f"{path.name}::{test}`" in page
    assert [path.name[5:7] for path in FAULT_TESTS] == [f"{n:02d}" for n, _ in enumerate(FAULT_TESTS, 1)]


def test_the_figures_of_the_fault_suite_make_a_line_each() -> None:
    """Counts that only one test has go into the last column."""
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
