"""`make demo` shows what it promises, and fails when anything is missing."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.demo.expected import STREAMS
from integration_tests.demo.outcome import Outcome, RejectedRow, problems

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent


def test_the_demo_ends_with_nothing_missing() -> None:
    """Run as `make demo` runs it; the report names people, events, rejected rows, their files, and states."""
    done = subprocess.run(
        [sys.executable, "-m", "integration_tests.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "check     SUCCEEDED",
        "People, as the server has them: 2,000",
        "Events: 3,000",
        "Rejected rows: 9, each in the bucket with its reason",
        "2 x invalid    timestamp        customerio/rejected/42/orders/",
        "States acknowledged: 7",
        "Nothing is missing",
    ):
        assert words in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 100


def outcome() -> Outcome:
    """A made-up run in which all is well."""
    users, orders = STREAMS
    rejected = []
    for stream in STREAMS:
        row = stream.rows()[0]
        for (reason, column), times in stream.rejected.items():
            rejected += [RejectedRow(f"x/42/{stream.name}/f.csv.gz", reason, column, row)] * times
    return Outcome(
        exit_code=0,
        people=[{}] * 2_000,
        events=[{}] * 3_000,
        traffic={"order_violations": 0},
        states=[state(users.name, 2_000, 4), state(orders.name, 2_999, 5), state(orders.name, 1, 0)],
        rejected=rejected,
    )


def state(name: str, delivered: int, rejected: int) -> dict[str, Any]:
    """An acknowledged state."""
    return {
        "stream": {"stream_descriptor": {"name": name}},
        "destinationStats": {"recordCount": float(delivered), "rejectedRecordCount": float(rejected)},
    }


def test_a_run_in_which_all_is_well_has_no_problems() -> None:
    """The check itself finds nothing to complain of."""
    assert problems(outcome()) == []


TAMPERINGS: dict[str, tuple[Callable[[Outcome], Any], str]] = {
    "a person is missing": (lambda run: run.people.pop(), "1,999 people"),
    "an event is there twice": (lambda run: run.events.append({}), "3,001 events"),
    "a rejected row is not in the bucket": (lambda run: run.rejected.pop(), "rejected rows of orders"),
    "a rejected row was changed": (
        lambda run: run.rejected[0].row.update(plan="changed"),
        "not as it was in the warehouse",
    ),
    "a state is missing": (lambda run: run.states.pop(), "states of orders acknowledge"),
    "rows came out of order": (lambda run: run.traffic.update(order_violations=1), "out of order"),
    "the connector failed": (lambda run: setattr(run, "exit_code", 1), "exit code 1"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_whatever_is_missing_is_named(name: str) -> None:
    """The demo fails on each of these, with a sentence that says what is wrong."""
    tamper, words = TAMPERINGS[name]
    run = deepcopy(outcome())
    tamper(run)
    assert any(words in problem for problem in problems(run))
