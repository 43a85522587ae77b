"""How a sync ends: a state machine over what ended it.

| phase              | accepts lines | processes lines read | sends batches | waits for                      |
|--------------------|---------------|----------------------|---------------|--------------------------------|
| READING            | yes           | yes                  | yes           | -                              |
| DRAINING           | no            | yes                  | yes           | batches, dead letters          |
| FINISHING          | no            | no                   | yes           | batches, dead letters          |
| ABORTING           | no            | no                   | no            | lanes to end, dead letters     |
| ABANDONING         | no            | no                   | no            | lanes to end                   |

DRAINING is the ordinary end of the input. FINISHING follows a signal or an invalid line: no further line is processed, and
the rows that were processed are still delivered. ABORTING follows a permanent delivery failure: nothing more is sent, but
requests in flight may still succeed. ABANDONING follows dead letters that can't be stored: rejected rows will never settle.
A sync never moves back up in this table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto, unique
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from destination_customerio.errors import SyncError


@dataclass(frozen=True, slots=True)
class _Rules:
    accepts_lines: bool
    processes_lines: bool
    sends: bool
    waits_for_dead_letters: bool


@unique
class Phase(Enum):
    """The phases of a sync, in order."""

    READING = _Rules(accepts_lines=True, processes_lines=True, sends=True, waits_for_dead_letters=True)
    DRAINING = _Rules(accepts_lines=False, processes_lines=True, sends=True, waits_for_dead_letters=True)
    FINISHING = _Rules(accepts_lines=False, processes_lines=False, sends=True, waits_for_dead_letters=True)
    ABORTING = _Rules(accepts_lines=False, processes_lines=False, sends=False, waits_for_dead_letters=True)
    ABANDONING = _Rules(accepts_lines=False, processes_lines=False, sends=False, waits_for_dead_letters=False)


class Trigger(Enum):
    """What moves a sync towards its end."""

    END_OF_INPUT = auto()
    INPUT_FAILED = auto()
    BROKEN_LINE = auto()
    SIGNAL = auto()
    TOO_MANY_REJECTED = auto()
    DELIVERY_FAILED = auto()
    DEAD_LETTERS_FAILED = auto()


# Where each trigger leads from READING; from any other phase, it leads there only if that is later.
_TARGETS = {
    Trigger.END_OF_INPUT: Phase.DRAINING,
    Trigger.INPUT_FAILED: Phase.DRAINING,
    Trigger.BROKEN_LINE: Phase.FINISHING,
    Trigger.SIGNAL: Phase.FINISHING,
    Trigger.TOO_MANY_REJECTED: Phase.FINISHING,
    Trigger.DELIVERY_FAILED: Phase.ABORTING,
    Trigger.DEAD_LETTERS_FAILED: Phase.ABANDONING,
}
_ORDER = list(Phase)


def next_phase(phase: Phase, trigger: Trigger) -> Phase:
    """Where a trigger leads from a phase: the later of the two."""
    return max(phase, _TARGETS[trigger], key=_ORDER.index)


class Shutdown:
    """The shutdown state of one sync. Not thread-safe; owned by the coordinator thread.

    phase          the current phase
    error          the first failure, if any; raised when the sync has ended
    signal_number  the first signal, if any
    running_lanes  lanes that have not ended
    deadline       clock time at which the sync ends, whatever is still in flight
    """

    def __init__(self, lanes: int, stop_seconds: float, failure_seconds: float) -> None:
        self.phase = Phase.READING
        self.error: SyncError | None = None
        self.signal_number: int | None = None
        self.running_lanes = lanes
        self.deadline = math.inf
        self._stop_seconds = stop_seconds
        self._failure_seconds = failure_seconds

    @property
    def accepts_lines(self) -> bool:
        """Whether lines that arrive are still accepted."""
        return self.phase.value.accepts_lines

    @property
    def processes_lines(self) -> bool:
        """Whether lines that were accepted are still processed."""
        return self.phase.value.processes_lines

    @property
    def sends(self) -> bool:
        """Whether batches may still be sent."""
        return self.phase.value.sends

    def end_of_input(self) -> None:
        """Stdin has ended."""
        self._go(Trigger.END_OF_INPUT)

    def input_failed(self, error: SyncError) -> None:
        """Reading stdin failed; what was read before is still processed."""
        self._go(Trigger.INPUT_FAILED, error)

    def broken_line(self, error: SyncError) -> None:
        """A line is not a message; nothing after it is processed."""
        self._go(Trigger.BROKEN_LINE, error)

    def too_many_rejected(self, error: SyncError) -> None:
        """More rows were rejected than the configuration allows; nothing further is processed."""
        self._go(Trigger.TOO_MANY_REJECTED, error)

    def signal(self, number: int, now: float) -> None:
        """The process was asked to end. A second signal changes nothing."""
        if self.signal_number is None:
            self.signal_number = number
            self._end_by(now + self._stop_seconds)
        self._go(Trigger.SIGNAL)

    def delivery_failed(self, error: SyncError, now: float) -> None:
        """A lane failed permanently."""
        self._end_by(now + self._failure_seconds)
        self._go(Trigger.DELIVERY_FAILED, error)

    def dead_letters_failed(self, error: SyncError, now: float) -> None:
        """Rejected rows can't be stored any more, so they will never settle."""
        self._end_by(now + self._failure_seconds)
        self._go(Trigger.DEAD_LETTERS_FAILED, error)

    def lane_ended(self) -> None:
        """A lane accepts no more batches and has nothing in flight."""
        self.running_lanes -= 1

    def is_over(self, now: float, batches_in_flight: int, unsettled_dead_letters: int) -> bool:
        """Whether the sync has ended; everything that was read must have been processed by then."""
        if self.phase is Phase.READING:
            return False
        if now >= self.deadline:
            return True
        if batches_in_flight if self.sends else self.running_lanes:
            return False
        return not (self.phase.value.waits_for_dead_letters and unsettled_dead_letters)

    def _go(self, trigger: Trigger, error: SyncError | None = None) -> None:
        self.phase = next_phase(self.phase, trigger)
        self.error = self.error or error

    def _end_by(self, deadline: float) -> None:
        self.deadline = min(self.deadline, deadline)
