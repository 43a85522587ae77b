"""A bug ends an Airbyte command with one trace, which is true of what that command does with rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import catalog_of, config_for, run_connector, stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CATALOG = catalog_of(stream("users", "person_identify"))
SYNC_RESUMES = "Rows before the last acknowledged state are delivered; later rows will be sent again."

# Imported by Python before the command starts.
_BUG_IN_REQUESTS = """
import requests

def request(*_, **__):
    raise KeyError("c4nary")

requests.Session.request = request
"""
_BUG_IN_A_DRY_RUN = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "destination_customerio.dry_run.command":
            raise KeyError("c4nary")

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(
    ("bug", "command", "arguments", "meaning"),
    [
        (_BUG_IN_REQUESTS, "check", [], "Nothing was written."),
        (_BUG_IN_REQUESTS, "write", [], SYNC_RESUMES),
        (_BUG_IN_A_DRY_RUN, "write", ["--dry-run"], "Nothing was written."),
    ],
)
def test_a_bug_ends_a_command_with_what_it_means_for_the_rows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bug: str,
    command: str,
    arguments: Sequence[str],
    meaning: str,
) -> None:
    """Only a sync that sends has delivered rows; no text of the exception is shown."""
    (tmp_path / "sitecustomize.py").write_text(bug)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    catalog = CATALOG if command == "write" else None
    done = run_connector(command, config_for("http://127.0.0.1:1"), catalog, arguments=arguments)
    message = done.failure("system_error")
    assert message.startswith(f"Unexpected error (KeyError). {meaning} ")
    assert "c4nary" not in message + done.stderr
