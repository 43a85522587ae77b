"""`rejected` and `replay` write reports whose numbers are those of the commands."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from integration_tests.command_line import run_command
from integration_tests.rejected_rows import CATALOG, GOOD_ORDERS, config, fill

if TYPE_CHECKING:
    from pathlib import Path

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi


def figures(path: Path) -> list[tuple[str, int]]:
    """The numbers on a page by their names."""
    found = re.findall(r'data-figure="([^"]*)">([0-9,]+)<', path.read_text())
    return [(name, int(number.replace(",", ""))) for name, number in found]


def test_the_report_of_rejected_rows_has_the_numbers_of_the_document(
    api: LocalTrackApi, bucket: Bucket, tmp_path: Path
) -> None:
    """Totals first, then each stream and reason."""
    fill(api, bucket.config())
    path = tmp_path / "rejected.html"
    done = run_command("rejected", config(api, bucket.config()), None, "--json", "--report", str(path))
    document = json.loads(done.stdout)
    assert (done.exit_code, done.stderr) == (0, f"Report: {path}\n")
    assert figures(path)[:3] == [
        ("rejected", document["rows"]),
        ("files", document["files"]),
        ("files skipped", 0),
    ]
    assert [number for name, number in figures(path) if name == "rows"] == [
        kind["rows"] for kind in document["rejected"]
    ]
    assert "u1" not in path.read_text()


def test_the_report_of_a_replay_says_what_was_accepted_and_what_was_not(
    api: LocalTrackApi, bucket: Bucket, tmp_path: Path
) -> None:
    """A dry run says what would be; both name the stream's object."""
    fill(api, bucket.config())
    pages = []
    for name, arguments in (("dry", ("--dry-run",)), ("real", ())):
        path = tmp_path / f"{name}.html"
        settings = config(api, bucket.config())
        done = run_command("replay", settings, CATALOG, *arguments, "--report", str(path))
        assert done.exit_code == 0, done.stderr
        assert done.stdout.endswith(f"Report: {path}\n")
        pages.append(dict(figures(path)[:3]))
        assert "orders" in path.read_text()
        assert "person_event" in path.read_text()
    rejected = 9 - len(GOOD_ORDERS)
    assert pages == [
        {"would be sent": 11, "would be rejected again": rejected, "files left unchanged": 0},
        {"accepted": 11, "rejected again": rejected, "files left unchanged": 0},
    ]
    assert "person_id" in (tmp_path / "real.html").read_text()


def test_a_report_that_has_no_place_stops_a_replay_before_it_sends(
    api: LocalTrackApi, bucket: Bucket, tmp_path: Path
) -> None:
    """Nothing is sent, and the files stay."""
    fill(api, bucket.config())
    before = bucket.keys()
    path = tmp_path / "missing" / "replay.html"
    done = run_command("replay", config(api, bucket.config()), CATALOG, "--report", str(path))
    assert done.exit_code == 1
    assert "The report can't be written to" in done.stderr
    assert bucket.keys() == before
    assert api.world.events == []
