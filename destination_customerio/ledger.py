"""Which states may go out: a state is acknowledged when every record before it is settled.

Per stream, time is cut into epochs by the states that arrive. A record belongs to the last epoch of its stream; a state
closes that epoch and opens the next. A record is settled when Customer.io accepted it, or when it lies in the bucket
(without a bucket: is counted) as rejected. A closed epoch in which nothing is outstanding lets its state go, in order.

A STREAM state closes the epoch of its own stream. Any other state (GLOBAL, LEGACY) closes the epochs of all streams
that had records or states since the last such state, stays at the head of each, and goes when it heads all of them and
every earlier state of its kind has gone. A stream that had none joins it with an empty epoch when its next record or
state comes, should it still wait then: no later state may overtake it. So each operation costs no more than the streams
it touches, and nothing depends on how many rows are in flight.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Acknowledgement(NamedTuple):
    """A state that became true, with the records since the previous one (of its stream; GLOBAL and LEGACY: of all)."""

    state: Any
    delivered: int
    rejected: int


@dataclass(slots=True, eq=False)
class _Checkpoint:
    state: Any
    of_all: bool
    tracks: list[Track] = field(default_factory=list)
    awaited_tracks: int = 0  # those whose head it has not reached yet
    delivered: int = 0
    rejected: int = 0


class Epoch:
    """The records of one stream between two states."""

    __slots__ = ("checkpoint", "delivered", "outstanding", "reached_head", "rejected", "track")

    def __init__(self, track: Track) -> None:
        self.track = track
        self.outstanding = 0
        self.delivered = 0
        self.rejected = 0
        self.checkpoint: _Checkpoint | None = None
        self.reached_head = False


class Track:
    """One stream's epochs, the last of which is open. `label` is only for people."""

    __slots__ = ("current", "epochs", "label")

    def __init__(self, label: str) -> None:
        self.label = label
        self.current = Epoch(self)
        self.epochs = deque([self.current])


class Ledger:
    """Counts records in and out, and says which states may be emitted. Made for one thread."""

    def __init__(self) -> None:
        self._touched: dict[Track, None] = {}
        self._of_all: deque[_Checkpoint] = deque()
        self._ready: list[Acknowledgement] = []
        self.waiting_states = 0

    def add_record(self, track: Track) -> Epoch:
        """Count one record in; the epoch returned is its ticket, to be given back to `settle`."""
        if not track.current.outstanding:
            self._touch(track)
        epoch = track.current
        epoch.outstanding += 1
        return epoch

    def add_stream_state(self, track: Track, state: Any) -> None:
        """A state that speaks of one stream."""
        self.waiting_states += 1
        self._touch(track)
        self._close(track, _Checkpoint(state, of_all=False))
        self._advance(track)

    def add_global_state(self, state: Any) -> None:
        """A state that speaks of all streams."""
        self.waiting_states += 1
        checkpoint = _Checkpoint(state, of_all=True)
        self._of_all.append(checkpoint)
        for track in self._touched:
            self._join(track, checkpoint)
        self._touched = {}
        self._release()

    def settle(self, epoch: Epoch, *, delivered: int = 0, rejected: int = 0) -> None:
        """Count records of an epoch out, for good."""
        epoch.outstanding -= delivered + rejected
        epoch.delivered += delivered
        epoch.rejected += rejected
        if epoch.outstanding <= 0:
            if epoch.outstanding < 0:
                raise RuntimeError("more records were settled than were read")
            self._advance(epoch.track)

    def settle_rejected(self, epoch: Epoch, rows: int) -> None:
        """Count rejected records of an epoch out, for good."""
        self.settle(epoch, rejected=rows)

    def take_ready(self) -> list[Acknowledgement]:
        """The states that became true since the last call, in the order to emit them."""
        ready, self._ready = self._ready, []
        self.waiting_states -= len(ready)
        return ready

    def _touch(self, track: Track) -> None:
        """Note that the next state of all streams must wait for this one, and this one for the last that waits."""
        if track in self._touched:
            return
        self._touched[track] = None
        last_closed = track.epochs[-2].checkpoint if len(track.epochs) > 1 else None
        if self._of_all and self._of_all[-1] is not last_closed:
            self._join(track, self._of_all[-1])

    def _join(self, track: Track, checkpoint: _Checkpoint) -> None:
        """Let a state of all streams wait for what one of them has read so far."""
        checkpoint.tracks.append(track)
        checkpoint.awaited_tracks += 1
        self._close(track, checkpoint)
        self._pop_settled(track)

    def _close(self, track: Track, checkpoint: _Checkpoint) -> None:
        track.current.checkpoint = checkpoint
        track.current = Epoch(track)
        track.epochs.append(track.current)

    def _advance(self, track: Track) -> None:
        if self._pop_settled(track):
            self._release()

    def _pop_settled(self, track: Track) -> bool:
        """Let the states of one stream go; whether one of all streams may have become free."""
        epochs = track.epochs
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
            checkpoint.awaited_tracks -= 1
            return not checkpoint.awaited_tracks
        return False

    def _release(self) -> None:
        """Let the states of all streams go that are free, and what waits behind them."""
        while self._of_all and not self._of_all[0].awaited_tracks:
            checkpoint = self._of_all.popleft()
            self._ready.append(Acknowledgement(checkpoint.state, checkpoint.delivered, checkpoint.rejected))
            for track in checkpoint.tracks:
                track.epochs.popleft()
                self._pop_settled(track)
