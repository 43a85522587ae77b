"""The coordinator: its timers, its budget, and how a sync ends."""

from __future__ import annotations

import os

import pytest

from destination_customerio.airbyte.output import OutputClosed
from destination_customerio.airbyte.stdin import Stop
from destination_customerio.delivery.partitioner import JoiningPlacement
from destination_customerio.errors import ProtocolError, TransientError
from destination_customerio.sync.pipeline import Limits
from unit_tests.sync.simulation import Simulation


def test_an_open_batch_waits_five_seconds_for_more_rows() -> None:
    """And no longer, or a slow source's states would be late."""
    simulation = Simulation(max_body_bytes=100_000)
    simulation.row("users", "a")
    simulation.catch_up()
    simulation.clock.now += 4.9
    simulation.row("users", "a")
    simulation.catch_up()
    assert simulation.lanes.busy() == []
    simulation.clock.now += 0.2
    simulation.catch_up()
    assert len(simulation.lanes.busy()) == 1


def test_idle_waiting_ends_when_a_batch_is_due() -> None:
    """With nothing coming in, the linger alone wakes the coordinator."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.catch_up()
    simulation.work(2)
    assert simulation.clock.now == pytest.approx(1_005.0, abs=0.1)
    assert len(simulation.lanes.busy()) == 1


def test_dead_letters_are_stored_soon_when_only_they_hold_a_state_back() -> None:
    """Two seconds in quiet; without a state that waits, the file stays open for more rows."""
    simulation = Simulation()
    simulation.row("users", "a", is_good=False)
    simulation.catch_up()
    simulation.clock.now += 40
    simulation.catch_up()
    assert not simulation.bucket.sealed
    simulation.state("users")
    simulation.catch_up()
    assert len(simulation.bucket.sealed) == 1


def test_dead_letters_wait_ten_seconds_while_rows_are_under_way() -> None:
    """A busy sync makes few files, and its states still move."""
    simulation = Simulation()
    simulation.row("users", "a", is_good=False)
    simulation.state("users")
    simulation.row("users", "b")
    simulation.catch_up()
    simulation.clock.now += 6
    simulation.catch_up()
    assert simulation.lanes.busy()
    assert not simulation.bucket.sealed
    simulation.clock.now += 5
    simulation.catch_up()
    assert len(simulation.bucket.sealed) == 1


def test_a_full_budget_takes_no_further_block_until_something_is_settled() -> None:
    """Memory is bounded: the reader gets no slot, so stdin waits."""
    simulation = Simulation(limits=Limits(max_weight_bytes=2_000), max_body_bytes=100_000)
    for _ in range(50):
        simulation.row("users", "a")
    simulation.catch_up()
    simulation.work(1)
    # A full budget with nothing under way seals what is open rather than waiting for itself.
    assert len(simulation.lanes.busy()) == 1
    simulation.catch_up()
    under_way = len(simulation.lanes.queues[simulation.lanes.busy()[0]][0])
    assert under_way < 50
    total = 0
    while busy := simulation.lanes.busy():
        total += under_way
        simulation.lanes.finish(busy[0])
        simulation.catch_up()
        if simulation.lanes.busy():
            under_way = len(simulation.lanes.queues[simulation.lanes.busy()[0]][0])
    simulation.clock.now += 6
    simulation.catch_up()
    for lane in simulation.lanes.busy():
        simulation.lanes.finish(lane)
    simulation.catch_up()
    assert simulation.lanes.applied == list(range(50))


def test_states_that_wait_count_towards_the_budget() -> None:
    """A source that sends large states during an outage must wait, too."""
    simulation = Simulation(limits=Limits(max_weight_bytes=3_000), max_body_bytes=100_000)
    simulation.row("users", "a")
    for _ in range(200):
        simulation.state("users")
    simulation.catch_up()
    assert len(simulation.lanes.busy()) == 1
    assert simulation.ledger.waiting_states < 200
    simulation.lanes.finish(simulation.lanes.busy()[0])
    simulation.catch_up()
    assert len(simulation.acknowledged) == 200


def test_a_second_signal_changes_nothing() -> None:
    """The deadline is the first one's, and so is the exit code."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.catch_up()
    simulation.stop()
    simulation.catch_up()
    simulation.clock.now += 7
    simulation.inbox.post(Stop(2))
    assert simulation.pipeline.run() == 15
    assert simulation.clock.now < 1_000 + 9


def test_a_line_that_is_no_message_ends_the_sync_and_keeps_what_was_before() -> None:
    """Rows before it are still sent and acknowledged; nothing behind it is."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.state("users")
    simulation.line({"type": "RECORD", "record": {"stream": "nobody's", "data": {}}})
    simulation.row("users", "b")
    simulation.state("users")
    simulation.catch_up()
    for lane in simulation.lanes.busy():
        simulation.lanes.finish(lane)
    with pytest.raises(ProtocolError, match="Line 3 "):
        simulation.pipeline.run()
    assert [state["id"] for state in simulation.acknowledged] == [0]
    assert simulation.lanes.applied == [0]


def test_a_failed_upload_keeps_its_states_back() -> None:
    """The rejected rows of a sync that can't keep them are never counted as kept."""
    simulation = Simulation()
    simulation.row("users", "a", is_good=False)
    simulation.state("users")
    simulation.row("orders", "b")
    simulation.state("orders")
    simulation.catch_up()
    simulation.clock.now += 31
    simulation.catch_up()
    simulation.fail_upload()
    simulation.lanes.finish(simulation.lanes.busy()[0])
    simulation.lanes.end()
    before = simulation.clock.now
    with pytest.raises(TransientError, match="the bucket is gone"):
        simulation.pipeline.run()
    assert simulation.clock.now == before, "it waited for files that are never stored"
    assert [state["id"] for state in simulation.acknowledged] == [1]
    assert simulation.lanes.given_up


def finish_all(simulation: Simulation) -> None:
    """Every lane delivers what it has."""
    while busy := simulation.lanes.busy():
        simulation.lanes.finish(busy[0])
    simulation.catch_up()


def ids(simulation: Simulation) -> list[int]:
    """The states that are out."""
    return [state["id"] for state in simulation.acknowledged]


def lines_of(simulation: Simulation, lane: int) -> bytes:
    """The rows of a lane's oldest batch."""
    return b"".join(simulation.lanes.queues[lane][0].lines)


def with_a_stuck_row_and_a_rejected_one() -> Simulation:
    """A row of `orders` is under way and does not come back; a rejected one of `users` is all that its state needs."""
    simulation = Simulation()
    simulation.row("orders", "stuck")
    simulation.state("orders")
    simulation.catch_up()
    simulation.clock.now += 6
    simulation.catch_up()
    assert simulation.lanes.busy()
    simulation.row("users", "a", is_good=False)
    simulation.state("users")
    simulation.catch_up()
    return simulation


def test_an_empty_input_ends_at_once() -> None:
    """With a summary, and without waiting for any timer."""
    simulation = Simulation()
    simulation.end_of_input()
    assert simulation.pipeline.run() is None
    assert simulation.clock.now == 1_000.0
    assert simulation.logged[-1] == "0 requests to Customer.io, 0 retries."


def test_without_a_bucket_a_rejected_row_holds_nothing_back() -> None:
    """It is settled by being counted."""
    simulation = Simulation(with_bucket=False)
    simulation.row("users", "a", is_good=False)
    simulation.state("users")
    simulation.catch_up()
    assert ids(simulation) == [0]
    simulation.end_of_input()
    assert simulation.pipeline.run() is None
    assert (
        "Stream users: 1 rows read, 0 delivered, 1 rejected [required (person_email): 1]."
        in simulation.logged
    )


def test_end_of_input_sends_and_stores_what_is_open_at_once() -> None:
    """No linger for rows that will not come."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.row("users", "b", is_good=False)
    simulation.state("users")
    simulation.end_of_input()
    simulation.catch_up()
    finish_all(simulation)
    assert len(simulation.bucket.sealed) == 1
    simulation.bucket.store()
    assert simulation.pipeline.run() is None
    assert ids(simulation) == [0]
    assert simulation.clock.now == 1_000.0


def test_a_block_that_is_worked_off_makes_room_for_another() -> None:
    """One slot each, and none while the budget is full."""
    simulation = Simulation(limits=Limits(max_weight_bytes=1_000), max_body_bytes=100_000)
    for _ in range(20):
        simulation.row("users", "a")
    simulation.catch_up()
    assert 0 < simulation.inbox.free_slots < 20
    for _ in range(20):
        finish_all(simulation)
    assert simulation.inbox.free_slots == 20


def test_a_bucket_that_is_behind_stops_the_input() -> None:
    """Until it has taken a file; then the rows go on."""
    simulation = Simulation()
    simulation.bucket.max_sealed = 0
    simulation.row("users", "a", is_good=False)
    simulation.state("users")
    simulation.catch_up()
    simulation.clock.now += 3
    simulation.catch_up()
    assert simulation.bucket.backlog.is_full
    simulation.row("users", "b")
    simulation.catch_up()
    assert simulation.inbox.free_slots == 2
    simulation.bucket.store()
    simulation.catch_up()
    assert simulation.inbox.free_slots == 3
    assert ids(simulation) == [0]


def test_a_full_budget_stores_the_dead_letters_that_states_wait_for() -> None:
    """With nothing under way only they can make room."""
    simulation = Simulation(limits=Limits(max_weight_bytes=1_000))
    simulation.row("users", "a", is_good=False)
    for _ in range(10):
        simulation.state("users")
    simulation.catch_up()
    assert simulation.inbox.free_slots < 11
    assert len(simulation.bucket.sealed) == 1
    simulation.bucket.store()
    simulation.catch_up()
    assert ids(simulation) == list(range(10))


def test_the_progress_is_told_every_half_minute() -> None:
    """While nothing happens, too: whoever follows the sync sees that it lives."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.catch_up()
    simulation.work(20)
    told = [line for line in simulation.logged if "rows read (" in line]
    passed = simulation.clock.now - 1_000
    assert len(told) == passed // 30 >= 2
    assert told[0].startswith(
        "1 rows read (0 rows/s), 0 delivered in 0 requests, 0 rejected, 0 retries, 1 rows"
    )
    assert "(0 rows/s)" in told[1]


def test_retries_are_counted_by_their_reason() -> None:
    """For the summary."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.end_of_input()
    simulation.catch_up()
    simulation.lanes.finish(simulation.lanes.busy()[0], weather=["503", "429", "503"])
    assert simulation.pipeline.run() is None
    assert simulation.logged[-1] == "4 requests to Customer.io, 3 retries [HTTP 503: 2, HTTP 429: 1]."


@pytest.mark.parametrize(("ending", "seconds"), [("end of input", 100), ("signal", 7.9), ("failure", 19.9)])
def test_while_an_ending_waits_for_a_lane_the_coordinator_sleeps(ending: str, seconds: float) -> None:
    """A timer that nothing more is done for must not wake it a thousand times a second."""
    simulation = with_a_stuck_row_and_a_rejected_one()
    simulation.row("users", "b")
    simulation.catch_up()
    match ending:
        case "end of input":
            simulation.end_of_input()
        case "signal":
            simulation.stop()
        case _:
            simulation.fail()
    began, taken = simulation.clock.now, simulation.inbox.taken
    while simulation.clock.now < began + seconds:
        simulation.work()
        assert simulation.inbox.taken < taken + 15


def test_at_the_end_of_input_a_stuck_lane_holds_no_other_streams_state_back() -> None:
    """Its dead letters are stored by age, as before the end."""
    simulation = with_a_stuck_row_and_a_rejected_one()
    simulation.end_of_input()
    simulation.catch_up()
    simulation.clock.now += 11
    simulation.catch_up()
    simulation.bucket.store()
    simulation.catch_up()
    assert ids(simulation) == [1]


def test_after_a_signal_rejected_rows_are_stored_at_once() -> None:
    """A lane may be stuck until the deadline; a state that waits for them alone must not be lost by that."""
    simulation = with_a_stuck_row_and_a_rejected_one()
    simulation.stop()
    simulation.work()
    simulation.bucket.store()
    assert simulation.pipeline.run() == 15
    assert ids(simulation) == [1]
    assert simulation.clock.now == pytest.approx(1_014.0, abs=0.1)


def test_after_a_failure_rejected_rows_are_stored_at_once() -> None:
    """As after a signal; what the lanes still reject is stored when they have ended, their batch done or not."""
    simulation = with_a_stuck_row_and_a_rejected_one()
    simulation.row("users", "b")
    simulation.catch_up()
    simulation.clock.now += 6
    simulation.catch_up()
    assert len(simulation.lanes.busy()) == 2
    simulation.fail()
    simulation.work()
    simulation.bucket.store()
    simulation.catch_up()
    assert ids(simulation) == [1]
    (stuck,) = (lane for lane in simulation.lanes.busy() if b'"orders"' in lines_of(simulation, lane))
    simulation.lanes.finish(stuck, refused=[0])
    simulation.lanes.end()
    simulation.catch_up()
    simulation.bucket.store()
    with pytest.raises(TransientError, match="the server is gone"):
        simulation.pipeline.run()
    assert ids(simulation) == [1, 0]
    assert simulation.clock.now == 1_012.0


def test_after_a_failure_nothing_more_is_sent() -> None:
    """Not what is open, and not what was read and waits; neither is acknowledged."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.catch_up()
    simulation.fail()
    simulation.row("users", "b")
    simulation.state("users")
    simulation.catch_up()
    simulation.lanes.end()
    with pytest.raises(TransientError):
        simulation.pipeline.run()
    assert simulation.lanes.busy() == []
    assert simulation.acknowledged == []
    assert "Stream users: 1 rows read, 0 delivered, 0 rejected, 1 not settled." in simulation.logged


def test_the_first_failure_is_the_one_that_is_told() -> None:
    """The others mostly follow from it."""
    simulation = Simulation()
    simulation.fail("the first")
    simulation.fail("the second")
    simulation.fail_upload()
    simulation.lanes.end()
    with pytest.raises(TransientError, match="the first"):
        simulation.pipeline.run()


def test_a_lane_that_never_ends_keeps_a_failure_waiting_for_twenty_seconds() -> None:
    """Then it is told all the same."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.end_of_input()
    simulation.catch_up()
    simulation.fail()
    with pytest.raises(TransientError):
        simulation.pipeline.run()
    assert simulation.clock.now == pytest.approx(1_020.0, abs=0.1)


def test_of_a_signal_and_a_failure_the_earlier_deadline_counts_and_the_failure_is_told() -> None:
    """In either order, and signals may be repeated."""
    for order in ("stop, fail, stop", "fail, stop, stop"):
        simulation = Simulation()
        for event in order.split(", "):
            simulation.stop() if event == "stop" else simulation.fail()
            simulation.work()
        with pytest.raises(TransientError, match="the server is gone"):
            simulation.pipeline.run()
        assert simulation.clock.now == pytest.approx(1_008.0, abs=0.1)


def test_a_broken_line_waits_for_the_rows_before_it_and_is_told_whatever_else_fails() -> None:
    """A lane that retries may still bring them home; where it can't, the line remains the first cause."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.state("users")
    simulation.line({"type": "RECORD"})
    simulation.catch_up()
    simulation.clock.now += 300
    simulation.catch_up()
    finish_all(simulation)
    assert ids(simulation) == [0]
    with pytest.raises(ProtocolError, match="Line 3 "):
        simulation.pipeline.run()

    simulation = Simulation()
    simulation.row("users", "a")
    simulation.line({"type": "RECORD"})
    simulation.catch_up()
    simulation.fail()
    simulation.lanes.end()
    with pytest.raises(ProtocolError, match="Line 2 "):
        simulation.pipeline.run()


def test_a_full_disk_fails_the_sync_and_keeps_that_rows_state_back() -> None:
    """What was under way is still acknowledged; the rest of the block is not sent."""
    simulation = Simulation()
    simulation.row("orders", "a")
    simulation.state("orders")
    simulation.catch_up()
    simulation.clock.now += 6
    simulation.catch_up()
    simulation.bucket.disk_is_full = True
    simulation.row("users", "b", is_good=False)
    simulation.state("users")
    simulation.row("users", "c")
    simulation.catch_up()
    simulation.lanes.finish(simulation.lanes.busy()[0])
    simulation.lanes.end()
    with pytest.raises(TransientError, match="the disk is full"):
        simulation.pipeline.run()
    assert ids(simulation) == [0]
    assert simulation.lanes.busy() == []


def test_a_disk_that_is_full_for_rows_the_server_rejects_settles_their_neighbours() -> None:
    """The batch is resolved once: accepted rows count, the rejected one never does."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.row("users", "a")
    simulation.state("users")
    simulation.end_of_input()
    simulation.catch_up()
    simulation.bucket.disk_is_full = True
    simulation.lanes.finish(simulation.lanes.busy()[0], refused=[1])
    simulation.lanes.end()
    with pytest.raises(TransientError, match="the disk is full"):
        simulation.pipeline.run()
    assert simulation.acknowledged == []
    assert any("2 rows read, 1 delivered, 1 rejected" in line for line in simulation.logged)


def test_a_reader_that_is_gone_ends_the_sync_and_its_lanes() -> None:
    """Nobody can be told of anything, so nothing more is sent."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as stdout:
        simulation = Simulation(stdout=stdout)
        simulation.state("users")
        with pytest.raises(OutputClosed):
            simulation.pipeline.run()
        assert simulation.lanes.given_up


def test_states_that_still_wait_at_the_end_are_no_success() -> None:
    """Should a row ever get lost on its way, the platform must send it again."""
    simulation = Simulation()
    simulation.bucket.loses_rows = True
    simulation.row("users", "a", is_good=False)
    simulation.state("users")
    simulation.end_of_input()
    with pytest.raises(ProtocolError, match="1 states still wait"):
        simulation.pipeline.run()
    assert simulation.acknowledged == []


def test_settled_rows_leave_no_memory_of_their_people() -> None:
    """A stream that joins people needs to know who is under way, and only of these."""
    simulation = Simulation(targets=("person_identify", "person_merge"))
    placement = simulation.pipeline._placement
    assert isinstance(placement, JoiningPlacement)
    for person in "abcdefgh":
        simulation.row("users", person)
    simulation.end_of_input()
    simulation.catch_up()
    assert placement.pinned_keys == 8
    finish_all(simulation)
    assert placement.pinned_keys == 0
