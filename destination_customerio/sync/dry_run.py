"""A dry run: everything but sending, to try a mapping before the first real sync."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from destination_customerio.delivery.lanes import LaneEnded
from destination_customerio.delivery.splitting import Delivered
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from destination_customerio.delivery.batch import Batch
    from destination_customerio.delivery.partitioner import Barrier
    from destination_customerio.ledger import StreamQueue


class DryLanes:
    """Lanes that send nothing: every batch counts as accepted immediately.

    requests       how many requests there would have been
    rows           how many rows they would have carried
    requests_of    how many of them would have carried rows of a stream
    body_bytes     the size of all their bodies
    fullest_bytes  the size of the largest body
    """

    def __init__(self, lanes: int, post: Callable[[Delivered | LaneEnded], None]) -> None:
        self.lanes = lanes
        self.rows = 0
        self.requests = 0
        self.requests_of: Counter[StreamQueue] = Counter()
        self.body_bytes = 0
        self.fullest_bytes = 0
        self._post = post
        self._running = lanes

    def send(self, batch: Batch) -> None:
        """Count the requests of a batch."""
        self.rows += len(batch)
        sizes = [len(batch.body_of(entries)) for entries in batch.requests()]
        self.requests += len(sizes)
        for queue in {epoch.queue for epoch in batch.epochs}:
            self.requests_of[queue] += len(sizes)
        self.body_bytes += sum(sizes)
        self.fullest_bytes = max(self.fullest_bytes, *sizes)
        self._post(Delivered(batch, {}, requests=0))

    def hold(self, barrier: Barrier) -> None:
        """Nothing is ever in flight, so nothing has to wait."""

    def abort(self) -> None:
        """End all lanes; nothing is in flight."""
        while self._running:
            self._running -= 1
            self._post(LaneEnded())


def emit_nothing(line: bytes, delivered: int, rejected: int) -> None:
    """Withhold a state: what was not sent can't be acknowledged."""


def request_lines(lanes: DryLanes, max_rows_per_second: int) -> Iterator[str]:
    """How many requests the real sync would make, and how long a limit on its rows would make it take."""
    for queue, requests in sorted(lanes.requests_of.items(), key=lambda item: item[0].label):
        yield f"Stream {queue.label}: its rows would be sent in {counted(requests, 'request')}."
    if max_rows_per_second:
        duration = timedelta(seconds=lanes.rows // max_rows_per_second)
        yield f"At {counted(max_rows_per_second, 'row')} per second, the sync would take at least {duration} (h:mm:ss)."
    yield (
        f"Dry run: the sync would make {counted(lanes.requests, 'request')}. Nothing was sent, nothing was stored, and no "
        "state was acknowledged. Rows that Customer.io itself would reject are not known without sending them."
    )
