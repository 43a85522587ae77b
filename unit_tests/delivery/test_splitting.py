"""One batch is split until each of its rows is accepted or rejected."""

from __future__ import annotations

from math import ceil, log2
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.delivery.batch import Batch
from destination_customerio.errors import ConfigError
from destination_customerio.mapping.endpoints import Endpoint, Probe, Several
from destination_customerio.track_api.verdict import Answer
from unit_tests.delivery.fake_server import EPOCH, OK, REFUSED, FakeServer, answers, batch_of, refusing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@given(rows=st.integers(1, 200), data=st.data())
def test_halving_rejects_only_the_bad_rows_in_order_and_cheaply(rows: int, data: st.DataObject) -> None:
    """Every other row is accepted once, in the order of the batch, for about k · log n requests."""
    bad_rows = data.draw(st.sets(st.integers(0, rows - 1), max_size=4))
    server = FakeServer(refusing(sorted(bad_rows)))
    done = server.deliver(rows)
    assert set(done.rejected) == bad_rows
    assert {rejection.message for rejection in done.rejected.values()} <= {"bad row"}
    assert server.accepted == [number for number in range(rows) if number not in bad_rows]
    assert done.requests == len(server.bodies)
    assert done.requests <= 1 + len(bad_rows) * 2 * ceil(log2(rows) + 1)


def test_rejections_of_a_half_have_the_indexes_of_the_batch() -> None:
    """A 207 counts rows from the start of its request, which after halving is not the start of the batch."""

    def respond(rows: list[int]) -> Answer:
        if len(rows) > 2:
            return REFUSED
        return Answer(207, b'{"errors":[{"batch_index":1,"message":"no"}]}')

    done = FakeServer(respond).deliver(4)
    assert sorted(done.rejected) == [1, 3]


def test_a_row_of_several_entries_is_rejected_once_if_one_of_them_is() -> None:
    """Errors count entries; the rows that follow keep their own, and rows that are not named are sent again together."""
    batch = Batch(lane=0, opened_at=0.0)
    for entry in (b'{"n":0}', Several((b'{"n":1}', b'{"n":2}')), b'{"n":3}', b'{"n":4}'):
        batch.add(entry, b"", EPOCH)
    named = b'{"errors":[{"batch_index":2,"message":"no"},{"batch_index":3,"message":"no"}]}'
    server = FakeServer(answers(Answer(400, named)))
    done = server.delivery().deliver(batch)
    assert sorted(done.rejected) == [1, 2]
    assert server.bodies[1] == b'{"batch":[{"n":0},{"n":4}]}'


def test_a_row_larger_than_a_request_is_delivered_or_rejected_as_one() -> None:
    """Its requests, of three entries each, are sent in order; once one is refused, the rest is not sent."""
    entries = tuple(b'{"n":%d}' % number for number in range(10))
    for bad_entries in ([], [4], [0, 9]):
        batch = Batch(lane=0, opened_at=0.0, max_body_bytes=40)
        batch.add(Several(entries), b"", EPOCH)
        server = FakeServer(refusing(bad_entries))
        done = server.delivery().deliver(batch)
        assert list(done.rejected) == ([0] if bad_entries else [])
        assert server.accepted == [*range(bad_entries[0] // 3 * 3 if bad_entries else 10)]
        assert max(map(len, server.bodies)) <= 40


def blocking(bad_rows: Sequence[int]) -> Callable[[list[int]], Answer]:
    """A firewall in front of a server, which forbids every request that contains one of these rows."""
    return lambda rows: Answer(403, b"<html>") if set(rows) & set(bad_rows) else OK


@given(rows=st.integers(1, 200), data=st.data())
def test_a_row_that_a_firewall_blocks_costs_only_itself(rows: int, data: st.DataObject) -> None:
    """Every other row is accepted once, in order; the rejection names the firewall."""
    bad_rows = data.draw(st.sets(st.integers(0, rows - 1), max_size=4))
    server = FakeServer(blocking(sorted(bad_rows)))
    done = server.deliver(rows)
    assert set(done.rejected) == bad_rows
    assert {rejection.reason for rejection in done.rejected.values()} <= {"blocked"}
    assert all("firewall or proxy" in rejection.message for rejection in done.rejected.values())
    assert server.accepted == [number for number in range(rows) if number not in bad_rows]
    # Above halving itself: a request without rows before the first split, and two more requests a culprit.
    assert done.requests <= 2 + len(bad_rows) * (2 * ceil(log2(rows) + 1) + 2)


def test_a_firewall_that_closes_in_the_middle_rejects_no_row() -> None:
    """Rows are blocked one by one only because everything is."""
    server = FakeServer(lambda rows: Answer(403, b"") if len(server.bodies) > 3 or 5 in rows else OK)
    with pytest.raises(ConfigError, match="blocks every request"):
        server.deliver(64)
    assert server.accepted == []


def batch_of_segment(rows: int) -> Batch:
    """A batch for an endpoint whose path has a value of the rows in it, and whose probe is number -1."""
    probe = Probe("/segments/9/remove", lambda: b'{"ids":[{"n":-1}]}')
    endpoint = Endpoint("/segments/9/add", b'{"ids":[', b"]}", probe, column="segment_id")
    batch = Batch(lane=0, opened_at=0.0, endpoint=endpoint)
    for number in range(rows):
        batch.add(b'{"n":%d}' % number, b"", EPOCH)
    return batch


def test_each_part_of_a_batch_goes_to_its_endpoint() -> None:
    """So does the request without rows, as a firewall may close one endpoint and let others through."""
    batch = batch_of_segment(4)
    server = FakeServer(blocking([2]))
    done = server.delivery().deliver(batch)
    assert list(done.rejected) == [2]
    assert [number for number in server.accepted if number >= 0] == [0, 1, 3]
    for path, body in zip(server.paths, server.bodies, strict=True):
        assert (path, body) == (batch.endpoint.probe.path, batch.endpoint.probe.body()) or (
            path == batch.endpoint.path and body.startswith(batch.endpoint.opening + b'{"n":')
        )
    assert batch.endpoint.probe.path in server.paths


@pytest.mark.parametrize("rows", [1, 2, 1_000])
@pytest.mark.parametrize(
    "answer",
    [
        REFUSED,
        Answer(404, b""),
        Answer(404, b"404 page not found"),
        Answer(404, b'{"meta":{"errors":["no such segment"]}}'),
        Answer(410, b""),
        Answer(422, b"{}"),
        Answer(200, b'{"errors":[{"message":"no such segment"}]}'),
    ],
)
def test_a_segment_that_takes_nobody_rejects_its_rows_at_once(rows: int, answer: Answer) -> None:
    """Two requests, however many rows there are; the column is named, and the account is not suspected."""
    server = FakeServer(lambda _: answer)
    delivery = server.delivery()
    for _ in range(8):
        done = delivery.deliver(batch_of_segment(rows))
        assert (sorted(done.rejected), done.requests) == (list(range(rows)), 2)
        assert {rejection.field for rejection in done.rejected.values()} == {"segment_id"}
        assert "whatever the person" in done.rejected[0].message
    assert server.breaker.refused_batches == 0


def test_a_firewall_does_not_hide_why_a_segment_takes_nobody() -> None:
    """It forbids the rows, but not the request without them, which has Customer.io's answer."""
    missing = Answer(404, b'{"meta":{"errors":["segment missing"]}}')
    server = FakeServer(lambda rows: missing if rows == [-1] else Answer(403, b"<html>"))
    done = server.delivery().deliver(batch_of_segment(4))
    assert {rejection.field for rejection in done.rejected.values()} == {"segment_id"}
    assert "firewall" not in done.rejected[0].message


def test_rows_that_spoil_a_request_to_a_segment_are_isolated() -> None:
    """As the segment takes others, only they are rejected."""
    server = FakeServer(refusing([5, 6]))
    done = server.delivery().deliver(batch_of_segment(64))
    assert sorted(done.rejected) == [5, 6]
    assert {rejection.message for rejection in done.rejected.values()} == {"bad row"}
    assert [number for number in server.accepted if number >= 0] == [n for n in range(64) if n not in (5, 6)]


@pytest.mark.parametrize("body", [b"<html>Not Found", b"\n<!DOCTYPE html>"])
def test_the_page_of_a_stranger_is_no_verdict_on_a_segment(body: bytes) -> None:
    """A proxy that does not know the path answers so; no row is rejected for it."""
    server = FakeServer(lambda _: Answer(404, body))
    with pytest.raises(ConfigError, match="no Track API at this address"):
        server.delivery().deliver(batch_of_segment(3))


def test_a_firewall_that_blocks_for_a_moment_costs_no_row() -> None:
    """The request is sent again once a request without rows gets through."""
    server = FakeServer(answers(*[Answer(403, b"")] * 3))
    assert server.deliver(64).rejected == {}


def test_a_firewall_that_blocks_all_rows_trips_the_breaker() -> None:
    """The message names it, not the account."""
    server = FakeServer(lambda rows: Answer(403, b"<html>") if rows else OK)
    delivery = server.delivery()
    delivery.deliver(batch_of(600))
    with pytest.raises(ConfigError, match=r"firewall or proxy .* blocks every request that contains rows"):
        delivery.deliver(batch_of(600))


def test_the_breaker_trips_after_whole_batches_without_an_accepted_row() -> None:
    """It is the account or the configuration: the message says what was seen, and the server's answer."""
    server = FakeServer(lambda _: REFUSED)
    delivery = server.delivery()
    assert len(delivery.deliver(batch_of(600)).rejected) == 600
    with pytest.raises(
        ConfigError, match=r"2 whole batches with 1,200 rows.* 600 rows of the first of these.* bad row"
    ):
        delivery.deliver(batch_of(600))
    assert len(server.bodies) == 2 * (2 * 600 - 1)
    assert delivery.attempts.unreported == 2 * 600 - 1


def test_a_tripped_breaker_quotes_no_value() -> None:
    """The server's answer gets into a trace, where no row value may appear."""
    server = FakeServer(lambda _: Answer(400, b'{"message":"bad address c4nary@example.com"}'))
    batch = Batch(lane=0, opened_at=0.0)
    line = b'{"type":"RECORD","record":{"stream":"s","data":{"person_email":" c4nary@example.com "}}}'
    for number in range(600):
        batch.add(b'{"n":%d}' % number, line, EPOCH)
    delivery = server.delivery()
    delivery.deliver(batch)
    with pytest.raises(ConfigError) as caught:
        delivery.deliver(batch)
    assert "Customer.io's answer: bad address …" in str(caught.value)
    assert "c4nary" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 413])
def test_a_refusal_that_names_rows_is_believed(status: int) -> None:
    """The rows it names are rejected; the others are sent again, together."""

    def respond(rows: list[int]) -> Answer:
        errors = [
            {"batch_index": place, "reason": "invalid", "field": "token", "message": "no"}
            for place, row in enumerate(rows)
            if row % 3 == 0
        ]
        return Answer(status, orjson.dumps({"errors": errors})) if errors else OK

    server = FakeServer(respond)
    done = server.deliver(100)
    assert sorted(done.rejected) == list(range(0, 100, 3))
    assert server.accepted == [row for row in range(100) if row % 3]
    assert len(server.bodies) == 2


def test_a_refusal_of_some_named_and_some_unnamed_rows_isolates_the_rest() -> None:
    """The named ones at once, the others by splitting."""

    def respond(rows: list[int]) -> Answer:
        errors: list[dict[str, object]] = [
            {"batch_index": place, "message": "named"} for place, row in enumerate(rows) if row == 5
        ]
        errors += [{"message": "unnamed"} for row in rows if row == 40]
        return Answer(400, orjson.dumps({"errors": errors})) if errors else OK

    done = FakeServer(respond).deliver(64)
    assert {row: rejection.message for row, rejection in done.rejected.items()} == {5: "named", 40: "unnamed"}


@pytest.mark.parametrize(
    "error",
    [
        {"errors": [{"batch_index": 0, "reason": "invalid"}]},
        {"errors": [{"reason": "invalid", "field": "email", "message": "no"}]},
    ],
    ids=["names the row", "names a field"],
)
def test_no_number_of_rows_refused_by_name_trips_the_breaker(error: dict[str, object]) -> None:
    """The API judges rows, however many of them are bad."""

    def respond(rows: list[int]) -> Answer:
        return Answer(400, orjson.dumps(error)) if len(rows) == 1 else REFUSED

    delivery = FakeServer(respond).delivery()
    for _ in range(4):
        assert len(delivery.deliver(batch_of(700)).rejected) == 700


def test_an_accepted_row_starts_the_count_again() -> None:
    """Batches that are refused whole count only while nothing is accepted anywhere."""
    server = FakeServer(lambda rows: OK if rows == [0, 1] else REFUSED)
    delivery = server.delivery()
    delivery.deliver(batch_of(900))
    delivery.deliver(batch_of(2))
    assert len(delivery.deliver(batch_of(900)).rejected) == 900


def test_an_accepted_row_resets_the_circuit_breaker() -> None:
    """Hundreds of bad rows are rejected one by one while others are accepted in between."""
    bad_rows = [number for number in range(800) if number % 4]
    done = FakeServer(refusing(bad_rows)).deliver(800)
    assert sorted(done.rejected) == bad_rows
