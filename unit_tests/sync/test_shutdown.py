"""A sync only moves forward through the phases of its shutdown, in any order of events."""

from __future__ import annotations

import math
from functools import reduce
from itertools import permutations

import pytest

from destination_customerio.dead_letters.uploader import CLOSE_SECONDS
from destination_customerio.errors import ProtocolError, SyncError, TransientError
from destination_customerio.sync.pipeline_settings import PipelineSettings
from destination_customerio.sync.shutdown import Phase, Shutdown, Trigger, next_phase

# Airbyte kills the process after this long.
KILLED_AFTER_SECONDS = 10.0

TABLE = {
    Trigger.END_OF_INPUT: "DRAINING DRAINING FINISHING ABORTING ABANDONING",
    Trigger.INPUT_FAILED: "DRAINING DRAINING FINISHING ABORTING ABANDONING",
    Trigger.BROKEN_LINE: "FINISHING FINISHING FINISHING ABORTING ABANDONING",
    Trigger.SIGNAL: "FINISHING FINISHING FINISHING ABORTING ABANDONING",
    Trigger.TOO_MANY_REJECTED: "FINISHING FINISHING FINISHING ABORTING ABANDONING",
    Trigger.DELIVERY_FAILED: "ABORTING ABORTING ABORTING ABORTING ABANDONING",
    Trigger.DEAD_LETTERS_FAILED: "ABANDONING ABANDONING ABANDONING ABANDONING ABANDONING",
}


@pytest.mark.parametrize("trigger", list(Trigger))
def test_each_trigger_leads_from_each_phase_to_the_documented_one(trigger: Trigger) -> None:
    """The table has a column for each of READING, DRAINING, FINISHING, ABORTING and ABANDONING."""
    assert [next_phase(phase, trigger).name for phase in Phase] == TABLE[trigger].split()


def test_the_order_of_triggers_does_not_change_the_final_phase() -> None:
    """The latest phase that any of the triggers leads to decides."""
    for some in (list(Trigger)[:4], list(Trigger)[:5], list(Trigger)):
        ends = {reduce(next_phase, order, Phase.READING) for order in permutations(some)}
        assert ends == {max((next_phase(Phase.READING, trigger) for trigger in some), key=list(Phase).index)}


@pytest.fixture
def shutdown() -> Shutdown:
    """The shutdown state of a sync with two lanes."""
    return Shutdown(lanes=2, stop_seconds=8.0, failure_seconds=20.0)


def test_a_sync_is_not_over_while_the_input_is_open(shutdown: Shutdown) -> None:
    """Having nothing in flight does not end it."""
    assert shutdown.accepts_lines
    assert not shutdown.is_over(math.inf, batches_in_flight=0, unsettled_dead_letters=0)


@pytest.mark.parametrize(("batches", "dead_letters", "is_over"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_draining_waits_for_batches_and_dead_letters(
    shutdown: Shutdown, batches: int, dead_letters: int, *, is_over: bool
) -> None:
    """There is no deadline."""
    shutdown.end_of_input()
    assert shutdown.processes_lines
    assert not shutdown.accepts_lines
    assert shutdown.is_over(1e9, batches, dead_letters) is is_over


def test_finishing_processes_no_lines_but_sends_open_batches(shutdown: Shutdown) -> None:
    """A signal sets a deadline of eight seconds; an invalid line sets none."""
    shutdown.broken_line(ProtocolError("line 7"))
    assert not shutdown.processes_lines
    assert shutdown.sends
    assert shutdown.deadline == math.inf
    shutdown.signal(15, now=100.0)
    assert not shutdown.is_over(107.9, batches_in_flight=1, unsettled_dead_letters=0)
    assert shutdown.is_over(108.0, batches_in_flight=1, unsettled_dead_letters=1)


def test_aborting_waits_for_lanes_and_dead_letters(shutdown: Shutdown) -> None:
    """Queued batches are never reported, but every lane reports its end."""
    shutdown.delivery_failed(TransientError("gone"), now=100.0)
    assert not shutdown.sends
    shutdown.lane_ended()
    assert not shutdown.is_over(101.0, batches_in_flight=3, unsettled_dead_letters=0)
    shutdown.lane_ended()
    assert not shutdown.is_over(101.0, batches_in_flight=3, unsettled_dead_letters=1)
    assert shutdown.is_over(101.0, batches_in_flight=3, unsettled_dead_letters=0)


def test_abandoning_does_not_wait_for_dead_letters(shutdown: Shutdown) -> None:
    """They can't be stored any more."""
    shutdown.dead_letters_failed(TransientError("disk"), now=100.0)
    shutdown.lane_ended()
    shutdown.lane_ended()
    assert shutdown.is_over(101.0, batches_in_flight=3, unsettled_dead_letters=5)


def test_the_earliest_deadline_counts(shutdown: Shutdown) -> None:
    """Neither a later trigger nor a second signal extends it."""
    shutdown.signal(15, now=100.0)
    shutdown.delivery_failed(TransientError("gone"), now=101.0)
    shutdown.signal(2, now=107.0)
    assert (shutdown.deadline, shutdown.signal_number) == (108.0, 15)


def test_the_first_error_is_reported(shutdown: Shutdown) -> None:
    """Later errors are mostly consequences of the first."""
    first: SyncError = TransientError("first")
    shutdown.input_failed(first)
    shutdown.delivery_failed(TransientError("second"), now=1.0)
    shutdown.dead_letters_failed(TransientError("third"), now=1.0)
    assert shutdown.error is first


def test_a_graceful_shutdown_ends_before_airbyte_kills_the_process() -> None:
    """A second is left after the time for batches in flight and for an upload that hangs."""
    assert PipelineSettings().stop_seconds + CLOSE_SECONDS + 1.0 <= KILLED_AFTER_SECONDS
