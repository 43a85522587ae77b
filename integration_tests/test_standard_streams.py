"""Stdin, stdout and stderr as other programs leave them: closed, full, non-blocking, or with a reader that stopped reading."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
from typing import IO, TYPE_CHECKING, Any

import pytest

from integration_tests.connector import (
    PATIENCE_SECONDS,
    SCRIPT,
    Message,
    catalog_of,
    config_for,
    cursors,
    record,
    stream,
    stream_state,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("users", "person_identify"))
COMMANDS = [
    "--version",
    "--help",
    "spec",
    "check",
    "discover",
    "write",
    "write --dry-run",
    "rejected",
    "rejected --json",
    "replay",
]
# More than a pipe takes, unless somebody reads.
STATES = [stream_state("users", [n, "x" * 1_000]) for n in range(200)]
LINES = b"\n".join(STATES) + b"\n"


@pytest.fixture
def folder(tmp_path: Path, api: LocalTrackApi, bucket: Bucket) -> Path:
    """A folder with a configuration and a catalog, and a bucket with one rejected row."""
    row = b'{"_airbyte_raw_id":"r1","_airbyte_data":{"person_email":null}}\n'
    bucket.client.put_object(
        Bucket=bucket.name, Key="customerio/rejected/42/users/2026_11_24_1_0.jsonl", Body=row
    )
    (tmp_path / "config.json").write_text(
        json.dumps(config_for(api.url, object_storage_config=bucket.config()))
    )
    (tmp_path / "catalog.json").write_text(json.dumps(CATALOG))
    return tmp_path


def command_line(command: str) -> list[str]:
    """All arguments of a command."""
    words = [str(SCRIPT), *command.split()]
    if not command.startswith("--") and command != "spec":
        words += ["--config", "config.json"]
    if words[1] in ("write", "replay"):
        words += ["--catalog", "catalog.json"]
    return words


def run_with(folder: Path, command: str, redirections: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a shell does, with these redirections."""
    line = f"exec {' '.join(command_line(command))} {redirections}"
    return subprocess.run(
        ["sh", "-c", line],  # noqa: S607 - any shell
        cwd=folder,
        input=LINES,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("redirection", "cause", "without_stderr"),
    [(">/dev/full", "No space left on device", "2>/dev/full"), (">&-", "Bad file descriptor", "2>&-")],
)
def test_a_full_or_closed_stdout_is_one_sentence(
    folder: Path, command: str, redirection: str, cause: str, without_stderr: str
) -> None:
    """Each command ends with exit code 1, and names the cause, unless there is nobody to name it to."""
    done = run_with(folder, command, redirection)
    said = done.stderr.decode()
    assert (done.returncode, said.count("\n")) == (1, 1)
    assert said.startswith(f"Standard output could not be written ({cause}), so the command has ended.")
    done = run_with(folder, command, f"{redirection} {without_stderr}")
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_or_full_stderr_changes_nothing(folder: Path, command: str) -> None:
    """A command that succeeds writes nothing there."""
    said = [run_with(folder, command, redirection) for redirection in ("", "2>&-", "2>/dev/full")]
    assert {done.returncode for done in said} == {0}
    assert all(done.stdout for done in said)


@pytest.mark.parametrize("redirection", ["", "2>&-", "2>/dev/full"])
def test_a_json_document_is_one_whatever_stderr_is(folder: Path, redirection: str) -> None:
    """The log lines of a dry run go to stderr, and nowhere else."""
    report = folder / "report.html"
    for command in (f"write --dry-run --json --report {report}", f"rejected --json --report {report}"):
        done = run_with(folder, command, redirection)
        assert (command, done.returncode, type(json.loads(done.stdout))) == (command, 0, dict)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_an_error_without_a_stderr_still_has_its_exit_code(folder: Path, redirection: str) -> None:
    """`rejected` and `replay` report errors there, and argparse does."""
    (folder / "config.json").unlink()
    for command, exit_code in {"rejected": 1, "replay": 1, "check": 0, "write": 1, "--bogus": 2}.items():
        assert (command, run_with(folder, command, redirection).returncode) == (command, exit_code)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_stdout_whose_reader_has_gone_ends_a_command_silently(folder: Path, command: str) -> None:
    """As with `| head`, whoever closed the pipe wants no more."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command_line(command),
        cwd=folder,
        input=LINES,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@contextlib.contextmanager
def running_write(folder: Path, stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    """A `write`."""
    process = subprocess.Popen(
        command_line("write"),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def send(process: subprocess.Popen[bytes], lines: bytes) -> None:
    """Write to the process's stdin."""
    assert process.stdin is not None
    process.stdin.write(lines)
    process.stdin.flush()


def error_output(process: subprocess.Popen[bytes]) -> str:
    """Everything that the process writes to stderr until its end."""
    assert process.stderr is not None
    return process.stderr.read().decode()


def states_in(file: IO[bytes]) -> list[Message]:
    """The states in what was written to stdout."""
    messages: list[dict[str, Any]] = [json.loads(line) for line in file]
    return [message["state"] for message in messages if message["type"] == "STATE"]


def nonblocking(kind: str) -> tuple[int, int]:
    """The reading end, and a writing end that never blocks."""
    if kind == "pipe":
        reading, writing = os.pipe()
    else:
        reading, writing = (end.detach() for end in socket.socketpair())
    os.set_blocking(writing, False)
    return reading, writing


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_non_blocking_stdout_loses_no_state(folder: Path, kind: str) -> None:
    """A reader that begins late finds every state, in order and whole."""
    reading, writing = nonblocking(kind)
    with running_write(folder, writing) as process:
        send(process, LINES)
        assert process.stdin is not None
        process.stdin.close()
        wait_until(lambda: is_full(writing))
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            states = states_in(file)
        assert (process.wait(PATIENCE_SECONDS), error_output(process)) == (0, "")
    assert [cursor[0] for cursor in cursors(states)] == list(range(200))


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_non_blocking_stdout_gets_a_whole_json_document(folder: Path, kind: str) -> None:
    """A dry run waits for a reader that begins late."""
    reading, writing = nonblocking(kind)
    rows = b"".join(record("users", {"person_email": f"u{n}@b.c", "x": "x"}) + b"\n" for n in range(2_000))
    process = subprocess.Popen(
        command_line("write --dry-run --json --sample 2000"),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    with process:
        send(process, rows)
        assert process.stdin is not None
        process.stdin.close()
        wait_until(lambda: is_full(writing))
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            document = json.load(file)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert len(document["streams"][0]["samples"]) == 2_000


def test_a_non_blocking_stdin_is_read_to_its_end(folder: Path) -> None:
    """A pipe that is empty for a moment has not ended."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with subprocess.Popen(
        command_line("write"), cwd=folder, stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        os.close(reading)
        assert process.stdout is not None
        # By its state, which is written only once it has been read.
        for number in range(3):
            os.write(writing, STATES[number] + b"\n")
            while b'"STATE"' not in (line := process.stdout.readline()):
                assert line
            assert json.loads(line)["state"]["stream"]["stream_state"]["cursor"][0] == number
        os.close(writing)
        assert (process.wait(PATIENCE_SECONDS), error_output(process)) == (0, "")


def is_full(descriptor: int) -> bool:
    """Whether nothing can be written now."""
    return not select.select((), (descriptor,), (), 0)[1]


@pytest.mark.parametrize(("is_blocking", "signals"), [(True, 2), (False, 1)])
def test_a_signal_ends_a_sync_whose_stdout_nobody_reads(
    folder: Path, signals: int, *, is_blocking: bool
) -> None:
    """In time, with a sentence; everything that was written is whole up to the last message."""
    reading, writing = os.pipe()
    os.set_blocking(writing, is_blocking)
    with running_write(folder, writing) as process:
        send(process, LINES)
        wait_until(lambda: is_full(writing))
        os.close(writing)
        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 143
        assert error_output(process).startswith("The command has not ended in time after a signal")
    with os.fdopen(reading, "rb") as file:
        *whole, _ = file.read().split(b"\n")
    states = [message["state"] for message in map(json.loads, whole) if message["type"] == "STATE"]
    assert 0 < len(states) < 200
    assert [cursor[0] for cursor in cursors(states)] == list(range(len(states)))


def test_a_reader_that_resumes_after_a_signal_gets_the_states(folder: Path) -> None:
    """The sync ends by itself then, without a sentence."""
    reading, writing = os.pipe()
    with running_write(folder, writing) as process:
        send(process, LINES)
        wait_until(lambda: is_full(writing))
        os.close(writing)
        process.send_signal(signal.SIGTERM)
        with os.fdopen(reading, "rb") as file:
            states = states_in(file)
        assert (process.wait(PATIENCE_SECONDS), error_output(process)) == (143, "")
    assert [cursor[0] for cursor in cursors(states)] == list(range(len(states)))


def test_a_closed_stdin_ends_the_sync_although_stdout_is_a_socket(folder: Path) -> None:
    """Stdout is not read in its place."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {' '.join(command_line('write'))} <&-"],  # noqa: S607 - any shell
            cwd=folder,
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
        )
        theirs.close()
        with process:
            messages = [json.loads(line) for line in ours.makefile("rb")]
            assert (process.wait(PATIENCE_SECONDS), error_output(process)) == (1, "")
    (error,) = [message["trace"]["error"] for message in messages if message["type"] == "TRACE"]
    assert "The input could not be read to the end (Bad file descriptor)" in error["message"]


def test_no_state_is_written_to_a_socket_that_took_the_place_of_a_closed_stream(
    folder: Path, api: LocalTrackApi
) -> None:
    """With all three closed, connections to Customer.io and the bucket don't become stdin, stdout or stderr."""
    send_rows = record("users", {"person_email": "a@b.c"}) + b"\n" + STATES[0] + b"\n"
    done = subprocess.run(
        ["sh", "-c", f"exec {' '.join(command_line('write'))} <&- >&- 2>&-"],  # noqa: S607 - any shell
        cwd=folder,
        input=send_rows,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
    assert api.world.profiles() == []
