"""`make demo` shows what it promises, stops by itself, and fails when anything is missing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import PATIENCE_SECONDS
from tools.demo import report
from tools.demo.__main__ import conclude
from tools.demo.expected import ORDERS, STREAMS, USERS, expected_event, expected_person
from tools.demo.outcome import AcknowledgedState, Outcome, RejectedRow, problems

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
DEMO = [sys.executable, "-m", "tools.demo"]
# A shell starts what it runs in the background with SIGINT ignored.
IN_THE_BACKGROUND = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]


def test_the_demo_ends_with_nothing_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as `make demo` runs it, on a machine with a proxy; the report names people, events, files and states."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_PROFILE", "of-the-machine")
    done = subprocess.run(
        DEMO, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for pattern in (
        r"check     SUCCEEDED",
        r"REQUESTS  4 with 5,000 rows\n  fullest     499,\d{3} of 500,000 bytes",
        r"PEOPLE  2,000 at the server",
        r"EVENTS  3,000 at the server",
        r"REJECTED  9 rows",
        r"customerio/rejected/42/orders/\S+_0\.csv\.gz\n    2 x invalid   timestamp ",
        r"customerio/rejected/42/users/\S+_0\.csv\.gz\n    1 x invalid   person_email ",
        r"STATES  7 acknowledged",
        r"orders  up to row 3,005:     5 delivered \+ 0 rejected",
        r"Nothing is missing: each of 5,009 rows",
    ):
        assert re.search(pattern, done.stdout), pattern
    assert max(map(len, done.stdout.splitlines())) <= report.WIDTH


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_demo_leaves_no_server_behind(number: signal.Signals) -> None:
    """A signal to the demo alone, started in the background, also ends the Track API, a process of its own."""
    with subprocess.Popen(
        [*IN_THE_BACKGROUND, *DEMO],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        port = int(demo.stdout.readline().split("Track API at http://127.0.0.1:")[1].split(",")[0])
        demo.send_signal(number)
        output, errors = demo.communicate(timeout=PATIENCE_SECONDS)
    assert (demo.returncode, errors) == (130, "")
    assert "Stopped." in output
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def outcome() -> Outcome:
    """A made-up run in which all is well."""
    return Outcome(
        people=[expected_person(row) for row in USERS.good_rows],
        events=[{**expected_event(row), "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"} for row in ORDERS.good_rows],
        traffic={"order_violations": 0, "server_failures": []},
        states=[
            AcknowledgedState(stream.name, rows, float(delivered), float(rejected))
            for stream in STREAMS
            for rows, delivered, rejected in stream.states
        ],
        rejected=[
            RejectedRow(f"x/42/{stream.name}/f.csv.gz", reason, column, "", stream.rows[number - 1])
            for stream in STREAMS
            for number, (reason, column) in stream.wrong.items()
        ],
    )


def test_a_run_in_which_all_is_well_has_no_problems(capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict itself finds nothing to complain of, and the exit code says so."""
    assert conclude(problems(outcome()), 8.4) == 0
    assert "Nothing is missing" in capsys.readouterr().out


TAMPERINGS: dict[str, tuple[Callable[[Outcome], Any], str]] = {
    "a person is missing": (lambda run: run.people.pop(), "People at the server: 1 missing"),
    "a person lost an attribute": (
        lambda run: run.people[0]["attributes"].pop("plan"),
        "People at the server: 1 missing",
    ),
    "an event is missing": (lambda run: run.events.pop(), "Events at the server: 1 missing"),
    "an event is there twice": (
        lambda run: run.events.append(run.events[7]),
        "Events at the server: 1 too many",
    ),
    "an event has another time": (
        lambda run: run.events[0].update(timestamp=1),
        "Events at the server: 1 too many",
    ),
    "a rejected row is not in the bucket": (
        lambda run: run.rejected.pop(),
        "Rejected rows of orders in the bucket: 1 missing",
    ),
    "a rejected row lost a column": (
        lambda run: run.rejected[0].row.pop("plan"),
        "Rejected rows of users in the bucket: 1 missing",
    ),
    "one rejected row is there twice, instead of another": (
        lambda run: run.rejected.__setitem__(0, run.rejected[1]),
        "Rejected rows of users in the bucket: 1 missing",
    ),
    "a rejected row has another row's reason": (
        lambda run: run.rejected.__setitem__(2, replace(run.rejected[2], reason="invalid")),
        "Rejected rows of users in the bucket: 1 missing",
    ),
    "a state is missing": (lambda run: run.states.pop(), "acknowledged states of orders"),
    "two states came in the wrong order": (lambda run: run.states.reverse(), "acknowledged states of users"),
    "a state has no counts": (
        lambda run: run.states.__setitem__(0, replace(run.states[0], delivered=None)),
        "acknowledged states of users",
    ),
    "a state counts one row too few": (
        lambda run: run.states.__setitem__(0, replace(run.states[0], rejected=1.0)),
        "acknowledged states of users",
    ),
    "rows came out of order": (lambda run: run.traffic.update(order_violations=1), "out of order"),
    "the server failed": (lambda run: run.traffic["server_failures"].append("why"), "itself failed"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_whatever_is_missing_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The demo ends with 1 on each of these, with a sentence that says what is wrong."""
    tamper, words = TAMPERINGS[name]
    run = deepcopy(outcome())
    tamper(run)
    assert conclude(problems(run), 8.4) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert words in said
    assert "Nothing is missing" not in said
