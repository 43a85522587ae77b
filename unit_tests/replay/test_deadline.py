"""A process ends in time after a signal, whatever its main thread does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

_PATIENCE_SECONDS = 60
# What the main thread may be doing: none of these lets a signal handler run, or ends by itself.
_BLOCKED = {
    "a call that no signal interrupts": "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 10**9)",
    "a thread that never ends": "threading.Thread(target=threading.Event().wait).start()",
    "a pipe that nobody reads": "ends = os.pipe()\nwhile True: os.write(ends[1], bytes(1 << 24))",
}
_SCRIPT = """
import contextlib, hashlib, os, signal, sys, threading
from functools import partial
from destination_customerio.replay.console import say_aside
from destination_customerio.replay.deadline import Deadline

for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: None)
Deadline(0.2, partial(say_aside, "Stopping.", on_stdout=True), partial(say_aside, "Time is up."))
print("ready", flush=True)
{blocked}
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("blocked", _BLOCKED)
def test_a_signal_ends_a_process_that_can_not_end_itself(blocked: str, number: signal.Signals) -> None:
    """Ctrl-C is answered at once; the exit code names the signal."""
    with subprocess.Popen(  # noqa: S603 - a script of its own
        [sys.executable, "-c", _SCRIPT.format(blocked=_BLOCKED[blocked])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=_PATIENCE_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 128 + number
    assert (stdout, stderr) == ("Stopping.\n" if number == signal.SIGINT else "", "Time is up.\n")


def test_an_output_that_nobody_reads_does_not_hold_up_the_end() -> None:
    """The last words are lost then, not the end."""
    blocked = "sys.__stderr__.write('x' * 10_000_000)"
    with subprocess.Popen(  # noqa: S603 - a script of its own
        [sys.executable, "-c", _SCRIPT.format(blocked=blocked)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            process.kill()
    assert process.returncode == 130
