"""In any schedule of events only settled rows are acknowledged, no row is lost, and each person's rows stay in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.errors import ProtocolError, TransientError
from destination_customerio.sync.pipeline_settings import PipelineSettings
from unit_tests.sync.simulation import STREAMS, Simulation

people = st.sampled_from("abcde")
rows = st.tuples(st.sampled_from(STREAMS), people, st.sampled_from([True, True, True, False]))
faults = st.lists(st.sampled_from(["503", "429", "lost", "refused"]), max_size=4)
finish = st.tuples(st.just("finish"), st.integers(0, 9), st.lists(st.integers(0, 3), max_size=2), faults)
stores = st.tuples(st.just("store"))
actions = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.lists(rows, min_size=1, max_size=6)),
        st.tuples(st.just("state"), st.sampled_from([*STREAMS, None])),
        st.tuples(st.just("work"), st.integers(1, 20)),
        finish,
        stores,
        st.tuples(st.just("idle"), st.sampled_from([0.5, 2.5, 6.0, 31.0])),
    ),
    min_size=10,
    max_size=60,
)
endings = st.sampled_from(["end of input", "broken line", "signal", "failed lane", "failed upload"])
variants = st.sampled_from(["wide", "narrow", "without a bucket"])


def simulation_of(variant: str) -> Simulation:
    """A sync with plenty of memory, one that is nearly always full, or one without a bucket."""
    match variant:
        case "narrow":
            simulation = Simulation(settings=PipelineSettings(max_body_bytes=400, max_weight_bytes=1_500))
            simulation.bucket.max_sealed = 1
            return simulation
        case "without a bucket":
            return Simulation(with_bucket=False)
        case _:
            return Simulation()


def act(simulation: Simulation, action: tuple[object, ...]) -> None:
    """Perform one action, if it is possible."""
    match action:
        case ("rows", list(new)):
            for stream, person, is_good in new:
                simulation.row(stream, person, is_good=is_good)
        case ("state", stream):
            simulation.state(stream if isinstance(stream, str) else None)
        case ("work", int(steps)):
            simulation.work(steps)
        case ("finish", int(choice), list(refused), list(faults)):
            if busy := simulation.lanes.busy():
                simulation.lanes.finish(busy[choice % len(busy)], refused, faults)
        case ("store",):
            store(simulation)
        case ("idle", float(seconds)):
            simulation.clock.now += seconds
        case _:
            raise AssertionError(action)


def store(simulation: Simulation) -> None:
    """Let the bucket store the oldest file, and the coordinator handle the event."""
    if simulation.bucket.sealed:
        file = simulation.bucket.sealed[0]
        simulation.bucket.store()
        # Another file may be sealed meanwhile, so the number of files is not a condition.
        while file in simulation.bucket.sealed:
            simulation.work()


def let_finish(simulation: Simulation) -> None:
    """Let everything in flight finish."""
    simulation.catch_up()
    for lane in simulation.lanes.busy():
        simulation.lanes.finish(lane)
    simulation.catch_up()
    simulation.check()
    store(simulation)
    simulation.check()


def finish_late(simulation: Simulation, late: list[tuple[object, ...]]) -> None:
    """Let each lane finish the one request that was in flight at a failure."""
    in_flight = simulation.lanes.busy()
    for action in late:
        match action:
            case ("finish", int(choice), list(refused), list(faults)):
                if in_flight:
                    simulation.lanes.finish(in_flight.pop(choice % len(in_flight)), refused, faults)
            case _:
                store(simulation)
        simulation.work()
        simulation.check()


def let_all_finish(simulation: Simulation) -> None:
    """Settle every row that was read, and acknowledge every state."""
    for _ in range(len(simulation.rows) + len(simulation.states) + 5):
        let_finish(simulation)
    settled = set(simulation.lanes.applied) | simulation.kept
    assert settled == set(range(len(simulation.rows)))
    assert len(simulation.acknowledged) == len(simulation.states)


@given(
    actions=actions, ending=endings, variant=variants, late=st.lists(st.one_of(finish, stores), max_size=6)
)
def test_only_settled_rows_are_acknowledged_in_any_schedule(
    actions: list[tuple[object, ...]], ending: str, variant: str, late: list[tuple[object, ...]]
) -> None:
    """The invariants hold after every step, and at the end of the input nothing is left unsettled."""
    simulation = simulation_of(variant)
    for action in actions:
        act(simulation, action)
        simulation.check()
    match ending:
        case "end of input":
            simulation.end_of_input()
            let_all_finish(simulation)
            assert simulation.pipeline.run() is None
        case "broken line":
            simulation.line({"type": "RECORD"})
            let_all_finish(simulation)
            with pytest.raises(ProtocolError, match=f"Line {simulation.lines} "):
                simulation.pipeline.run()
        case "signal":
            simulation.stop()
            simulation.work(3)
            # No batch finishes any more; the deadline ends the sync.
            assert simulation.pipeline.run() == 15
        case "failed lane":
            simulation.fail()
            simulation.work(3)
            finish_late(simulation, late)
            simulation.lanes.end()
            with pytest.raises(TransientError, match="the server"):
                simulation.pipeline.run()
        case _:
            simulation.fail_upload()
            simulation.work(3)
            finish_late(simulation, [action for action in late if action[0] == "finish"])
            simulation.lanes.end()
            with pytest.raises(TransientError, match="the bucket"):
                simulation.pipeline.run()
    simulation.check()


@given(actions=actions)
def test_after_a_signal_rows_in_flight_are_still_acknowledged(actions: list[tuple[object, ...]]) -> None:
    """All rows that were read are sent and acknowledged if the server answers in time, and no more are read."""
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
    assert set(simulation.lanes.applied) | simulation.kept == set(range(rows))
    assert len(simulation.acknowledged) == len(simulation.states)
    assert simulation.pipeline.run() == 15
    simulation.check()
