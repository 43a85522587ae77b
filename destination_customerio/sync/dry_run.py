"""A dry run: everything but sending. For trying a mapping before the first real sync."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from destination_customerio.airbyte.stdin import LaneEnded
from destination_customerio.delivery.attempts import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from destination_customerio.delivery.batch import Batch
    from destination_customerio.ledger import Track


class DryLanes:
    """Lanes that lead nowhere: every batch counts as accepted at once.

    batches         how many requests there would have been
    batches_of      how many of them would have carried rows of a stream
    """

    def __init__(self, lanes: int, post: Callable[[object], None]) -> None:
        self.lanes = lanes
        self.batches = 0
        self.batches_of: Counter[Track] = Counter()
        self._post = post

    def send(self, batch: Batch) -> None:
        """Count a batch."""
        self.batches += 1
        self.batches_of.update({epoch.track for epoch in batch.epochs})
        self._post(Delivered(batch, {}, requests=0))

    def fence(self, lane: int, awaited: int) -> None:
        """Nothing is ever under way, so nothing has to wait."""

    def give_up(self) -> None:
        """There is nothing to give up."""
        for _ in range(self.lanes):
            self._post(LaneEnded())


def request_lines(lanes: DryLanes) -> Iterator[str]:
    """How many requests the real sync would make."""
    for track, batches in sorted(lanes.batches_of.items(), key=lambda item: item[0].label):
        yield f"Stream {track.label}: its rows would go in {batches:,} requests."
    yield (
        f"Dry run: the sync would make {lanes.batches:,} requests. Nothing was sent, nothing was stored, and no state "
        "was acknowledged. What Customer.io itself would refuse is not known before it is asked."
    )
