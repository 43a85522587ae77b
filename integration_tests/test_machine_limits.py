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

    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("users", "person_identify"))
CGROUPS = Path("/sys/fs/cgroup")


def write(folder: Path, config: dict[str, Any], lines: list[bytes], limit: str) -> Finished:
    """Run `write` in a shell that sets a limit first."""
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "catalog.json").write_text(json.dumps(CATALOG))
    done = subprocess.run(
        ["sh", "-c", f"{limit} && exec {SCRIPT} write --config config.json --catalog catalog.json"],  # noqa: S607
        cwd=folder,
        input=b"\n".join([*lines, b""]),
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return Finished(messages, done.returncode, done.stderr.decode())


@pytest.mark.parametrize(
    ("limit", "words"),
    [("ulimit -n 40", "40 files and connections"), ("ulimit -v 600000", "586 MiB (ulimit -v)")],
)
def test_a_limit_that_leaves_no_room_ends_the_sync_before_its_first_row(
    api: LocalTrackApi, tmp_path: Path, limit: str, words: str
) -> None:
    """Later, libraries would crash, or wait for ever."""
    lines = [record("users", {"person_email": "a@b.c"}), stream_state("users", 1)]
    message = write(tmp_path, config_for(api.url), lines, limit).failure("config_error")
    assert words in message
    assert api.world.profiles() == []


def test_few_descriptors_are_enough(api: LocalTrackApi, tmp_path: Path) -> None:
    """With 64, all lanes have their connections."""
    lines = [record("users", {"person_email": f"u{n}@b.c", "x": "x" * 900}) for n in range(5_000)]
    done = write(tmp_path, config_for(api.url), [*lines, stream_state("users", 1)], "ulimit -n 64")
    assert (done.exit_code, done.errors, cursors(done.states)) == (0, [], [1])


@contextlib.contextmanager
def memory_cgroup(limit_bytes: int) -> Iterator[Path]:
    """A control group with a memory limit; skips where none can be made."""
    is_version_1 = (CGROUPS / "memory").is_dir()
    folder = CGROUPS / ("memory" if is_version_1 else "") / f"connector-{uuid4().hex}"
    try:
        folder.mkdir()
        (folder / ("memory.limit_in_bytes" if is_version_1 else "memory.max")).write_text(str(limit_bytes))
    except OSError as error:
        pytest.skip(f"This user can't make a control group with a memory limit ({error.strerror}).")
    try:
        yield folder
    finally:
        folder.rmdir()


def test_a_sync_that_is_killed_for_its_memory_says_so(api: LocalTrackApi, tmp_path: Path) -> None:
    """The kernel kills the child, and the parent names the limit."""
    line = record("users", {"person_email": "a@b.c", "x": "x" * 60_000_000})
    with memory_cgroup(80 << 20) as folder:
        done = write(tmp_path, config_for(api.url), [line], f"echo $$ > {folder}/cgroup.procs")
    message = done.failure("system_error")
    assert "ran out of memory; its limit is 80 MiB" in message
    assert "a sync resumes from the last state that was written" in message
