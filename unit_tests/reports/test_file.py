"""A report is written whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from destination_customerio.errors import ConfigError
from destination_customerio.reports.file import report_file

if TYPE_CHECKING:
    from pathlib import Path


def test_a_report_replaces_an_older_one(tmp_path: Path) -> None:
    """The older one stays until the new one is whole; nothing else is left in the folder."""
    path = tmp_path / "report.html"
    path.write_text("old")
    report = report_file(path)
    assert report is not None
    assert path.read_text() == "old"
    report.write("né")
    assert path.read_bytes() == "né".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_command_that_ends_before_its_report_leaves_the_older_one(tmp_path: Path) -> None:
    """And nothing else, also where it is killed."""
    path = tmp_path / "report.html"
    path.write_text("old")
    assert report_file(path) is not None
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_is_as_readable_as_any_other_file(tmp_path: Path) -> None:
    """A web server or a colleague may open it."""
    report = report_file(tmp_path / "report.html")
    assert report is not None
    report.write("")
    (tmp_path / "other").write_text("")
    assert (tmp_path / "report.html").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("name", ["missing/report.html", "", "/dev/null", "a" * 300, "report.html/x"])
def test_an_unwritable_place_is_found_before_the_work(tmp_path: Path, name: str) -> None:
    """A folder that is missing, a folder as the file, a device, a name that is too long."""
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(ConfigError, match="Nothing was done"):
        report_file(tmp_path / name)


def test_without_an_option_there_is_no_report() -> None:
    """The option is optional."""
    assert report_file(None) is None


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, *, exists: bool) -> None:
    """Somebody serves the target, or shares the link."""
    target, link = tmp_path / "shared" / "target.html", tmp_path / "link.html"
    target.parent.mkdir()
    if exists:
        target.write_text("old")
    link.symlink_to(target)
    report = report_file(link)
    assert report is not None
    report.write("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_loop_of_links_is_no_place(tmp_path: Path) -> None:
    """It is found before the work, like any other place that can't be written."""
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / one).symlink_to(tmp_path / other)
    with pytest.raises(ConfigError, match="Nothing was done"):
        report_file(tmp_path / "a" / "report.html")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any file")
def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    """Somebody protected it."""
    path = tmp_path / "report.html"
    path.touch(mode=0o444)
    with pytest.raises(ConfigError, match="Nothing was done"):
        report_file(path)
