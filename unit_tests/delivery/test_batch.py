"""Batches stay within the limit, lose and reorder no rows, and know their exact size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.batch import Batch, Batcher
from destination_customerio.exact_json.codec import encode
from destination_customerio.ledger import Epoch, Ledger, StreamQueue
from destination_customerio.mapping.endpoints import Several
from destination_customerio.mapping.limits import MAX_BODY_BYTES, MAX_ENTRY_BYTES

EPOCH = Epoch(StreamQueue("rows"))
FRAME = len(b'{"batch":[]}')


@dataclass(frozen=True)
class Row:
    """One row: its lane, its entry, and the line that it came in."""

    lane: int
    entry: bytes
    line: bytes


def entry(number: int, padding: int) -> bytes:
    """An entry with the row's number, padded to any length."""
    return encode({"row": number, "padding": "é" * padding})


drawn_rows = st.tuples(st.integers(0, 2), st.integers(0, 40), st.binary(max_size=20))
# Often many, so that batches fill up; any entry fits an empty body of each of the limits.
rows = (
    st.integers(0, 60)
    .flatmap(lambda count: st.lists(drawn_rows, min_size=count, max_size=count))
    .map(
        lambda drawn: [
            Row(lane, entry(number, padding), line) for number, (lane, padding, line) in enumerate(drawn)
        ]
    )
)
limits = st.integers(FRAME + 110, 400)


def filled(rows: list[Row], limit: int) -> list[Batch]:
    """All batches of these rows, in the order in which they were sealed."""
    batcher = Batcher(lanes=3, max_body_bytes=limit)
    sealed = [batcher.add(row.lane, row.entry, row.line, EPOCH, 0.0) for row in rows]
    return [*chain.from_iterable(sealed), *batcher.seal()]


@given(rows, limits)
def test_bodies_stay_within_the_limit_and_their_size_is_exact(rows: list[Row], limit: int) -> None:
    """The size that a batch reports is the length of what is sent."""
    for batch in filled(rows, limit):
        body = batch.body_of(range(len(batch)))
        assert len(batch) > 0
        assert len(body) == batch.body_bytes <= limit


@given(rows, limits)
def test_no_row_is_lost_or_reordered(rows: list[Row], limit: int) -> None:
    """The bodies of each lane, in order, hold each of its rows once, in the order they were added."""
    batches = filled(rows, limit)
    for lane in range(3):
        bodies = [batch.body_of(range(len(batch))) for batch in batches if batch.lane == lane]
        sent = [item for body in bodies for item in json.loads(body)["batch"]]
        assert sent == [json.loads(row.entry) for row in rows if row.lane == lane]
        lines = [line for batch in batches if batch.lane == lane for line in batch.lines]
        assert lines == [row.line for row in rows if row.lane == lane]


@given(rows, limits, st.data())
def test_any_part_of_a_batch_carries_the_same_bytes(rows: list[Row], limit: int, data: st.DataObject) -> None:
    """A split request sends exactly the same bytes for each row, so the server can drop what it has already accepted."""
    start_of_lane = dict.fromkeys(range(3), 0)
    for batch in filled(rows, limit):
        entries = [row.entry for row in rows if row.lane == batch.lane][start_of_lane[batch.lane] :]
        start_of_lane[batch.lane] += len(batch)
        start = data.draw(st.integers(0, len(batch) - 1))
        stop = data.draw(st.integers(start + 1, len(batch)))
        assert batch.body_of(range(start, stop)) == b'{"batch":[' + b",".join(entries[start:stop]) + b"]}"


@given(rows, limits)
def test_a_batch_is_sealed_only_when_the_next_row_does_not_fit(rows: list[Row], limit: int) -> None:
    """Requests are as full as they can be."""
    batcher = Batcher(lanes=3, max_body_bytes=limit)
    for row in rows:
        for sealed in batcher.add(row.lane, row.entry, row.line, EPOCH, 0.0):
            assert sealed.lane == row.lane
            assert sealed.body_bytes + len(b",") + len(row.entry) > limit


@given(rows, limits)
def test_the_weight_is_that_of_the_open_batches(rows: list[Row], limit: int) -> None:
    """The weight grows with each row by at least the bytes held, and falls with each sealed batch."""
    batcher = Batcher(lanes=3, max_body_bytes=limit)
    added = sealed_weight = 0
    for row in rows:
        before = batcher.weight
        sealed = batcher.add(row.lane, row.entry, row.line, EPOCH, 0.0)
        weight = sum(batch.weight for batch in sealed)
        gained = batcher.weight - before + weight
        assert gained >= len(row.entry) + len(row.line)
        added += gained
        sealed_weight += weight
    assert batcher.weight == added - sealed_weight
    assert sum(batch.weight for batch in batcher.seal()) == added - sealed_weight
    assert batcher.weight == 0


def test_a_body_has_at_most_500000_bytes() -> None:
    """The limit is exact to the byte, with the largest entries allowed."""
    batcher = Batcher(lanes=1)
    count, rest = divmod(MAX_BODY_BYTES - FRAME, MAX_ENTRY_BYTES + 1)
    for _ in range(count):
        assert not batcher.add(0, b"1" * MAX_ENTRY_BYTES, b"", EPOCH, 0.0)
    assert not batcher.add(0, b"1" * rest, b"", EPOCH, 0.0)
    (sealed,) = batcher.add(0, b"1", b"", EPOCH, 0.0)
    assert sealed.body_bytes == len(sealed.body_of(range(len(sealed)))) == 500_000

    batcher = Batcher(lanes=1)
    for _ in range(count):
        batcher.add(0, b"1" * MAX_ENTRY_BYTES, b"", EPOCH, 0.0)
    assert batcher.add(0, b"1" * (rest + 1), b"", EPOCH, 0.0)


def test_a_row_of_several_entries_is_one_row() -> None:
    """Its entries stay together, and each entry leads back to its row."""
    batch = Batch(0, 0.0)
    for entry in (b"1", Several((b"2", b"3", b"4")), b"5"):
        assert batch.add(entry, b"", EPOCH)
    assert len(batch) == 3
    assert batch.requests() == [range(5)]
    assert batch.body_of(range(5)) == b'{"batch":[1,2,3,4,5]}'
    assert batch.body_of([0, 2, 4]) == b'{"batch":[1,3,5]}'
    assert [batch.row_of(entry) for entry in range(5)] == [0, 1, 1, 1, 2]


@given(st.lists(st.integers(1, 30), min_size=2, max_size=40), st.integers(30, 60))
def test_a_row_larger_than_a_request_takes_several(sizes: list[int], room: int) -> None:
    """It has its batch to itself, each request is as full as it can be, and no entry is lost or reordered."""
    entries = tuple(str(number % 10).encode() * size for number, size in enumerate(sizes))
    batcher = Batcher(lanes=1, max_body_bytes=FRAME + room)
    batches = [
        *batcher.add(0, b"0", b"", EPOCH, 0.0),
        *batcher.add(0, Several(entries), b"", EPOCH, 0.0),
        *batcher.add(0, b"0", b"", EPOCH, 0.0),
        *batcher.seal(),
    ]
    assert sum(map(len, batches)) == 3
    bodies = [batch.body_of(part) for batch in batches for part in batch.requests()]
    assert all(len(body) <= FRAME + room for body in bodies)
    assert b",".join(body[len(b'{"batch":[') : -len(b"]}")] for body in bodies) == b",".join(
        (b"0", *entries, b"0")
    )
    for batch in batches:
        parts = batch.requests()
        assert [entry for part in parts for entry in part] == list(range(parts[-1].stop))
        assert len(parts) == 1 or len(batch) == 1
        assert batch.body_bytes == sum(len(batch.body_of(part)) for part in parts)
        for part, following in pairwise(parts):
            assert len(batch.body_of(range(part.start, following.start + 1))) > FRAME + room


def test_batches_are_sealed_by_the_age_of_their_first_row() -> None:
    """A row added later does not make a batch younger, and younger batches stay open."""
    batcher = Batcher(lanes=3)
    assert batcher.oldest_opened_at() is None
    for lane, now in ((0, 1.0), (1, 2.0), (0, 5.0), (2, 5.0)):
        batcher.add(lane, b"{}", b"", EPOCH, now)
    assert batcher.oldest_opened_at() == 1.0
    assert batcher.seal(opened_before=1.0) == []
    assert [(batch.lane, len(batch)) for batch in batcher.seal(opened_before=5.0)] == [(0, 2), (1, 1)]
    assert batcher.oldest_opened_at() == 5.0
    assert [batch.lane for batch in batcher.seal()] == [2]
    assert batcher.seal() == []


def test_each_row_keeps_its_line_and_epoch() -> None:
    """Each row can be settled or rejected by its index."""
    ledger, queues = Ledger(), [StreamQueue("a"), StreamQueue("b")]
    batcher = Batcher(lanes=1)
    epochs = [ledger.add_record(queues[number % 2]) for number in range(4)]
    for number, epoch in enumerate(epochs):
        batcher.add(0, b"{}", str(number).encode(), epoch, 0.0)
    (batch,) = batcher.seal()
    assert batch.epochs == epochs
    assert batch.lines == [b"0", b"1", b"2", b"3"]


def test_an_entry_larger_than_a_request_is_an_error() -> None:
    """If the limit on entries were ever exceeded, the sync would fail instead of dropping the row."""
    batcher = Batcher(lanes=1, max_body_bytes=FRAME + 10)
    with pytest.raises(ValueError, match="larger than a request"):
        batcher.add(0, b"x" * 11, b"line", EPOCH, 0.0)
