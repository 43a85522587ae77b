"""A sync moves towards its end and never back, whatever happens in which order."""

from __future__ import annotations

import math
from functools import reduce
from itertools import permutations

import pytest

from destination_customerio.dead_letters.uploader import CLOSE_SECONDS
from destination_customerio.errors import ProtocolError, SyncError, TransientError
from destination_customerio.sync.pipeline import PipelineSettings
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
def test_each_trigger_leads_from_each_phase_to_one_other(trigger: Trigger) -> None:
    """The whole table, from READING, DRAINING, FINISHING, ABORTING and ABANDONING in turn."""
    assert [next_phase(phase, trigger).name for phase in Phase] == TABLE[trigger].split()


def test_the_order_of_triggers_does_not_change_where_a_sync_ends_up() -> None:
    """The worst of them decides."""
    for some in (list(Trigger)[:4], list(Trigger)[:5], list(Trigger)):
        ends = {reduce(next_phase, order, Phase.READING) for order in permutations(some)}
        assert ends == {max((next_phase(Phase.READING, trigger) for trigger in some), key=list(Phase).index)}


@pytest.fixture
def shutdown() -> Shutdown:
    """Of a sync with two lanes."""
    return Shutdown(lanes=2, stop_seconds=8.0, failure_seconds=20.0)


def test_while_the_input_is_open_a_sync_is_never_over(shutdown: Shutdown) -> None:
    """However quiet it is."""
    assert shutdown.accepts_lines
    assert not shutdown.is_over(math.inf, batches_in_flight=0, unsettled_dead_letters=0)


@pytest.mark.parametrize(("batches", "dead_letters", "is_over"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_draining_waits_for_batches_and_dead_letters(
    shutdown: Shutdown, batches: int, dead_letters: int, *, is_over: bool
) -> None:
    """For as long as they take."""
    shutdown.end_of_input()
    assert shutdown.processes_lines
    assert not shutdown.accepts_lines
    assert shutdown.is_over(1e9, batches, dead_letters) is is_over


def test_finishing_processes_no_line_and_sends_what_is_open(shutdown: Shutdown) -> None:
    """A signal leaves eight seconds for that; a broken line leaves all the time it takes."""
    shutdown.broken_line(ProtocolError("line 7"))
    assert not shutdown.processes_lines
    assert shutdown.sends
    assert shutdown.deadline == math.inf
    shutdown.signal(15, now=100.0)
    assert not shutdown.is_over(107.9, batches_in_flight=1, unsettled_dead_letters=0)
    assert shutdown.is_over(108.0, batches_in_flight=1, unsettled_dead_letters=1)


def test_aborting_waits_for_lanes_and_dead_letters(shutdown: Shutdown) -> None:
    """Batches that were queued never come back; lanes do."""
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
    """A later trigger never extends it, a second signal included."""
    shutdown.signal(15, now=100.0)
    shutdown.delivery_failed(TransientError("gone"), now=101.0)
    shutdown.signal(2, now=107.0)
    assert (shutdown.deadline, shutdown.signal_number) == (108.0, 15)


def test_the_first_error_is_the_one_to_report(shutdown: Shutdown) -> None:
    """The others mostly follow from it."""
    first: SyncError = TransientError("first")
    shutdown.input_failed(first)
    shutdown.delivery_failed(TransientError("second"), now=1.0)
    shutdown.dead_letters_failed(TransientError("third"), now=1.0)
    assert shutdown.error is first


def test_a_sync_that_is_told_to_stop_ends_before_it_is_killed() -> None:
    """The time for what is in flight, then for an upload that hangs, with a second left for the rest."""
    assert PipelineSettings().stop_seconds + CLOSE_SECONDS + 1.0 <= KILLED_AFTER_SECONDS
