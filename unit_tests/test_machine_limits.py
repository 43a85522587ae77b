"""An exception that stems from a limit of the machine names the limit, instead of asking for a bug report."""

from __future__ import annotations

import contextlib
import errno
import resource
import signal
from typing import TYPE_CHECKING

import pytest
import requests
from botocore.exceptions import EndpointConnectionError
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError

from destination_customerio.errors import unexpected
from destination_customerio.machine_limits import (
    Cgroup,
    crashed,
    descriptor_limit,
    exceeded_limit,
    killed,
    out_of_memory,
    spare_descriptors,
    too_small,
    unstartable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def cgroup(folder: Path, membership: str, files: dict[str, str]) -> Cgroup:
    """A control group of files."""
    (folder / "cgroup").write_text(membership)
    for name, text in files.items():
        path = folder / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Cgroup(folder / "mount", folder / "cgroup")


@pytest.fixture
def limited(tmp_path: Path) -> Cgroup:
    """A control group whose parent sets the smaller limit of memory."""
    files = {
        "pod/memory.max": "268435456\n",
        "pod/sync/memory.max": "536870912\n",
        "pod/sync/pids.max": "40\n",
        "pod/sync/memory.events": "low 0\noom_kill 1\n",
    }
    return cgroup(tmp_path, "0::/pod/sync\n", files)


@pytest.fixture
def unlimited(tmp_path: Path) -> Cgroup:
    """A control group without limits."""
    files = {
        "memory.max": "max\n",
        "pids.max": "max\n",
        "memory.events": "low 0\noom_kill 0\n",
    }
    return cgroup(tmp_path, "0::/\n", files)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libx.so: failed to map segment from shared object"),
    ],
)
def test_memory_names_the_smallest_limit(limited: Cgroup, error: Exception) -> None:
    """A parent's limit counts too."""
    exceeded = exceeded_limit(error, limited)
    assert exceeded == out_of_memory(limited)
    assert exceeded.cause.startswith(
        "The connector ran out of memory; its limit is 256 MiB (the memory limit of its "
    )


def test_no_limit_is_named_where_there_is_none(unlimited: Cgroup) -> None:
    """The machine itself may have too little."""
    assert out_of_memory(unlimited).cause == "The connector ran out of memory."


def test_groups_of_version_1_have_limits_too(tmp_path: Path) -> None:
    """With one tree for each controller, and a huge number for no limit; in a container, the path may be the host's."""
    files = {
        "memory/memory.limit_in_bytes": "134217728",
        "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        "pids/pids.max": "max",
    }
    group = cgroup(tmp_path, "4:memory:/docker/123\n3:pids:/docker/123\n", files)
    assert "128 MiB" in out_of_memory(group).cause
    assert group.killed_for_memory()
    (tmp_path / "mount/memory/memory.limit_in_bytes").write_text(str((1 << 63) - 4096))
    assert "MiB" not in out_of_memory(group).cause


def test_a_killed_process_is_only_blamed_on_memory_if_the_kernel_says_so(
    limited: Cgroup, tmp_path: Path
) -> None:
    """Somebody else may have killed it."""
    assert "256 MiB" in killed(signal.SIGKILL, limited).cause
    assert "(SIGHUP)" in killed(signal.SIGHUP, limited).cause
    (tmp_path / "mount/pod/sync/memory.events").write_text("oom_kill 0\n")
    assert "(SIGKILL)" in killed(signal.SIGKILL, limited).cause


def test_a_crash_names_the_memory_limit_if_there_is_one(limited: Cgroup, tmp_path: Path) -> None:
    """Otherwise it is a bug."""
    assert "SIGSEGV" in crashed("SIGSEGV", limited).cause
    assert "256 MiB" in crashed("SIGSEGV", limited).cause
    assert "report" in crashed("SIGSEGV", Cgroup(tmp_path, tmp_path / "none")).remedy


def test_threads_and_processes_name_their_limit(limited: Cgroup) -> None:
    """Of the user, and of the container."""
    thread = exceeded_limit(RuntimeError("can't start new thread"), limited)
    assert thread is not None
    process = unstartable(OSError(errno.EAGAIN, "Resource temporarily unavailable"), limited)
    for cause in (thread.cause, process.cause):
        assert "40 in its container or cgroup (pids.max)" in cause


def test_a_process_that_gets_no_memory_names_that_limit(limited: Cgroup) -> None:
    """No limit of processes would help."""
    assert unstartable(OSError(errno.ENOMEM, "Cannot allocate memory"), limited) == out_of_memory(limited)


@pytest.mark.parametrize(
    ("kind", "name"), [(resource.RLIMIT_AS, "ulimit -v"), (resource.RLIMIT_DATA, "ulimit -d")]
)
def test_every_limit_of_the_processs_own_memory_is_named(unlimited: Cgroup, kind: int, name: str) -> None:
    """A thread may lack memory too."""
    with soft_limit(kind, 1 << 40):
        thread = exceeded_limit(RuntimeError("can't start new thread"), unlimited)
        memory = exceeded_limit(MemoryError(), unlimited)
        assert too_small(64, unlimited) is None
    for exceeded in (thread, memory):
        assert exceeded is not None
        assert f"1,048,576 MiB ({name})" in exceeded.cause


def test_fewer_threads_than_lanes_are_found_before_they_are_started(limited: Cgroup) -> None:
    """The limit counts the supervisor, the coordinator and the reader too."""
    assert too_small(37, limited) is None
    exceeded = too_small(38, limited)
    assert exceeded is not None
    assert "may have 40 processes and threads" in exceeded.cause
    assert "needs 41 for 38 concurrent requests" in exceeded.cause


def test_a_limit_of_the_size_of_files_is_named() -> None:
    """Without one, the file system itself has a limit."""
    error = OSError(errno.EFBIG, "File too large")
    assert exceeded_limit(error) is None
    with soft_limit(resource.RLIMIT_FSIZE, 1 << 30):
        exceeded = exceeded_limit(error)
    assert exceeded is not None
    assert exceeded.cause == "A file has become too large; its limit is 1,073,741,824 bytes (ulimit -f)."


def test_a_limit_is_recognized_in_the_errors_that_libraries_make_of_it(limited: Cgroup) -> None:
    """They would be taken for a network that is down, or for a bug."""
    files = OSError(errno.EMFILE, "Too many open files")
    urllib3_error = NewConnectionError(HTTPConnection("store.example"), "failed")
    urllib3_error.__cause__ = files
    wrapped = {
        "requests": requests.ConnectionError(
            MaxRetryError(HTTPConnectionPool("store.example"), "/", urllib3_error)
        ),
        "boto3": EndpointConnectionError(endpoint_url="https://store.example", error=urllib3_error),
    }
    for library, error in wrapped.items():
        found = exceeded_limit(error, limited)
        assert found, library
        assert "too many files open" in found.cause
    assert exceeded_limit(requests.ConnectionError("no"), limited) is None


@contextlib.contextmanager
def soft_limit(kind: int, value: int) -> Iterator[None]:
    """A limit of this process, until the end of the block."""
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """A process that may have 64 files open."""
    with soft_limit(resource.RLIMIT_NOFILE, 64):
        yield


def test_several_limits_are_all_named(limited: Cgroup) -> None:
    """Which of them was reached can't be known."""
    with soft_limit(resource.RLIMIT_AS, 1 << 40):
        cause = out_of_memory(limited).cause
    assert cause == (
        "The connector ran out of memory; its limits are 256 MiB (the memory limit of its container or cgroup) and "
        "1,048,576 MiB (ulimit -v)."
    )


def test_a_limit_of_cpu_time_is_named(unlimited: Cgroup) -> None:
    """By its own signal; a SIGKILL may have come from it, or from elsewhere."""
    with soft_limit(resource.RLIMIT_CPU, 86_400):
        reached, maybe = killed(signal.SIGXCPU, unlimited), killed(signal.SIGKILL, unlimited)
    assert reached.cause == "The connector has used up its CPU time; its limit is 86400 s (ulimit -t)."
    assert maybe.cause.endswith(
        "by another process, or because the machine ran out of memory, or at the end of its CPU time of 86400 s (ulimit -t)."
    )


@pytest.mark.usefixtures("few_descriptors")
def test_descriptors_name_their_limit() -> None:
    """The lanes need two each; a few are left for temporary files."""
    exceeded = exceeded_limit(OSError(errno.EMFILE, "Too many open files"))
    assert exceeded is not None
    assert "64 files and connections (ulimit -n)" in exceeded.cause
    assert descriptor_limit() == 64
    assert too_small(8) is None
    too_many = too_small(64)
    assert too_many is not None
    assert (
        "64 files and connections open (ulimit -n), but needs 160 for 64 concurrent requests"
        in too_many.cause
    )
    assert 1 <= spare_descriptors() <= 64 - 32


def test_a_full_table_of_files_is_the_machines() -> None:
    """The remedy differs from that of the process's own limit."""
    exceeded = exceeded_limit(OSError(errno.ENFILE, "Too many open files in system"))
    assert exceeded is not None
    assert "fs.file-max" in exceeded.remedy


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), ImportError("no module"), OSError(errno.EACCES, "x"), KeyError()]
)
def test_other_errors_stem_from_no_limit(error: Exception) -> None:
    """They are bugs, and reported as such."""
    assert exceeded_limit(error) is None
    assert "Please report this" in str(unexpected(error))


def test_an_unexpected_error_that_stems_from_a_limit_is_no_bug() -> None:
    """The message says what it means for the rows, and what to do."""
    error = unexpected(OSError(errno.EMFILE, "c4nary"), "No row is lost.")
    assert "ulimit -n" in str(error)
    assert "No row is lost. Raise the limit" in str(error)
    assert "c4nary" not in str(error)
    assert "report this" not in str(error)
