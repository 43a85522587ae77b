"""Runs a command in a child process, and ends it in time, whatever it is doing.

No Python process can promise that of itself. A handler of a signal runs between two bytecodes of the main thread, which may
be inside of a write to a stdout that nobody reads, of the lookup of a name that nobody answers, or of the parsing of one
enormous line, which holds up every other thread too. The parent does nothing but wait, so it always can: it passes
signals on, and kills the child if that has not ended by itself when time is up.

The child also dies with its parent, as a sync that was killed must send nothing more; and where Linux kills the child for
its memory, the parent is left to say so. If the child was showing a bar, the parent gives the terminal its cursor back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from destination_customerio.descriptors import NOTHING_IS_LOST, fill_missing, restore_terminal, say_on_stderr
from destination_customerio.errors import SyncError, unexpected
from destination_customerio.machine_limits import (
    crashed,
    is_out_of_memory,
    killed,
    out_of_memory,
    unstartable,
)
from destination_customerio.malloc import return_large_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

# Platforms kill after ten seconds; commands end by themselves after at most 9.5.
GRACE_SECONDS = 9.75
# For a terminal or a pipe that nobody reads, twice at most: what is left of the ten seconds.
_LAST_PATIENCE_SECONDS = 0.1
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Raised by the process itself, as a rule; all others are sent by another.
_FAULTS = (
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGABRT,
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGSYS,
    signal.SIGTRAP,
)
_PR_SET_PDEATHSIG = 1
# With which a child that can't say so itself leaves that to its parent; no command's own exit code.
_OUT_OF_MEMORY = 71
# Exit codes from here on name the signal that ended the command, as shells have it.
_SIGNAL_BASE = 128

# Of the process that was started, which is the one that people know; set in the child.
_supervisor_id: int | None = None


def command_process_id() -> int:
    """The number of the process that was started as this command."""
    return _supervisor_id or os.getpid()


def supervise(
    work: Callable[[], int], report: Callable[[SyncError], None], grace_seconds: float = GRACE_SECONDS
) -> NoReturn:
    """Run `work` in a child process, and end as it does: with its exit code, or with 128 + the number of a signal.

    Args:
        work: the command; returns its exit code
        report: reports that the child could not be started, could not load the command, or died
        grace_seconds: how long after the first SIGTERM or SIGINT the child is killed
    """
    # Process 1 of a container ignores a signal that it has no handler for. The image starts it with these signals blocked,
    # so that one that comes earlier is kept.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    # Whoever ignores it has children forgotten before their exit code is read, and hands that down.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    fill_missing()
    parent = os.getpid()
    try:
        child = os.fork()
    except OSError as error:
        report(SyncError(unstartable(error).sentences(NOTHING_IS_LOST), f"fork: errno {error.errno}"))
        os._exit(1)
    if child:
        os._exit(_Parent(child, grace_seconds).wait(report))
    _run_child(work, report, parent)


class _Parent:
    """The parent of a command: passes signals on to it, and waits for its end."""

    def __init__(self, child: int, grace_seconds: float) -> None:
        self._child = child
        self._grace_seconds = grace_seconds
        self._signal: int | None = None
        for number in _SIGNALS:
            signal.signal(number, self._pass_on)
        signal.signal(signal.SIGALRM, self._end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_SIGNALS, signal.SIGALRM))

    def wait(self, report: Callable[[SyncError], None]) -> int:
        """Wait for the child's end; returns the exit code."""
        _, status = os.waitpid(self._child, 0)
        exit_code = os.waitstatus_to_exitcode(status)
        if self._signal or exit_code == _OUT_OF_MEMORY or not 0 <= exit_code < _SIGNAL_BASE:
            restore_terminal(_LAST_PATIENCE_SECONDS)
        if exit_code >= 0 and exit_code != _OUT_OF_MEMORY:
            return exit_code
        if self._signal or -exit_code in _SIGNALS:
            return _SIGNAL_BASE + (self._signal or -exit_code)
        report(_death(exit_code))
        return 1

    def _pass_on(self, number: int, _: object) -> None:
        if self._signal is None:
            self._signal = number
            signal.setitimer(signal.ITIMER_REAL, self._grace_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, number)

    def _end(self, *_: object) -> NoReturn:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        restore_terminal(_LAST_PATIENCE_SECONDS)
        say_on_stderr(
            f"The command has not ended in time after a signal, so it was killed. {NOTHING_IS_LOST}",
            _LAST_PATIENCE_SECONDS,
        )
        # Its memory may take longer to free than there is time; it does nothing any more.
        os._exit(_SIGNAL_BASE + (self._signal or 0))


def _run_child(work: Callable[[], int], report: Callable[[SyncError], None], parent: int) -> NoReturn:
    global _supervisor_id  # noqa: PLW0603 - a fact about this process, set once before anything runs
    _supervisor_id = parent
    exit_code = 1
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        _die_with(parent)
        return_large_blocks()
        threading.excepthook = partial(_give_up, threading.excepthook)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        exit_code = work()
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        pass  # stdout has no reader, so nobody waits for a sentence
    except SystemExit as error:
        exit_code = error.code if isinstance(error.code, int) else 1
    except SyncError as error:
        say_on_stderr(str(error))
    except Exception as error:  # noqa: BLE001 - the last place that can say so
        if is_out_of_memory(error):
            exit_code = _OUT_OF_MEMORY
        else:
            report(unexpected(error, NOTHING_IS_LOST))
    finally:
        # Not sys.exit, which joins threads that may wait for a network, and flushes streams that may be full.
        os._exit(exit_code)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; only Linux can."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _give_up(report: Callable[[threading.ExceptHookArgs], object], error: threading.ExceptHookArgs) -> None:
    """End the process when a thread dies for want of memory: it could not report it, and others would wait for it."""
    if issubclass(error.exc_type, MemoryError):
        os._exit(_OUT_OF_MEMORY)
    report(error)


def _death(exit_code: int) -> SyncError:
    number = -exit_code
    if exit_code == _OUT_OF_MEMORY:
        exceeded = out_of_memory()
    elif number in _FAULTS:
        exceeded = crashed(signal.Signals(number).name)
    else:
        exceeded = killed(number)
    return SyncError(exceeded.sentences(NOTHING_IS_LOST), f"child ended with {exit_code}")
