"""Runs the commands that are for people: words on stdout, none of the protocol's messages."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from integration_tests.connector import PATIENCE_SECONDS, SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a command said, and how it ended."""

    stdout: str
    stderr: str
    exit_code: int

    def failure(self) -> str:
        """The one sentence of a command that failed as it has to."""
        assert (self.exit_code, self.stdout, self.stderr.count("\n")) == (1, "", 1)
        return self.stderr


@contextmanager
def started(
    command: str, config: Mapping[str, Any], catalog: Mapping[str, Any] | None = None, *arguments: str
) -> Iterator[subprocess.Popen[str]]:
    """A command under way."""
    with TemporaryDirectory(prefix="people-") as folder:
        line = [str(SCRIPT), command, *arguments]
        for name, content in (("config", config), ("catalog", catalog)):
            if content is not None:
                path = Path(folder) / f"{name}.json"
                path.write_text(json.dumps(content))
                line += [f"--{name}", str(path)]
        with subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def ended(process: subprocess.Popen[str]) -> Spoken:
    """Wait for the end."""
    stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    return Spoken(stdout, stderr, process.returncode)


def speak(
    command: str, config: Mapping[str, Any], catalog: Mapping[str, Any] | None = None, *arguments: str
) -> Spoken:
    """Run a command to its end."""
    with started(command, config, catalog, *arguments) as process:
        return ended(process)
