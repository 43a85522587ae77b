"""The coordinator: its timers, its budget, and how a sync ends."""

from __future__ import annotations

import os

import pytest

from destination_customerio.airbyte.output import OutputClosed
from destination_customerio.errors import ConfigError, ProtocolError, TransientError
from destination_customerio.sync.events import Stop
from destination_customerio.sync.pipeline_settings import PipelineSettings
from destination_customerio.sync.wiring import Sync
from unit_tests.sync.simulation import Simulation


def test_an_open_batch_waits_five_seconds_for_more_rows() -> None:
    """Waiting longer would delay the states of a slow source."""
    simulation = Simulation(settings=PipelineSettings())
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
    """If no event arrives, the linger timer wakes the coordinator."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.catch_up()
    simulation.work(2)
    assert simulation.clock.now == pytest.approx(1_005.0, abs=0.1)
    assert len(simulation.lanes.busy()) == 1


def test_dead_letters_are_stored_soon_when_only_they_hold_a_state_back() -> None:
    """They are stored after two quiet seconds; if no state waits, the file stays open for more rows."""
    simulation = Simulation()
    simulation.row("users", "a", is_good=False)
    simulation.catch_up()
    simulation.clock.now += 40
    simulation.catch_up()
    assert not simulation.bucket.sealed
    simulation.state("users")
    simulation.catch_up()
    assert len(simulation.bucket.sealed) == 1


def test_dead_letters_wait_ten_seconds_while_rows_are_in_flight() -> None:
    """A busy sync writes few files, and its states still progress."""
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


def test_no_block_is_processed_while_the_budget_is_full() -> None:
    """Memory is bounded, because the reader gets no slot and stdin waits."""
    simulation = Simulation(settings=PipelineSettings(max_weight_bytes=2_000))
    for _ in range(50):
        simulation.row("users", "a")
    simulation.catch_up()
    simulation.work(1)
    # If the budget is full and nothing is in flight, open batches are sealed to make room.
    assert len(simulation.lanes.busy()) == 1
    simulation.catch_up()
    in_flight = len(simulation.lanes.queues[simulation.lanes.busy()[0]][0])
    assert in_flight < 50
    total = 0
    while busy := simulation.lanes.busy():
        total += in_flight
        simulation.lanes.finish(busy[0])
        simulation.catch_up()
        if simulation.lanes.busy():
            in_flight = len(simulation.lanes.queues[simulation.lanes.busy()[0]][0])
    simulation.clock.now += 6
    simulation.catch_up()
    for lane in simulation.lanes.busy():
        simulation.lanes.finish(lane)
    simulation.catch_up()
    assert simulation.lanes.applied == list(range(50))


def test_waiting_states_count_towards_the_budget() -> None:
    """A source that sends large states during an outage is throttled as well."""
    simulation = Simulation(settings=PipelineSettings(max_weight_bytes=3_000))
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
    """The deadline and the exit code are those of the first signal."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.catch_up()
    simulation.stop()
    simulation.catch_up()
    simulation.clock.now += 7
    simulation.inbox.post(Stop(2))
    assert simulation.pipeline.run() == 15
    assert simulation.clock.now < 1_000 + 9


def test_an_invalid_line_ends_the_sync_after_the_rows_before_it() -> None:
    """Rows before the line are delivered and acknowledged, and rows after it are not sent."""
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


def test_a_failed_upload_holds_its_states_back() -> None:
    """Rejected rows that can't be stored are never acknowledged."""
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
    assert simulation.lanes.aborted


def finish_all(simulation: Simulation) -> None:
    """Let every lane deliver all its batches."""
    while busy := simulation.lanes.busy():
        simulation.lanes.finish(busy[0])
    simulation.catch_up()


def ids(simulation: Simulation) -> list[int]:
    """The states that were emitted."""
    return [state["id"] for state in simulation.acknowledged]


def lines_of(simulation: Simulation, lane: int) -> bytes:
    """The rows of a lane's oldest batch."""
    return b"".join(simulation.lanes.queues[lane][0].lines)


def with_a_stuck_row_and_a_rejected_one() -> Simulation:
    """A row of `orders` in flight that gets no answer, and a state of `users` that waits only for a rejected row."""
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


def test_an_empty_input_ends_immediately() -> None:
    """The summary is logged, and no timer is awaited."""
    simulation = Simulation()
    simulation.end_of_input()
    assert simulation.pipeline.run() is None
    assert simulation.clock.now == 1_000.0
    assert simulation.logged[-1] == "Stream orders: 0 rows read, 0 delivered, 0 rejected."


def test_without_a_bucket_a_rejected_row_holds_nothing_back() -> None:
    """A rejected row is settled by being counted."""
    simulation = Simulation(with_bucket=False)
    simulation.row("users", "a", is_good=False)
    simulation.state("users")
    simulation.catch_up()
    assert ids(simulation) == [0]
    simulation.end_of_input()
    assert simulation.pipeline.run() is None
    assert (
        "Stream users: 1 row read, 0 delivered, 1 rejected [required (person_email): 1]." in simulation.logged
    )


def test_end_of_input_sends_and_stores_everything_immediately() -> None:
    """Nothing lingers for rows that will not arrive."""
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


def test_a_processed_block_frees_one_slot() -> None:
    """No slot is freed while the budget is full."""
    simulation = Simulation(settings=PipelineSettings(max_weight_bytes=1_000))
    for _ in range(20):
        simulation.row("users", "a")
    simulation.catch_up()
    assert 0 < simulation.inbox.free_slots < 20
    for _ in range(20):
        finish_all(simulation)
    assert simulation.inbox.free_slots == 20


def test_a_backlog_of_uploads_stops_the_input() -> None:
    """The input resumes when the bucket has stored a file."""
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
    """If nothing is in flight, only storing them can make room."""
    simulation = Simulation(settings=PipelineSettings(max_body_bytes=400, max_weight_bytes=1_000))
    simulation.row("users", "a", is_good=False)
    for _ in range(10):
        simulation.state("users")
    simulation.catch_up()
    assert simulation.inbox.free_slots < 11
    assert len(simulation.bucket.sealed) == 1
    simulation.bucket.store()
    simulation.catch_up()
    assert ids(simulation) == list(range(10))


def test_progress_is_logged_every_thirty_seconds() -> None:
    """It is logged even if nothing happens, to show that the sync is alive."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.catch_up()
    simulation.work(20)
    progress = [line for line in simulation.logged if " read (" in line]
    passed = simulation.clock.now - 1_000
    assert len(progress) == passed // 30 >= 2
    assert progress[0].startswith(
        "1 row read (0 rows/s), 0 delivered in 0 requests, 0 rejected, 0 retries, 1 row waiting"
    )
    assert "(0 rows/s)" in progress[1]


def test_retries_are_counted_by_their_reason() -> None:
    """The counts are in the summary."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.end_of_input()
    simulation.catch_up()
    simulation.lanes.finish(simulation.lanes.busy()[0], faults=["503", "429", "503"])
    assert simulation.pipeline.run() is None
    assert simulation.logged[-1] == "4 requests to Customer.io, 3 retries [HTTP 503: 2, HTTP 429: 1]."


@pytest.mark.parametrize(("ending", "seconds"), [("end of input", 100), ("signal", 7.9), ("failure", 19.9)])
def test_the_coordinator_sleeps_while_shutdown_waits_for_a_lane(ending: str, seconds: float) -> None:
    """A timer with nothing left to do must not cause a busy loop."""
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


def test_a_stuck_lane_does_not_hold_back_states_of_other_streams() -> None:
    """After the end of the input, dead letters are still stored by age."""
    simulation = with_a_stuck_row_and_a_rejected_one()
    simulation.end_of_input()
    simulation.catch_up()
    simulation.clock.now += 11
    simulation.catch_up()
    simulation.bucket.store()
    simulation.catch_up()
    assert ids(simulation) == [1]


def test_after_a_signal_rejected_rows_are_stored_immediately() -> None:
    """A state that waits only for them is acknowledged even if a lane is stuck until the deadline."""
    simulation = with_a_stuck_row_and_a_rejected_one()
    simulation.stop()
    simulation.work()
    simulation.bucket.store()
    assert simulation.pipeline.run() == 15
    assert ids(simulation) == [1]
    assert simulation.clock.now == pytest.approx(1_014.0, abs=0.1)


def test_after_a_failure_rejected_rows_are_stored_immediately() -> None:
    """Rows that the lanes reject afterwards are stored when all lanes have ended."""
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
    """Open batches and unprocessed blocks are neither sent nor acknowledged."""
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
    assert "Stream users: 1 row read, 0 delivered, 0 rejected, 1 not settled." in simulation.logged


def test_the_first_failure_is_raised() -> None:
    """Later failures are mostly consequences of the first."""
    simulation = Simulation()
    simulation.fail("the first")
    simulation.fail("the second")
    simulation.fail_upload()
    simulation.lanes.end()
    with pytest.raises(TransientError, match="the first"):
        simulation.pipeline.run()


def test_a_failure_waits_at_most_twenty_seconds_for_a_stuck_lane() -> None:
    """Then the failure is raised even though the lane has not ended."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.end_of_input()
    simulation.catch_up()
    simulation.fail()
    with pytest.raises(TransientError):
        simulation.pipeline.run()
    assert simulation.clock.now == pytest.approx(1_020.0, abs=0.1)


def test_a_failure_is_raised_at_the_earlier_deadline_of_a_signal() -> None:
    """This holds in either order, and for repeated signals."""
    for order in ("stop, fail, stop", "fail, stop, stop"):
        simulation = Simulation()
        for event in order.split(", "):
            simulation.stop() if event == "stop" else simulation.fail()
            simulation.work()
        with pytest.raises(TransientError, match="the server is gone"):
            simulation.pipeline.run()
        assert simulation.clock.now == pytest.approx(1_008.0, abs=0.1)


def test_an_invalid_line_is_raised_after_the_rows_before_it() -> None:
    """Rows before the line are delivered if possible, and the line stays the reported cause if a lane fails afterwards."""
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


def test_a_full_disk_fails_the_sync_and_holds_that_rows_state_back() -> None:
    """Batches in flight are still acknowledged, and the rest of the block is not sent."""
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


def test_a_full_disk_does_not_hold_back_accepted_rows_of_the_batch() -> None:
    """Accepted rows of the batch are settled, and the rejected one never is."""
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


def test_a_closed_stdout_ends_the_sync_and_its_lanes() -> None:
    """States can't be acknowledged any more, so nothing more is sent."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as stdout:
        simulation = Simulation(stdout=stdout)
        simulation.state("users")
        with pytest.raises(OutputClosed):
            Sync(simulation.pipeline, [simulation.lanes.abort]).run()
        assert simulation.lanes.aborted


def test_states_still_waiting_at_the_end_are_an_error() -> None:
    """If a row were ever lost, the platform would send it again."""
    simulation = Simulation()
    simulation.bucket.loses_rows = True
    simulation.row("users", "a", is_good=False)
    simulation.state("users")
    simulation.end_of_input()
    with pytest.raises(ProtocolError, match="1 state still waiting"):
        simulation.pipeline.run()
    assert simulation.acknowledged == []


def test_settled_rows_are_reported_to_the_partitioner() -> None:
    """Order only needs to know the rows that are in flight."""
    simulation = Simulation()
    partitioner = simulation.pipeline._partitioner
    for person in "abcdefgh":
        simulation.row("users", person)
    simulation.end_of_input()
    simulation.catch_up()
    assert sum(partitioner._unsettled_rows) == 8
    finish_all(simulation)
    assert sum(partitioner._unsettled_rows) == 0


def test_rows_rejected_before_the_limit_applies_count_once_it_does() -> None:
    """The share is judged as soon as 1,000 rows of the stream are read, even if all further rows are good."""
    simulation = Simulation(settings=PipelineSettings(max_rejected_percent=50), with_bucket=False)
    for number in range(999):
        simulation.row("users", f"p{number}", is_good=False)
    simulation.row("users", "good")
    simulation.end_of_input()
    simulation.catch_up()
    for lane in simulation.lanes.busy():
        simulation.lanes.finish(lane)
    with pytest.raises(ConfigError, match=r"999 of 1,000 rows were rejected"):
        simulation.pipeline.run()
