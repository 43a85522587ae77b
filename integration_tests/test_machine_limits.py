"""A machine that gives too little: the message names the limit, and the exit code is 1."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from integration_tests.connector import (
    PATIENCE_SECONDS,
    SCRIPT,
    Finished,
    catalog_of,
    config_for,
    cursors,
    record,
    stream,
    stream_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("users", "person_identify"))
CGROUPS = Path("/sys/fs/cgroup")


def run(folder: Path, command: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command in a shell."""
    return subprocess.run(
        ["sh", "-c", command],  # noqa: S607
        cwd=folder,
        input=text,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def write(folder: Path, config: dict[str, Any], lines: list[bytes], limit: str) -> Finished:
    """Run `write` in a shell that sets a limit first."""
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "catalog.json").write_text(json.dumps(CATALOG))
    command = f"{limit} && exec {SCRIPT} write --config config.json --catalog catalog.json"
    done = run(folder, command, b"\n".join([*lines, b""]))
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return Finished(messages, done.returncode, done.stderr.decode())


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("ulimit -n 40", "40 files and connections"),
        ("ulimit -v 600000", "586 MiB (ulimit -v)"),
        ("ulimit -d 100000", "98 MiB (ulimit -d)"),
    ],
)
def test_a_limit_that_leaves_no_room_ends_the_sync_before_its_first_row(
    api: LocalTrackApi, tmp_path: Path, limit: str, words: str
) -> None:
    """Later, libraries would crash, or wait for ever."""
    lines = [record("users", {"person_email": "a@b.c"}), stream_state("users", 1)]
    message = write(tmp_path, config_for(api.url), lines, limit).failure("config_error")
    assert words in message
    assert api.world.profiles() == []
    checked = run(tmp_path, f"{limit} && exec {SCRIPT} check --config config.json")
    status = json.loads(checked.stdout)["connectionStatus"]
    assert (status["status"], words in status["message"]) == ("FAILED", True)


def test_few_descriptors_are_enough(api: LocalTrackApi, tmp_path: Path) -> None:
    """With 64, all lanes have their connections."""
    lines = [record("users", {"person_email": f"u{n}@b.c", "x": "x" * 900}) for n in range(5_000)]
    done = write(tmp_path, config_for(api.url), [*lines, stream_state("users", 1)], "ulimit -n 64")
    assert (done.exit_code, done.errors, cursors(done.states)) == (0, [], [1])


def test_too_few_threads_for_a_bucket_are_no_bug(api: LocalTrackApi, bucket: Bucket, tmp_path: Path) -> None:
    """Whatever of `rejected` needs the next thread, the message names the limit."""
    for number in range(20):
        key = f"customerio/rejected/42/users/2026_11_24_{number}_0.jsonl"
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b'{"_airbyte_data":{}}\n')
    config = config_for(api.url, object_storage_config=bucket.config())
    (tmp_path / "config.json").write_text(json.dumps(config))
    for threads in (2, 3, 4):
        with cgroup("pids", "pids.max", "pids.max", threads) as folder:
            command = f"echo $$ > {folder}/cgroup.procs && exec {SCRIPT} rejected --config config.json"
            done = run(tmp_path, command)
        assert done.returncode == 1
        assert b"could not start another thread; its limit" in done.stderr
        assert f"{threads} in its container or cgroup (pids.max)".encode() in done.stderr


def test_too_few_threads_for_the_lanes_end_the_sync_before_its_first_row(
    api: LocalTrackApi, tmp_path: Path
) -> None:
    """The check fails too."""
    (tmp_path / "config.json").write_text(json.dumps(config_for(api.url)))
    with cgroup("pids", "pids.max", "pids.max", 10) as folder:
        limit = f"echo $$ > {folder}/cgroup.procs"
        done = write(tmp_path, config_for(api.url), [stream_state("users", 1)], limit)
        checked = run(tmp_path, f"{limit} && exec {SCRIPT} check --config config.json")
    status = json.loads(checked.stdout)["connectionStatus"]
    assert status["status"] == "FAILED"
    for message in (done.failure("config_error"), status["message"]):
        assert (
            "may have 10 processes and threads in its container or cgroup (pids.max), but needs 11" in message
        )


def test_a_limit_of_the_size_of_files_is_named(api: LocalTrackApi, bucket: Bucket, tmp_path: Path) -> None:
    """A temporary file meets it; the disk has room."""
    config = config_for(api.url, object_storage_config=bucket.config())
    lines = [record("users", {"person_email": None, "x": "x" * 1_000}) for _ in range(300)]
    message = write(tmp_path, config, lines, "ulimit -f 100").failure("transient_error")
    assert "A file has become too large; its limit is " in message
    assert "(ulimit -f)" in message


@contextlib.contextmanager
def cgroup(controller: str, version_1: str, version_2: str, limit: int) -> Iterator[Path]:
    """A control group with a limit; skips where none can be made."""
    is_version_1 = (CGROUPS / controller).is_dir()
    folder = CGROUPS / (controller if is_version_1 else "") / f"connector-{uuid4().hex}"
    try:
        folder.mkdir()
        (folder / (version_1 if is_version_1 else version_2)).write_text(str(limit))
    except OSError as error:
        pytest.skip(f"This user can't make a control group with a limit ({error.strerror}).")
    try:
        yield folder
    finally:
        folder.rmdir()


def test_a_sync_that_is_killed_for_its_memory_says_so(api: LocalTrackApi, tmp_path: Path) -> None:
    """The kernel kills the child, and the parent names the limit."""
    line = record("users", {"person_email": "a@b.c", "x": "x" * 60_000_000})
    with cgroup("memory", "memory.limit_in_bytes", "memory.max", 80 << 20) as folder:
        done = write(tmp_path, config_for(api.url), [line], f"echo $$ > {folder}/cgroup.procs")
    message = done.failure("system_error")
    assert "ran out of memory; its limit is 80 MiB" in message
    assert "a sync resumes from the last state that was written" in message
