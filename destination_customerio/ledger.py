"""Decides which states may be emitted: a state is acknowledged when every record before it is settled.

Per stream, time is divided into epochs by the states that arrive. A record belongs to the latest epoch of its stream; a
state closes that epoch and opens the next. A record is settled when Customer.io accepted it, or when it is durably in the
bucket (without a bucket: counted) as rejected. A closed epoch with no outstanding records releases its state, in order.

A STREAM state closes the epoch of its own stream. Any other state (GLOBAL, LEGACY) closes the epochs of all streams
that had records or states since the last such state. It waits at the head of each, and is released when it is at the head of all
and every earlier state of its kind has been released. A stream that had none joins it with an empty epoch when its
next record or state arrives while it still waits: no later state may overtake it. So each operation costs no more than
the streams it touches, and nothing depends on how many rows are in flight.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

# Python's own overhead for a waiting state, in addition to its bytes: its epoch and its queue entries.
_STATE_OVERHEAD_BYTES = 300


class Acknowledgement(NamedTuple):
    """A state that may be emitted, with the records since the previous one (of its stream; GLOBAL and LEGACY: of all)."""

    state: bytes
    delivered: int
    rejected: int


@dataclass(slots=True, eq=False)
class _Checkpoint:
    state: bytes
    of_all: bool
    queues: list[StreamQueue] = field(default_factory=list)
    awaited_queues: int = 0  # those whose head it has not reached yet
    delivered: int = 0
    rejected: int = 0


class Epoch:
    """The records of one stream between two states."""

    __slots__ = ("checkpoint", "delivered", "outstanding", "queue", "reached_head", "rejected")

    def __init__(self, queue: StreamQueue) -> None:
        self.queue = queue
        self.outstanding = 0
        self.delivered = 0
        self.rejected = 0
        self.checkpoint: _Checkpoint | None = None
        self.reached_head = False


class StreamQueue:
    """The epochs of one stream in order; the last one is open. `label` is only for messages."""

    __slots__ = ("current", "epochs", "label")

    def __init__(self, label: str) -> None:
        self.label = label
        self.current = Epoch(self)
        self.epochs = deque([self.current])


class Ledger:
    """Counts records in and out, and decides which states may be emitted.

    Not thread-safe; owned by the coordinator thread.

    waiting_states  states added and not yet taken by `take_ready`
    waiting_bytes   the memory they hold
    """

    def __init__(self) -> None:
        self._touched: dict[StreamQueue, None] = {}
        self._of_all: deque[_Checkpoint] = deque()
        self._ready: list[Acknowledgement] = []
        self.waiting_states = 0
        self.waiting_bytes = 0

    def add_record(self, queue: StreamQueue) -> Epoch:
        """Count one record in; returns its epoch, to be passed back to `settle`."""
        if not queue.current.outstanding:
            self._touch(queue)
        epoch = queue.current
        epoch.outstanding += 1
        return epoch

    def add_stream_state(self, queue: StreamQueue, state: bytes) -> None:
        """Add a state of one stream."""
        self._count_in(state)
        self._touch(queue)
        self._close(queue, _Checkpoint(state, of_all=False))
        self._advance(queue)

    def add_global_state(self, state: bytes) -> None:
        """Add a state of all streams."""
        self._count_in(state)
        checkpoint = _Checkpoint(state, of_all=True)
        self._of_all.append(checkpoint)
        for queue in self._touched:
            self._join(queue, checkpoint)
        self._touched = {}
        self._release()

    def settle(self, epoch: Epoch, *, delivered: int = 0, rejected: int = 0) -> None:
        """Settle records of an epoch: count how many were delivered and how many rejected."""
        epoch.outstanding -= delivered + rejected
        epoch.delivered += delivered
        epoch.rejected += rejected
        if epoch.outstanding <= 0:
            if epoch.outstanding < 0:
                raise RuntimeError("more records were settled than were read")
            self._advance(epoch.queue)

    def settle_rejected(self, epoch: Epoch, rows: int) -> None:
        """Settle rejected records of an epoch."""
        self.settle(epoch, rejected=rows)

    def take_ready(self) -> list[Acknowledgement]:
        """Take the states that may be emitted, in order."""
        ready, self._ready = self._ready, []
        self.waiting_states -= len(ready)
        self.waiting_bytes -= sum(len(state) + _STATE_OVERHEAD_BYTES for state, _, _ in ready)
        return ready

    def _count_in(self, state: bytes) -> None:
        self.waiting_states += 1
        self.waiting_bytes += len(state) + _STATE_OVERHEAD_BYTES

    def _touch(self, queue: StreamQueue) -> None:
        """Make the next global state wait for this stream, and this stream for the last global state that waits."""
        if queue in self._touched:
            return
        self._touched[queue] = None
        last_closed = queue.epochs[-2].checkpoint if len(queue.epochs) > 1 else None
        if self._of_all and self._of_all[-1] is not last_closed:
            self._join(queue, self._of_all[-1])

    def _join(self, queue: StreamQueue, checkpoint: _Checkpoint) -> None:
        """Make a global state wait for what one stream has read so far."""
        checkpoint.queues.append(queue)
        checkpoint.awaited_queues += 1
        self._close(queue, checkpoint)
        self._pop_settled(queue)

    def _close(self, queue: StreamQueue, checkpoint: _Checkpoint) -> None:
        queue.current.checkpoint = checkpoint
        queue.current = Epoch(queue)
        queue.epochs.append(queue.current)

    def _advance(self, queue: StreamQueue) -> None:
        if self._pop_settled(queue):
            self._release()

    def _pop_settled(self, queue: StreamQueue) -> bool:
        """Release the settled states of one stream; returns whether a global state may now be released."""
        epochs = queue.epochs
        while (checkpoint := epochs[0].checkpoint) is not None and not epochs[0].outstanding:
            epoch = epochs[0]
            if not checkpoint.of_all:
                epochs.popleft()
                self._ready.append(Acknowledgement(checkpoint.state, epoch.delivered, epoch.rejected))
                continue
            if epoch.reached_head:
                return False
            epoch.reached_head = True
            checkpoint.delivered += epoch.delivered
            checkpoint.rejected += epoch.rejected
            checkpoint.awaited_queues -= 1
            return not checkpoint.awaited_queues
        return False

    def _release(self) -> None:
        """Release the global states that nothing holds back, and the states that wait behind them."""
        while self._of_all and not self._of_all[0].awaited_queues:
            checkpoint = self._of_all.popleft()
            self._ready.append(Acknowledgement(checkpoint.state, checkpoint.delivered, checkpoint.rejected))
            for queue in checkpoint.queues:
                queue.epochs.popleft()
                self._pop_settled(queue)
