"""Whatever happens, in whatever order: what is acknowledged is true, nothing is lost, nobody's rows change places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.errors import ProtocolError, TransientError
from destination_customerio.pipeline import Limits
from unit_tests.simulation import STREAMS, Simulation

people = st.sampled_from("abcde")
rows = st.tuples(st.sampled_from(STREAMS), people, st.sampled_from([True, True, True, False]))
weather = st.lists(st.sampled_from(["503", "429", "lost", "refused"]), max_size=4)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.lists(rows, min_size=1, max_size=6)),
        st.tuples(st.just("state"), st.sampled_from([*STREAMS, None])),
        st.tuples(st.just("work"), st.integers(1, 20)),
        st.tuples(st.just("finish"), st.integers(0, 9), st.lists(st.integers(0, 3), max_size=2), weather),
        st.tuples(st.just("store")),
        st.tuples(st.just("idle"), st.sampled_from([0.5, 2.5, 6.0, 31.0])),
    ),
    min_size=10,
    max_size=60,
)
endings = st.sampled_from(["end of input", "signal", "failure"])


def act(simulation: Simulation, action: tuple[object, ...]) -> None:
    """Let one thing happen, if it can."""
    match action:
        case ("rows", list(new)):
            for stream, person, is_good in new:
                simulation.row(stream, person, is_good=is_good)
        case ("state", stream):
            simulation.state(stream if isinstance(stream, str) else None)
        case ("work", int(steps)):
            simulation.work(steps)
        case ("finish", int(choice), list(refused), list(happening)):
            if busy := simulation.lanes.busy():
                simulation.lanes.finish(busy[choice % len(busy)], refused, happening)
        case ("store",):
            store(simulation)
        case ("idle", float(seconds)):
            simulation.clock.now += seconds
        case _:
            raise AssertionError(action)


def store(simulation: Simulation) -> None:
    """The bucket takes the oldest file, and the coordinator hears of it."""
    if simulation.bucket.sealed:
        file = simulation.bucket.sealed[0]
        simulation.bucket.store()
        # Another may be sealed meanwhile, so their number says nothing.
        while file in simulation.bucket.sealed:
            simulation.work()


def let_finish(simulation: Simulation) -> None:
    """Everything that is under way comes to its end."""
    simulation.catch_up()
    for lane in simulation.lanes.busy():
        simulation.lanes.finish(lane)
    simulation.catch_up()
    simulation.check()
    store(simulation)
    simulation.check()


@given(actions=actions, ending=endings)
def test_whatever_happens_what_is_acknowledged_is_true(
    actions: list[tuple[object, ...]], ending: str
) -> None:
    """The invariants hold after every step, and at the end of input nothing is left."""
    simulation = Simulation()
    for action in actions:
        act(simulation, action)
        simulation.check()
    match ending:
        case "end of input":
            simulation.end_of_input()
            for _ in range(len(simulation.rows) + 5):
                let_finish(simulation)
            settled = set(simulation.lanes.applied) | simulation.bucket.kept
            assert settled == set(range(len(simulation.rows)))
            assert len(simulation.acknowledged) == len(simulation.states)
            assert simulation.pipeline.run() is None
        case "signal":
            simulation.stop()
            simulation.work(3)
            # Nothing more finishes; the deadline ends it.
            assert simulation.pipeline.run() == 15
        case _:
            simulation.fail()
            simulation.work(3)
            simulation.lanes.end()
            with pytest.raises(TransientError):
                simulation.pipeline.run()
    simulation.check()


@given(actions=actions)
def test_after_a_signal_what_is_under_way_still_becomes_true(actions: list[tuple[object, ...]]) -> None:
    """All that was read is sent and acknowledged when the server answers in time, and nothing more is read."""
    simulation = Simulation()
    for action in actions:
        act(simulation, action)
    rows = len(simulation.rows)
    simulation.catch_up()
    simulation.stop()
    simulation.work()
    simulation.row("users", "late")
    for _ in range(rows + 5):
        let_finish(simulation)
    assert set(simulation.lanes.applied) | simulation.bucket.kept == set(range(rows))
    assert simulation.pipeline.run() == 15
    simulation.check()


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
    """The deadline is the first one's."""
    simulation = Simulation()
    simulation.row("users", "a")
    simulation.catch_up()
    simulation.stop()
    simulation.catch_up()
    simulation.clock.now += 7
    simulation.stop()
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
    simulation.inbox.post(TransientError("the bucket is gone"))
    simulation.lanes.finish(simulation.lanes.busy()[0])
    simulation.lanes.end()
    with pytest.raises(TransientError, match="the bucket is gone"):
        simulation.pipeline.run()
    assert [state["id"] for state in simulation.acknowledged] == [1]
    assert simulation.lanes.given_up
