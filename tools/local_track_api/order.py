"""Checks that each person's order is kept, as seen by the server, in two ways.

**Sequence.** Test rows may plant an integer attribute `_seq`. Per person it must ascend strictly, in the order applied.
A client that lost an answer sends the same request again, whole or in parts, and that is no fault: the entries of the
latest request that brought a person something new may come again, with the same bytes, until the answer to them has
been delivered. What is older than that, or was answered, must not follow what is newer.

**Overlap.** Two requests that hold entries of one person must never be in flight at the same time: whichever is applied
last would win. A request is in flight from its first line until its answer is sent, unless its client has hung up.

Violations are collected, never raised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SEQUENCE_ATTRIBUTE = "_seq"


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken order: `kind` is `sequence` or `overlap`; requests are numbered as they arrived."""

    kind: str
    person: str
    request: int
    earlier_request: int
    detail: str


@dataclass(slots=True)
class RequestInFlight:
    """A request as the watch sees it: number, arrival in monotonic seconds, whether its client has hung up."""

    number: int
    arrived_at: float
    is_abandoned: Callable[[], bool]
    persons: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Sequence:
    """One person's state: the newest number, what may come again, and up to where answers were delivered."""

    newest: int
    newest_request: int
    settled: int | None = None
    request: int = 0
    last_of_request: int | None = None
    of_request: dict[int, int] = field(default_factory=dict)
    repeatable: dict[int, int] = field(default_factory=dict)


class OrderWatch:
    """Collects the violations. Not thread-safe: the world's lock guards it."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self._sequences: dict[str, _Sequence] = {}
        self._in_flight: dict[str, RequestInFlight] = {}
        self._answered: dict[str, tuple[float, int]] = {}

    def new_sync(self) -> None:
        """Rows may come again from an earlier state: sequences restart. Violations found so far are kept."""
        self._sequences.clear()

    def begin(self, request: RequestInFlight, persons: Iterable[str]) -> None:
        """A request turned out to hold entries of these people."""
        request.persons.update(persons)
        for person in request.persons:
            other = self._in_flight.get(person)
            answered_at, number = self._answered.get(person, (float("-inf"), 0))
            if other is not None and not other.is_abandoned():
                self._overlap(person, request, other.number)
            elif answered_at > request.arrived_at:
                self._overlap(person, request, number)
            self._in_flight[person] = request

    def apply(self, request: RequestInFlight, person: str, sequence: int, digest: int) -> None:
        """One entry with a sequence number was applied; `digest` is a hash of its bytes."""
        state = self._sequences.get(person)
        if state is None:
            state = self._sequences[person] = _Sequence(sequence - 1, request.number)
        if state.request != request.number:
            state.request = request.number
            state.last_of_request = None
            state.of_request = {}
        before = state.last_of_request
        if before is not None and sequence <= before:
            self._out_of_sequence(person, request.number, sequence, before, request.number)
        elif sequence > state.newest:
            state.newest = sequence
            state.newest_request = request.number
            state.repeatable = state.of_request
        elif state.repeatable.get(sequence) != digest or (
            state.settled is not None and sequence < state.settled
        ):
            self._out_of_sequence(person, request.number, sequence, state.newest, state.newest_request)
        state.of_request[sequence] = digest
        state.last_of_request = sequence

    def end(self, request: RequestInFlight, now: float, *, answered: bool, settled: bool) -> None:
        """A request is over, at `now` in monotonic seconds.

        Args:
            request: Which.
            now: When, by the clock that `arrived_at` is of.
            answered: An answer is about to leave to a client that is still there.
            settled: From that answer the client learns what became of its entries, and need not send them again.
        """
        for person in request.persons:
            if self._in_flight.get(person) is request:
                del self._in_flight[person]
            if answered:
                self._answered[person] = (now, request.number)
            state = self._sequences.get(person)
            if (
                settled
                and state is not None
                and state.request == request.number
                and state.last_of_request is not None
            ):
                last = state.last_of_request
                state.settled = last if state.settled is None else max(state.settled, last)

    def _out_of_sequence(self, person: str, request: int, sequence: int, after: int, earlier: int) -> None:
        detail = f"{SEQUENCE_ATTRIBUTE} {sequence} was applied after {after}"
        self.violations.append(Violation("sequence", person, request, earlier, detail))

    def _overlap(self, person: str, request: RequestInFlight, other: int) -> None:
        detail = "two requests with entries of one person were in flight at the same time"
        self.violations.append(Violation("overlap", person, request.number, other, detail))
