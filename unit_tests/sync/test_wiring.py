"""The parts of a sync fit one another."""

from __future__ import annotations

import pytest

from destination_customerio.delivery.batch import Batch
from destination_customerio.ledger import Epoch, StreamQueue
from destination_customerio.sync.wiring import max_weight_bytes


@pytest.mark.parametrize("row_bytes", [150, 600, 30_000])
@pytest.mark.parametrize("lanes", [1, 8, 16, 32, 64])
def test_the_memory_budget_has_room_for_two_full_batches_a_lane(lanes: int, row_bytes: int) -> None:
    """One is in flight and one fills up; with less room, requests would leave before they are full."""
    epoch = Epoch(StreamQueue("rows"))
    batch = Batch(lane=0, opened_at=0.0)
    # A line has an envelope around the row, and its own text beside the entry.
    while batch.add(bytes(row_bytes), bytes(row_bytes + 150), epoch):
        pass
    assert 2 * lanes * batch.weight < max_weight_bytes(lanes)


def test_the_memory_budget_follows_the_lanes() -> None:
    """The default is enough for the default number of lanes, and 64 lanes have theirs too."""
    assert max_weight_bytes(8) == 48 << 20
    assert max_weight_bytes(64) == 256 << 20
