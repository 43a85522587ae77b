"""A command ends within ten seconds of a signal whatever it is doing, and dies with the process that people know."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import (
    PATIENCE_SECONDS,
    SCRIPT,
    Connector,
    catalog_of,
    config_for,
    record,
    run_connector,
    stream,
    stream_state,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.local_track_api import LocalTrackApi

ROOT = Path(__file__).parent.parent
CATALOG = catalog_of(stream("users", "person_identify"))
# Airbyte kills after this long.
KILLED_AFTER_SECONDS = 10.0

# Ignores signals and holds the interpreter's lock for ever, as the parsing of an enormous line does for a while. SIGHUP may
# have been ignored by whoever started the tests.
_STUCK = """
import itertools, os, signal
from destination_customerio.supervisor import supervise

signal.signal(signal.SIGHUP, signal.SIG_DFL)

def work():
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    os.write(1, b"%d\\n" % os.getpid())
    return sum(itertools.repeat(0))

supervise(work, lambda error: os.write(2, str(error).encode()), grace_seconds=0.5)
"""


@contextlib.contextmanager
def stuck() -> Iterator[subprocess.Popen[bytes]]:
    """A command whose child neither ends nor runs a handler."""
    command = [sys.executable, "-c", _STUCK]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def child_of(process: subprocess.Popen[bytes]) -> int:
    """The number of the child, once it works."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def is_running(number: int) -> bool:
    """Whether a process exists and is not only waiting to be forgotten."""
    try:
        status = Path(f"/proc/{number}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_child_that_can_not_end_is_killed(number: signal.Signals, exit_code: int) -> None:
    """The exit code is that of the first signal, and a sentence says what happened."""
    with stuck() as process:
        child = child_of(process)
        process.send_signal(number)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == exit_code
        assert process.stderr is not None
        assert process.stderr.read().startswith(b"The command has not ended in time after a signal")
        wait_until(lambda: not is_running(child))


def test_a_child_is_killed_in_time_although_nobody_reads_stderr() -> None:
    """The sentence is dropped then."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, bytes(4_096)):
            pass
    os.set_blocking(writing, True)
    command = [sys.executable, "-c", _STUCK]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=writing) as process:
        child_of(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 143
    os.close(reading)
    os.close(writing)


def test_the_exit_code_is_known_to_a_process_whose_parent_ignored_its_children() -> None:
    """Linux hands this down from one program to the next, and would then keep no exit code."""
    code = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", code, str(SCRIPT), "--bogus"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux ends a child with its parent.")
def test_a_child_dies_with_its_parent() -> None:
    """A sync that was killed sends nothing more, whatever it was doing."""
    with stuck() as process:
        child = child_of(process)
        process.kill()
        process.wait(PATIENCE_SECONDS)
        wait_until(lambda: not is_running(child))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "was killed (SIGKILL) by another process"),
        (signal.SIGHUP, "was killed by another process (SIGHUP)"),
        (signal.SIGRTMIN + 3, f"was killed by another process (signal {signal.SIGRTMIN + 3})"),
        (signal.SIGSEGV, "crashed (SIGSEGV)"),
    ],
)
def test_a_child_that_was_killed_is_reported(number: int, words: str) -> None:
    """By its parent, as it can't say so itself."""
    with stuck() as process:
        os.kill(child_of(process), number)
        assert process.wait(PATIENCE_SECONDS) == 1
        assert process.stderr is not None
        assert words in process.stderr.read().decode()


_FAILING_IMPORT = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "destination_customerio.commands":
            raise {error}

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("ImportError('x.so: failed to map segment from shared object')", "The connector ran out of memory"),
        ("OSError(24, 'Too many open files')", "The connector has too many files open"),
        ("RuntimeError('c4nary')", "Unexpected error (RuntimeError)"),
    ],
)
def test_a_command_that_can_not_be_loaded_ends_with_a_trace(
    error: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As any other that fails."""
    (tmp_path / "sitecustomize.py").write_text(_FAILING_IMPORT.replace("{error}", error))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    message = run_connector("spec").failure("system_error")
    assert message.startswith(words)
    assert "a sync resumes from the last state that was written" in message
    assert "c4nary" not in message


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("ulimit -St 1", "has used up its CPU time; its limit is 1 s (ulimit -t)"),
        ("ulimit -t 1", "or at the end of its CPU time of 1 s (ulimit -t)"),
    ],
)
def test_a_limit_of_processor_time_is_named(limit: str, words: str) -> None:
    """The kernel ends the child by a signal of its own, or by SIGKILL."""
    command = ["bash", "-c", f'{limit}; exec "$@"', "bash", sys.executable, "-c", _STUCK]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 1
    assert words in done.stderr.decode()


@pytest.mark.parametrize("victim", ["parent", "child"])
def test_a_terminal_gets_its_cursor_back_from_the_parent(victim: str) -> None:
    """A child that is killed while it shows a bar can't show the cursor again."""
    outer, inner = pty.openpty()
    hide = _STUCK.replace("def work():", 'def work():\n    os.write(1, b"\\x1b[?25l")')
    with subprocess.Popen([sys.executable, "-c", hide], cwd=ROOT, stdout=inner, stderr=inner) as process:
        os.close(inner)
        sent = b""
        while b"\n" not in sent:
            sent += os.read(outer, 1_000)
        child = int(sent.removeprefix(b"\x1b[?25l"))
        os.kill(*((process.pid, signal.SIGTERM) if victim == "parent" else (child, signal.SIGKILL)))
        process.wait(PATIENCE_SECONDS)
        shown = os.read(outer, 10_000)
    os.close(outer)
    assert shown.startswith(b"\r\x1b[2K\x1b[?25h")


_OUT_OF_MEMORY_BESIDE_A_BAR = """
import os, threading
from destination_customerio.supervisor import supervise

def fail():
    raise MemoryError

def work():
    os.write(1, b"\\x1b[?25l")
    threading.Thread(target=fail).start()
    threading.Event().wait()

supervise(work, lambda error: os.write(2, str(error).encode()))
"""


def test_a_terminal_gets_its_cursor_back_from_a_child_that_ran_out_of_memory() -> None:
    """It ends at once then, by an exit code of its own."""
    outer, inner = pty.openpty()
    command = [sys.executable, "-c", _OUT_OF_MEMORY_BESIDE_A_BAR]
    with subprocess.Popen(command, cwd=ROOT, stdout=inner, stderr=subprocess.PIPE) as process:
        os.close(inner)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    shown = os.read(outer, 10_000)
    os.close(outer)
    assert shown == b"\x1b[?25l\r\x1b[2K\x1b[?25h"
    assert b"ran out of memory" in said


# Imports that swallow every exception while they wait, as finalizers and callbacks of libraries do.
_SWALLOWING_IMPORTS = """
import sys, time

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("destination_customerio.") and name.endswith(".commands"):
            open(__file__ + ".waiting", "w").close()
            try:
                time.sleep(600)
            except BaseException:
                pass

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("command", ["spec", "check", "discover", "write", "rejected", "replay"])
def test_a_signal_at_the_start_ends_a_command_at_once(
    command: str,
    number: signal.Signals,
    exit_code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    api: LocalTrackApi,
) -> None:
    """No library can swallow it, or make an error of its own of it, as there is nothing to finish yet."""
    (tmp_path / "sitecustomize.py").write_text(_SWALLOWING_IMPORTS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    config = None if command == "spec" else config_for(api.url)
    catalog = CATALOG if command in ("write", "replay") else None
    with Connector(command, config, catalog) as connector:
        wait_until((tmp_path / "sitecustomize.py.waiting").exists)
        connector.signal(number)
        done = connector.wait()
    assert (done.exit_code, done.lines, done.stderr) == (exit_code, [], "")


def test_a_killed_sync_ends_with_a_trace(api: LocalTrackApi) -> None:
    """The platform shows why it failed."""
    with Connector("write", config_for(api.url), CATALOG) as connector:
        connector.send([stream_state("users", 0)])
        connector.next_message("STATE")
        (child,) = (
            Path(f"/proc/{connector.process.pid}/task/{connector.process.pid}/children").read_text().split()
        )
        os.kill(int(child), signal.SIGKILL)
        done = connector.wait()
    assert "was killed (SIGKILL)" in done.failure("system_error")
    assert "a sync resumes from the last state that was written" in done.error["message"]


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_a_killed_command_without_a_stdout_says_so_on_stderr(
    redirection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace could not be written."""
    (tmp_path / "sitecustomize.py").write_text(_SWALLOWING_IMPORTS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with subprocess.Popen(
        ["sh", "-c", f"exec {SCRIPT} spec {redirection}"],  # noqa: S607 - any shell
        stderr=subprocess.PIPE,
    ) as process:
        wait_until((tmp_path / "sitecustomize.py.waiting").exists)
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        assert process.wait(PATIENCE_SECONDS) == 1
        assert process.stderr is not None
        assert process.stderr.read().startswith(b"The connector was killed (SIGKILL)")


def test_a_signal_ends_a_sync_within_a_giant_line(api: LocalTrackApi) -> None:
    """While the line is still arriving, and while it is being parsed; both at once, as it takes seconds."""
    pieces = b'{"a":[1,{"b":null}],"c":"d"},' * 3_000_000
    line = (
        record("users", {"person_email": "a@b.c"}).replace(b'"a@b.c"', b'"a@b.c","x":[' + pieces + b"0]")
        + b"\n"
    )
    with (
        Connector("write", config_for(api.url), CATALOG) as arriving,
        Connector("write", config_for(api.url), CATALOG) as parsing,
    ):
        for connector, piece in ((arriving, line[:-1]), (parsing, line)):
            connector.send([stream_state("users", 0)])
            connector.next_message("STATE")
            connector.send_piece(piece)
        for connector in (arriving, parsing):
            connector.signal(signal.SIGTERM)
        for connector in (arriving, parsing):
            done = connector.wait()
            assert (done.exit_code, done.errors) == (143, [])


_SILENT_NAME_SERVER = """
import pathlib, socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
pathlib.Path("resolv.conf").write_text("nameserver 127.0.0.1\\noptions timeout:30 attempts:5\\n")
subprocess.run(["mount", "--bind", "resolv.conf", "/etc/resolv.conf"], check=True)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
server.settimeout(120.0)
command = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
server.recv(1_000)
print("asked", flush=True)
# Takes the place of the platform, which only knows the process that it started.
sys.stdin.readline()
command.terminate()
sys.exit(command.wait())
"""


def reason_not_to_unshare() -> str:
    """Why no network namespace can be made here; empty if one can."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "There is no unshare or no ip command to make a network namespace with."
    done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)  # noqa: S607
    return "" if done.returncode == 0 else "This user may not make a network namespace."


@pytest.mark.parametrize("command", ["check", "write", "rejected", "replay"])
def test_a_signal_ends_a_command_that_waits_for_a_name(command: str, tmp_path: Path) -> None:
    """The lookup of a name can't be interrupted."""
    if reason := reason_not_to_unshare():
        pytest.skip(reason)
    storage = {
        "storage_type": "S3",
        "s3_bucket_name": "b",
        "s3_bucket_region": "us-east-1",
        "bucket_path": "customerio/rejected",
        "s3_endpoint": "https://store.invalid.example",
        "access_key_id": "a",
        "secret_access_key": "b",
    }
    (tmp_path / "config.json").write_text(
        json.dumps(config_for("https://track.invalid.example", object_storage_config=storage))
    )
    (tmp_path / "catalog.json").write_text(json.dumps(CATALOG))
    words = [str(SCRIPT), command, "--config", "config.json"]
    words += ["--catalog", "catalog.json"] if command in ("write", "replay") else []
    with subprocess.Popen(
        ["unshare", "--net", "--mount", sys.executable, "-c", _SILENT_NAME_SERVER, *words],  # noqa: S607
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while (line := process.stdout.readline()) != b"asked\n":
            assert line
        began = time.monotonic()
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.wait(PATIENCE_SECONDS) == 143
        # Without the limit it is a multiple of thirty seconds.
        assert time.monotonic() - began < KILLED_AFTER_SECONDS * 2
