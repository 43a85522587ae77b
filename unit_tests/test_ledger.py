"""A state is emitted as soon as every record before it is settled, in order and with the right counts."""

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
    """One record in the model: its stream, and its outcome once it is settled."""

    stream: int
    outcome: str | None = None
    counted: bool = False


@dataclass
class State:
    """One state in the model; it belongs to all streams if it names none."""

    number: int
    stream: int | None
    emitted: bool = False


@dataclass
class NaiveLedger:
    """The specification taken literally: all input in order, scanned from the start each time."""

    history: list[Record | State] = field(default_factory=list)

    def waits_for(self, state: State, other: Record | State) -> bool:
        """Whether a state must wait for an earlier record or state."""
        return state.stream is None or other.stream is None or state.stream == other.stream

    def emit(self) -> list[Acknowledgement]:
        """The states that may now be emitted, with their counts."""
        ready = []
        for index, state in enumerate(self.history):
            if isinstance(state, Record) or state.emitted:
                continue
            before = [other for other in self.history[:index] if self.waits_for(state, other)]
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
def test_the_ledger_agrees_with_the_naive_model(steps: list[tuple[str, int]], order: random.Random) -> None:
    """After each step of any interleaving, both have emitted the same states, in order and with the same counts."""
    ledger, model = Ledger(), NaiveLedger()
    queues = [StreamQueue(str(number)) for number in range(STREAMS)]
    pending: list[tuple[Epoch, Record]] = []
    emitted: list[int] = []
    state_streams: list[int | None] = []

    def settle(choice: int) -> None:
        epoch, record = pending.pop(choice % len(pending))
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
        of_stream = [state for state in emitted if state_streams[state] in (stream, None)]
        assert of_stream == sorted(of_stream)


def test_a_state_with_no_records_before_it_is_emitted_immediately() -> None:
    """A stream without records is acknowledged like any other."""
    ledger = Ledger()
    ledger.add_stream_state(StreamQueue("a"), b"one")
    ledger.add_global_state(b"two")
    assert ledger.take_ready() == [(b"one", 0, 0), (b"two", 0, 0)]
    assert ledger.take_ready() == []


def test_counts_are_those_since_the_previous_state() -> None:
    """Delivered and rejected records are counted separately, and none is counted twice."""
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


def test_records_after_a_state_do_not_hold_it_back() -> None:
    """A state waits only for the records before it."""
    ledger, queue, other = Ledger(), StreamQueue("a"), StreamQueue("b")
    ledger.add_record(other)
    ledger.add_stream_state(queue, b"of a alone")
    ledger.add_record(queue)
    assert ledger.take_ready() == [(b"of a alone", 0, 0)]


def test_a_stream_state_does_not_overtake_a_global_state() -> None:
    """If it did, the older global state would be emitted last and win, even for a stream without records."""
    ledger, queue, other = Ledger(), StreamQueue("a"), StreamQueue("b")
    epoch = ledger.add_record(other)
    ledger.add_global_state(b"of all")
    ledger.add_stream_state(queue, b"of a")
    assert ledger.take_ready() == []
    ledger.settle(epoch, delivered=1)
    assert ledger.take_ready() == [(b"of all", 1, 0), (b"of a", 0, 0)]


def test_settling_more_records_than_were_read_raises() -> None:
    """Counting a record twice would acknowledge another one that is still in flight."""
    ledger, queue = Ledger(), StreamQueue("a")
    epoch = ledger.add_record(queue)
    ledger.settle(epoch, delivered=1)
    with pytest.raises(RuntimeError, match="more records were settled than were read"):
        ledger.settle(epoch, rejected=1)


def test_emitted_states_use_no_memory() -> None:
    """However long a sync runs, the ledger holds only what is still waiting."""
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
