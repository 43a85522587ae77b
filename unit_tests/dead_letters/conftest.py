"""Machines for tests of what boto3 reads from the machine it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from unit_tests.dead_letters import bucket_server

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without AWS settings and credentials of its own."""
    bucket_server.isolate(monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The AWS config file."""
    file = tmp_path / "config.ini"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    return file
