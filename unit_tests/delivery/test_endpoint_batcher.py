"""Batches for several endpoints: rows of one person stay in order, and requests are as full as they can be."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.batch import Batch, Batcher
from destination_customerio.delivery.endpoint_batcher import EndpointBatcher
from destination_customerio.ledger import Epoch, StreamQueue
from destination_customerio.mapping.endpoints import BATCH, SegmentMember, segment_endpoint

EPOCH = Epoch(StreamQueue("rows"))


class Row(NamedTuple):
    """A row: a person, and a segment, or 0 for the batch endpoint."""

    person: str
    segment: int


rows_of_people = st.lists(st.builds(Row, st.sampled_from("abcd"), st.integers(0, 3)), max_size=60)


def add(batcher: EndpointBatcher, number: int, row: Row, order: str | tuple[str, ...] = "") -> list[Batch]:
    """Add one row; its line is its number."""
    entry = b'"x"'
    content = (
        SegmentMember(segment_endpoint(str(row.segment), "add_customers", "id"), entry)
        if row.segment
        else entry
    )
    return batcher.add(0, content, str(number).encode(), EPOCH, float(number), order or row.person)


@given(rows=rows_of_people, max_rows=st.integers(1, 5), cutoff=st.integers(0, 60))
def test_rows_of_one_person_are_sent_in_order(rows: list[Row], max_rows: int, cutoff: int) -> None:
    """Each batch has one endpoint, and no row is lost, however batches are sealed."""
    batcher = EndpointBatcher(1, max_rows=max_rows)
    batches = []
    for number, row in enumerate(rows):
        batches += add(batcher, number, row)
        if number == cutoff:
            batches += batcher.seal(cutoff / 2)
    batches += batcher.seal_lane(0)
    sent = [int(line) for batch in batches for line in batch.lines]
    assert sorted(sent) == list(range(len(rows)))
    for person in "abcd":
        numbers = [number for number in sent if rows[number].person == person]
        assert numbers == sorted(numbers)
    for batch in batches:
        assert len(batch) <= max_rows
        (segment,) = {rows[int(line)].segment for line in batch.lines}
        assert (batch.endpoint is BATCH) == (segment == 0)
    assert batcher.weight == 0
    assert batcher.oldest_opened_at() is None


def test_people_interleaved_with_their_segments_fill_requests() -> None:
    """A person, two memberships and an event of each of a thousand people take four requests, not four thousand."""
    batcher = EndpointBatcher(1)
    batches = []
    for number in range(1_000):
        for segment in (0, 1, 2, 0):
            batches += add(batcher, number, Row(f"p{number}", segment))
    batches += batcher.seal()
    assert [len(batch) for batch in batches] == [1_000, 1_000, 1_000, 1_000]


def test_a_request_to_a_segment_has_at_most_a_thousand_ids() -> None:
    """The limit of the endpoint; the body is a list of ids."""
    batcher = EndpointBatcher(1)
    batches = [batch for number in range(2_500) for batch in add(batcher, number, Row(f"p{number}", 1))]
    batches += batcher.seal()
    assert [len(batch) for batch in batches] == [1_000, 1_000, 500]
    assert batches[2].body_of(range(2)) == b'{"ids":["x","x"]}'
    assert batches[2].body_of([0, 2]) == b'{"ids":["x","x"]}'
    assert len(batches[2].body_of(range(500))) == batches[2].body_bytes


def test_few_batches_are_open_however_many_segments_there_are() -> None:
    """The oldest leave first."""
    batcher = EndpointBatcher(1, max_open=16)
    batches = [batch for number in range(40) for batch in add(batcher, number, Row("a", number + 1))]
    assert [int(batch.lines[0]) for batch in batches] == list(range(24))
    assert batcher.seal(opened_before=-math.inf) == []
    assert len(batcher.seal(opened_before=30.0)) == 6


def test_members_of_hundreds_of_segments_fill_requests() -> None:
    """However they come interleaved, also with people."""
    batcher = EndpointBatcher(1)
    batches = []
    for number in range(9_000):
        batches += add(batcher, number, Row(f"p{number}", 0))
        batches += add(batcher, number, Row(f"p{number}", number * 7 % 300 + 1))
    batches += batcher.seal()
    assert len(batches) == 301


@given(
    rows=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(0, 3))),
    data=st.data(),
)
def test_rows_settle_in_the_order_in_which_they_were_read(
    rows: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    """A batch settles no row that is in a later one, and all batches settle all rows; pins rely on it."""
    batcher = EndpointBatcher(1, max_rows=4, max_open=3)
    batches = []
    for number, (one, other, segment) in enumerate(rows):
        batches += add(batcher, number, Row(one, segment), (one, other))
        if data.draw(st.integers(0, 9)) == 0:
            batches += batcher.seal()
    batches += batcher.seal()
    settled = 0
    delivered: set[int] = set()
    for batch in batches:
        assert batch.settled_rows is not None
        delivered |= {int(line) for line in batch.lines}
        settled += batch.settled_rows
        assert delivered >= set(range(settled))
    assert settled == len(rows)


def test_an_ordinary_batcher_refuses_members() -> None:
    """It would send them in a batch of entries."""
    with pytest.raises(TypeError):
        Batcher(1).add(
            0, SegmentMember(segment_endpoint("1", "add_customers", "id"), b'"x"'), b"", EPOCH, 0.0
        )
