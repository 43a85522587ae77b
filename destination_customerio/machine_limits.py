"""The limits that this machine sets to the process: memory, threads and descriptors, and what their end looks like.

Imports next to nothing of the package, as every error of last resort asks here first whether it is no bug at all.
"""

from __future__ import annotations

import contextlib
import errno
import resource
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from destination_customerio.causes import chain_of

_MIB = 1 << 20
# Version 1 of cgroups has no word for "unlimited", but a number near 2**63.
_UNLIMITED_BYTES = 1 << 60
# Besides sockets of lanes and temporary files: the interpreter, the standard streams, name lookups, the bucket's client.
_OWN_DESCRIPTORS = 32
# A supervisor, the coordinator and the reader.
_OWN_THREADS = 3
_MORE_MEMORY = "Provide more memory."
_WHO_ENDED_IT = "Check who or what ended it."
_FEWER_LANES = "Raise the limit, or lower max_concurrent_requests."


class Exceeded(NamedTuple):
    """A limit that was exceeded: what happened, and what to do, in whole sentences."""

    cause: str
    remedy: str

    @property
    def clause(self) -> str:
        """The cause as half a sentence."""
        return self.cause[0].lower() + self.cause[1:].removesuffix(".")

    def sentences(self, meaning: str) -> str:
        """A message; `meaning` says what this means for the rows."""
        return f"{self.cause} {meaning} {self.remedy}"


class _MemoryLimit(NamedTuple):
    """A limit of the process's own memory, with what it needs of it for itself and for each lane."""

    kind: int
    option: str
    what: str
    own_bytes: int
    bytes_per_lane: int

    @property
    def value(self) -> int | None:
        """The limit in bytes; None if there is none."""
        soft, _ = resource.getrlimit(self.kind)
        return None if soft == resource.RLIM_INFINITY else soft


# A thread reserves 8 MiB for its stack, and address space of 64 MiB for its heap (glibc), most of which it never touches.
_MEMORY_LIMITS = (
    _MemoryLimit(resource.RLIMIT_AS, "ulimit -v", "address space", 192 * _MIB, 72 * _MIB),
    _MemoryLimit(resource.RLIMIT_DATA, "ulimit -d", "private memory", 128 * _MIB, 12 * _MIB),
)


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The control group of this process, as files; its parents limit it too.

    root        where control groups are mounted
    membership  names the groups of this process
    """

    root: Path = field(default=Path("/sys/fs/cgroup"))
    membership: Path = field(default=Path("/proc/self/cgroup"))

    def smallest(self, controller: str, version_1: str, version_2: str) -> int | None:
        """The smallest value of a limit in this group and its parents; None if there is none."""
        return min(self._numbers(controller, version_1, version_2), default=None)

    def killed_for_memory(self) -> bool:
        """Whether the kernel has killed a process of this group because its memory limit was reached."""
        lines = [
            line
            for path in self._files("memory", "memory.oom_control", "memory.events")
            for line in _lines(path)
        ]
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in lines)

    def _numbers(self, controller: str, version_1: str, version_2: str) -> list[int]:
        values = [_lines(path) for path in self._files(controller, version_1, version_2)]
        return [int(lines[0]) for lines in values if lines and lines[0].isdigit()]

    def _files(self, controller: str, version_1: str, version_2: str) -> list[Path]:
        files = []
        for line in _lines(self.membership):
            _, controllers, path = line.split(":", 2)
            if not controllers:
                files += self._up(self.root, path, version_2)
            elif controller in controllers.split(","):
                files += self._up(self.root / controller, path, version_1)
        return files

    def _up(self, mount: Path, path: str, name: str) -> list[Path]:
        folder = mount / path.lstrip("/")
        # In a container the path may be that of the host; the mount is then the group itself.
        return [each / name for each in (folder, *folder.parents) if each.is_relative_to(mount)]


def _lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text().splitlines()
    return []


def exceeded_limit(error: BaseException, cgroup: Cgroup | None = None) -> Exceeded | None:
    """The limit that an exception, or one that it was made from, stems from; None if it stems from none."""
    group = cgroup or Cgroup()
    return next(filter(None, (_limit_behind(link, group) for link in chain_of(error))), None)


def _limit_behind(error: BaseException, group: Cgroup) -> Exceeded | None:
    number = error.errno if isinstance(error, OSError) else None
    if is_out_of_memory(error):
        return out_of_memory(group)
    if isinstance(error, RuntimeError) and error.args == ("can't start new thread",):
        limits = _of(_thread_limits(group) + _own_memory_limits())
        return Exceeded(f"The connector could not start another thread{limits}.", _FEWER_LANES)
    match number:
        case errno.EMFILE:
            return Exceeded(f"The connector has too many files open{_of(_file_limits())}.", _FEWER_LANES)
        case errno.ENFILE:
            return Exceeded(
                "This machine has too many files open.",
                "Raise its limit (fs.file-max), or end other programs.",
            )
        case errno.EFBIG if _file_size_limits():
            return Exceeded(f"A file has become too large{_of(_file_size_limits())}.", "Raise the limit.")
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that there was no more memory, also where a library could not be loaded for want of it."""
    is_unmapped = isinstance(error, ImportError) and (
        "failed to map segment" in str(error) or "annot allocate memory" in str(error)
    )
    return (
        isinstance(error, MemoryError)
        or is_unmapped
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    )


def unstartable(error: OSError, cgroup: Cgroup | None = None) -> Exceeded:
    """A process could not be started."""
    if is_out_of_memory(error):
        return out_of_memory(cgroup)
    limits = _of(_thread_limits(cgroup or Cgroup()))
    return Exceeded(f"The connector could not start its process{limits}.", "Raise the limit.")


def killed(number: int, cgroup: Cgroup | None = None) -> Exceeded:
    """A process was killed by a signal that it did not cause itself."""
    group = cgroup or Cgroup()
    if number == signal.SIGXCPU:
        return Exceeded(f"The connector has used up its CPU time{_of(_cpu_limits())}.", "Raise the limit.")
    if number != signal.SIGKILL:
        return Exceeded(
            f"The connector was killed by another process ({_signal_name(number)}).", _WHO_ENDED_IT
        )
    if group.killed_for_memory():
        return out_of_memory(group)
    # The hard limit of CPU time kills in the same way.
    causes = ["by another process", "because the machine ran out of memory"] + [
        f"at the end of its CPU time of {limit}" for limit in _cpu_limits()
    ]
    return Exceeded(f"The connector was killed (SIGKILL) {', or '.join(causes)}.", _WHO_ENDED_IT)


def crashed(signal_name: str, cgroup: Cgroup | None = None) -> Exceeded:
    """A process died of a signal that stems from a fault in a library, mostly from memory that it did not get."""
    if limits := _memory_limits(cgroup or Cgroup()):
        return Exceeded(
            f"The connector crashed ({signal_name}), as it may when it runs out of memory{_of(limits)}.",
            _MORE_MEMORY,
        )
    return Exceeded(
        f"The connector crashed ({signal_name}).", "Please report this with the connector's version."
    )


def out_of_memory(cgroup: Cgroup | None = None) -> Exceeded:
    """There was no more memory."""
    return Exceeded(
        f"The connector ran out of memory{_of(_memory_limits(cgroup or Cgroup()))}.", _MORE_MEMORY
    )


def descriptor_limit() -> int:
    """How many descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft


def too_small(lanes: int, cgroup: Cgroup | None = None) -> Exceeded | None:
    """The limit that is too low for so many lanes, if one is; beyond it, libraries crash or wait for ever."""
    # A lane has a connection, and another file open while it connects.
    descriptors = _OWN_DESCRIPTORS + 2 * lanes
    if descriptor_limit() < descriptors:
        return _too_low(
            f"{descriptor_limit()} files and connections open (ulimit -n)", str(descriptors), lanes
        )
    threads = _OWN_THREADS + lanes
    allowed = (cgroup or Cgroup()).smallest("pids", "pids.max", "pids.max")
    if allowed is not None and allowed < threads:
        return _too_low(
            f"{allowed} processes and threads in its container or cgroup (pids.max)", str(threads), lanes
        )
    for limit in _MEMORY_LIMITS:
        needed = limit.own_bytes + lanes * limit.bytes_per_lane
        if limit.value is not None and limit.value < needed:
            return _too_low(
                f"{_mib(limit.value, limit.option)} of {limit.what}", f"{needed // _MIB:,} MiB", lanes
            )
    return None


def _too_low(allowed: str, needed: str, lanes: int) -> Exceeded:
    return Exceeded(
        f"The connector may have {allowed}, but needs {needed} for {lanes} concurrent requests.", _FEWER_LANES
    )


def spare_descriptors() -> int:
    """How many temporary files may be open at once besides everything else."""
    return max(1, descriptor_limit() // 2 - _OWN_DESCRIPTORS // 2)


def _signal_name(number: int) -> str:
    # Most real-time signals have a number only.
    return signal.Signals(number).name if number in tuple(signal.Signals) else f"signal {number}"


def _memory_limits(cgroup: Cgroup) -> list[str]:
    of_group = cgroup.smallest("memory", "memory.limit_in_bytes", "memory.max")
    is_limited = of_group is not None and of_group < _UNLIMITED_BYTES
    return (
        [_mib(of_group, "the memory limit of its container or cgroup")] if is_limited else []
    ) + _own_memory_limits()


def _own_memory_limits() -> list[str]:
    return [_mib(limit.value, limit.option) for limit in _MEMORY_LIMITS if limit.value is not None]


def _file_size_limits() -> list[str]:
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return [] if soft == resource.RLIM_INFINITY else [f"{soft:,} bytes (ulimit -f)"]


def _thread_limits(cgroup: Cgroup) -> list[str]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    of_user = (
        [] if soft == resource.RLIM_INFINITY else [f"{soft} processes and threads of its user (ulimit -u)"]
    )
    of_group = cgroup.smallest("pids", "pids.max", "pids.max")
    return of_user + ([] if of_group is None else [f"{of_group} in its container or cgroup (pids.max)"])


def _cpu_limits() -> list[str]:
    soft, _ = resource.getrlimit(resource.RLIMIT_CPU)
    return [] if soft == resource.RLIM_INFINITY else [f"{soft} s (ulimit -t)"]


def _file_limits() -> list[str]:
    return [f"{descriptor_limit()} files and connections (ulimit -n)"]


def _mib(size: int | None, name: str) -> str:
    return f"{(size or 0) / _MIB:,.0f} MiB ({name})"


def _of(limits: list[str]) -> str:
    return f"; its limit{'s are' if len(limits) > 1 else ' is'} {' and '.join(limits)}" if limits else ""
