"""A report is written whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from destination_customerio.errors import ConfigError
from destination_customerio.reports.file import opened_report

if TYPE_CHECKING:
    from pathlib import Path


def test_a_report_replaces_an_older_one(tmp_path: Path) -> None:
    """The older one stays until the new one is whole; nothing else is left in the folder."""
    path = tmp_path / "report.html"
    path.write_text("old")
    with opened_report(path) as report:
        assert report is not None
        assert path.read_text() == "old"
        report.write("né")
    assert path.read_bytes() == "né".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_command_that_fails_leaves_the_older_report(tmp_path: Path) -> None:
    """Half a report would be taken for a whole one."""
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(RuntimeError), opened_report(path):
        raise RuntimeError
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_is_as_readable_as_any_other_file(tmp_path: Path) -> None:
    """A web server or a colleague may open it."""
    with opened_report(tmp_path / "report.html") as report:
        assert report is not None
        report.write("")
    (tmp_path / "other").write_text("")
    assert (tmp_path / "report.html").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("name", ["missing/report.html", "", "/dev/null", "a" * 300, "report.html/x"])
def test_an_unwritable_place_is_found_before_the_work(tmp_path: Path, name: str) -> None:
    """A folder that is missing, a folder as the file, a device, a name that is too long."""
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(ConfigError, match="Nothing was done"), opened_report(tmp_path / name):
        pytest.fail("the work began")


def test_without_an_option_there_is_no_report() -> None:
    """The option is optional."""
    with opened_report(None) as report:
        assert report is None
