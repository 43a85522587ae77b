"""Whatever happens, in whatever order: what is acknowledged is true, nothing is lost, nobody's rows change places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.errors import ProtocolError, TransientError
from destination_customerio.sync.pipeline import PipelineSettings
from unit_tests.sync.simulation import STREAMS, Simulation

people = st.sampled_from("abcde")
rows = st.tuples(st.sampled_from(STREAMS), people, st.sampled_from([True, True, True, False]))
weather = st.lists(st.sampled_from(["503", "429", "lost", "refused"]), max_size=4)
finish = st.tuples(st.just("finish"), st.integers(0, 9), st.lists(st.integers(0, 3), max_size=2), weather)
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
worlds = st.sampled_from(["wide", "narrow", "without a bucket"])


def simulation_of(world: str) -> Simulation:
    """A sync with room for all, one that is nearly always full, or one that counts its rejected rows."""
    match world:
        case "narrow":
            simulation = Simulation(settings=PipelineSettings(max_body_bytes=400, max_weight_bytes=1_500))
            simulation.bucket.max_sealed = 1
            return simulation
        case "without a bucket":
            return Simulation(with_bucket=False)
        case _:
            return Simulation()


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


def finish_late(simulation: Simulation, late: list[tuple[object, ...]]) -> None:
    """After a failure each lane may still bring home the one request that it had under way."""
    under_way = simulation.lanes.busy()
    for action in late:
        match action:
            case ("finish", int(choice), list(refused), list(happening)):
                if under_way:
                    simulation.lanes.finish(under_way.pop(choice % len(under_way)), refused, happening)
            case _:
                store(simulation)
        simulation.work()
        simulation.check()


def let_all_finish(simulation: Simulation) -> None:
    """Everything that was read is settled, and every state before it acknowledged."""
    for _ in range(len(simulation.rows) + len(simulation.states) + 5):
        let_finish(simulation)
    settled = set(simulation.lanes.applied) | simulation.kept
    assert settled == set(range(len(simulation.rows)))
    assert len(simulation.acknowledged) == len(simulation.states)


@given(actions=actions, ending=endings, world=worlds, late=st.lists(st.one_of(finish, stores), max_size=6))
def test_whatever_happens_what_is_acknowledged_is_true(
    actions: list[tuple[object, ...]], ending: str, world: str, late: list[tuple[object, ...]]
) -> None:
    """The invariants hold after every step, and at the end of input nothing is left."""
    simulation = simulation_of(world)
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
            # Nothing more finishes; the deadline ends it.
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
    assert set(simulation.lanes.applied) | simulation.kept == set(range(rows))
    assert len(simulation.acknowledged) == len(simulation.states)
    assert simulation.pipeline.run() == 15
    simulation.check()
