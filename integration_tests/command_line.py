"""Runs `rejected` and `replay` as an operator does: text on stdout, no protocol messages."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from integration_tests.connector import PATIENCE_SECONDS, SCRIPT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Ended:
    """A command's output and exit code."""

    stdout: str
    stderr: str
    exit_code: int

    def failure(self, exit_code: int = 1) -> str:
        """The one error message of a failed command."""
        assert (self.exit_code, self.stdout, self.stderr.count("\n")) == (exit_code, "", 1)
        return self.stderr


@contextmanager
def started(
    command: str,
    config: Mapping[str, Any],
    catalog: Mapping[str, Any] | None = None,
    *arguments: str,
    rows: Iterable[bytes] = (),
) -> Iterator[subprocess.Popen[str]]:
    """A running command; `rows` are its input."""
    with TemporaryDirectory(prefix="command-") as folder:
        line = [str(SCRIPT), command, *arguments]
        for name, content in (("config", config), ("catalog", catalog)):
            if content is not None:
                path = Path(folder) / f"{name}.json"
                path.write_text(json.dumps(content))
                line += [f"--{name}", str(path)]
        with (
            file_of(rows) as stdin,
            subprocess.Popen(
                line,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=dict(os.environ),
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end."""
    stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    return Ended(stdout, stderr, process.returncode)


def run_command(
    command: str,
    config: Mapping[str, Any],
    catalog: Mapping[str, Any] | None = None,
    *arguments: str,
    rows: Iterable[bytes] = (),
) -> Ended:
    """Run a command to its end; `rows` are its input."""
    with started(command, config, catalog, *arguments, rows=rows) as process:
        return ended(process)


@contextmanager
def file_of(rows: Iterable[bytes]) -> Iterator[IO[bytes]]:
    """An open file of lines."""
    with TemporaryFile() as file:
        file.writelines(row if row.endswith(b"\n") else row + b"\n" for row in rows)
        file.seek(0)
        yield file


def on_terminal(*arguments: str, columns: int = 100, rows: Iterable[bytes] = ()) -> tuple[str, int]:
    """Run a command on a terminal; returns what it shows, without colours and the like, and the exit code."""
    sent, exit_code = sent_to_terminal(*arguments, columns=columns, rows=rows)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sent).replace("\r", "\n"), exit_code


def sent_to_terminal(
    *arguments: str,
    columns: int = 100,
    meanwhile: Callable[[subprocess.Popen[bytes]], None] = lambda _: None,
    rows: Iterable[bytes] = (),
) -> tuple[str, int]:
    """Run a command on a terminal; returns all that it sends there, and the exit code."""
    outer, inner = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    with (
        file_of(rows) as stdin,
        subprocess.Popen(
            [str(SCRIPT), *arguments], stdin=stdin, stdout=inner, stderr=inner, env=environment
        ) as process,
    ):
        os.close(inner)
        meanwhile(process)
        sent = b""
        while piece := _read(outer):
            sent += piece
        exit_code = process.wait(PATIENCE_SECONDS)
    os.close(outer)
    return sent.decode(), exit_code


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other side is closed
        return b""
