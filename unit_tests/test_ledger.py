"""A state goes out when, and as soon as, every record before it is settled; in order, with the right counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from destination_customerio.ledger import Acknowledgement, Epoch, Ledger, StreamQueue

if TYPE_CHECKING:
    import random

STREAMS = 3


@dataclass
class Record:
    """One row in the model: its stream, and what became of it, if anything yet."""

    stream: int
    outcome: str | None = None
    counted: bool = False


@dataclass
class State:
    """One state in the model; of all streams when it names none."""

    number: int
    stream: int | None
    emitted: bool = False


@dataclass
class NaiveLedger:
    """The promise by its letter: everything that ever came in, in order, looked through from the start each time."""

    history: list[Record | State] = field(default_factory=list)

    def speaks_of(self, state: State, other: Record | State) -> bool:
        """Whether what came before must be done before this state may go."""
        return state.stream is None or other.stream is None or state.stream == other.stream

    def emit(self) -> list[Acknowledgement]:
        """The states that have become true, with what they count."""
        ready = []
        for place, state in enumerate(self.history):
            if isinstance(state, Record) or state.emitted:
                continue
            before = [other for other in self.history[:place] if self.speaks_of(state, other)]
            if any(not other.emitted for other in before if isinstance(other, State)):
                continue
            records = [other for other in before if isinstance(other, Record) and not other.counted]
            if any(record.outcome is None for record in records):
                continue
            for record in records:
                record.counted = True
            state.emitted = True
            outcomes = [record.outcome for record in records]
            ready.append(
                Acknowledgement(b"%d" % state.number, outcomes.count("delivered"), outcomes.count("rejected"))
            )
        return ready


streams = st.integers(0, STREAMS - 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("record"), streams),
        st.tuples(st.just("record"), streams),
        st.tuples(st.just("state"), streams),
        st.tuples(st.just("state of all"), st.just(0)),
        st.tuples(st.just("settle"), st.integers(0, 2**16)),
        st.tuples(st.just("settle"), st.integers(0, 2**16)),
    ),
    max_size=40,
)


@settings(max_examples=600)
@given(steps, st.randoms(use_true_random=False))
def test_it_agrees_with_the_naive_model(steps: list[tuple[str, int]], order: random.Random) -> None:
    """After each step of any interleaving, both have let go of the same states, with the same counts and in order."""
    ledger, model = Ledger(), NaiveLedger()
    queues = [StreamQueue(str(number)) for number in range(STREAMS)]
    pending: list[tuple[Epoch, Record]] = []
    emitted: list[int] = []
    state_streams: list[int | None] = []

    def settle(place: int) -> None:
        epoch, record = pending.pop(place % len(pending))
        record.outcome = order.choice(["delivered", "rejected"])
        ledger.settle(epoch, **{record.outcome: 1})

    def compare() -> None:
        ready = ledger.take_ready()
        assert sorted(ready) == sorted(model.emit())
        emitted.extend(int(acknowledgement.state) for acknowledgement in ready)
        assert ledger.waiting_states == len(state_streams) - len(emitted)
        assert bool(ledger.waiting_bytes) == bool(ledger.waiting_states)

    for step, number in steps:
        if step == "record":
            record = Record(number)
            model.history.append(record)
            pending.append((ledger.add_record(queues[number]), record))
        elif step == "settle":
            if pending:
                settle(number)
        else:
            stream = number if step == "state" else None
            state = len(state_streams)
            state_streams.append(stream)
            model.history.append(State(state, stream))
            if stream is None:
                ledger.add_global_state(b"%d" % state)
            else:
                ledger.add_stream_state(queues[stream], b"%d" % state)
        compare()
    while pending:
        settle(order.randrange(len(pending)))
        compare()

    assert sorted(emitted) == list(range(len(state_streams)))
    for stream in range(STREAMS):
        speaking = [state for state in emitted if state_streams[state] in (stream, None)]
        assert speaking == sorted(speaking)


def test_a_state_with_nothing_before_it_goes_at_once() -> None:
    """A stream without rows is acknowledged like any other."""
    ledger = Ledger()
    ledger.add_stream_state(StreamQueue("a"), b"one")
    ledger.add_global_state(b"two")
    assert ledger.take_ready() == [(b"one", 0, 0), (b"two", 0, 0)]
    assert ledger.take_ready() == []


def test_counts_are_those_since_the_previous_state() -> None:
    """Delivered and rejected rows are told apart, and none is counted twice."""
    ledger, queue = Ledger(), StreamQueue("a")
    first = [ledger.add_record(queue) for _ in range(5)]
    ledger.add_stream_state(queue, b"one")
    second = [ledger.add_record(queue) for _ in range(2)]
    ledger.add_stream_state(queue, b"two")
    ledger.settle(second[0], delivered=2)
    assert ledger.take_ready() == []
    ledger.settle(first[0], delivered=3, rejected=1)
    assert ledger.take_ready() == []
    ledger.settle(first[0], rejected=1)
    assert ledger.take_ready() == [(b"one", 3, 2), (b"two", 2, 0)]


def test_rows_after_a_state_do_not_hold_it_back() -> None:
    """A state waits for what came before it, and for nothing else."""
    ledger, queue, other = Ledger(), StreamQueue("a"), StreamQueue("b")
    ledger.add_record(other)
    ledger.add_stream_state(queue, b"of a alone")
    ledger.add_record(queue)
    assert ledger.take_ready() == [(b"of a alone", 0, 0)]


def test_a_state_of_one_stream_does_not_overtake_a_state_of_all() -> None:
    """Not even when the stream had nothing to add to the one of all: the older would arrive last, and win."""
    ledger, queue, other = Ledger(), StreamQueue("a"), StreamQueue("b")
    epoch = ledger.add_record(other)
    ledger.add_global_state(b"of all")
    ledger.add_stream_state(queue, b"of a")
    assert ledger.take_ready() == []
    ledger.settle(epoch, delivered=1)
    assert ledger.take_ready() == [(b"of all", 1, 0), (b"of a", 0, 0)]


def test_settling_more_than_was_read_is_a_bug_that_shows() -> None:
    """Counting a row twice would acknowledge another that is still under way."""
    ledger, queue = Ledger(), StreamQueue("a")
    epoch = ledger.add_record(queue)
    ledger.settle(epoch, delivered=1)
    with pytest.raises(RuntimeError, match="more records were settled than were read"):
        ledger.settle(epoch, rejected=1)


def test_what_has_gone_is_forgotten() -> None:
    """However long a sync, the ledger holds what waits and no more."""
    ledger, queues = Ledger(), [StreamQueue("a"), StreamQueue("b")]
    for number in range(1_000):
        for queue in queues:
            ledger.settle(ledger.add_record(queue), delivered=1)
            ledger.add_stream_state(queue, b"%d" % number)
        if number % 3 == 0:
            ledger.add_global_state(b"%d" % number)
        ledger.take_ready()
    assert [len(queue.epochs) for queue in queues] == [1, 1]
    assert (ledger.waiting_states, ledger.waiting_bytes) == (0, 0)
