"""States are emitted with the bytes that they were received with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.messages import (
    acknowledgement,
    outer_members,
    source_rows,
    stream_of_state,
    unusual_row,
    value_of,
)
from destination_customerio.exact_json.codec import Raw
from destination_customerio.exact_json.spans import members
from unit_tests.exact_json import json_values


def state_line(state: Any) -> bytes:
    """A STATE message."""
    return json.dumps({"type": "STATE", "state": state}).encode()


@pytest.mark.parametrize(
    ("stats", "rows"),
    [
        (b'{"recordCount":12.0}', 12),
        (b'{"other":[1],"recordCount":3}', 3),
        (b'{"recordCount":"3"}', None),
        (b'{"recordCount":true}', None),
        (b'{"recordCount":-1}', None),
        (b'{"recordCount":1e400}', None),
        (b"{}", None),
        (b"[12]", None),
        (b"null", None),
    ],
)
def test_the_sources_own_count_is_read_where_a_state_has_one(stats: bytes, rows: int | None) -> None:
    """Anything else there is no count."""
    assert source_rows(b'{"type":"GLOBAL","sourceStats":%b,"global":{}}' % stats) == rows
    assert source_rows(b'{"type":"GLOBAL"}') is None


@given(state=json_values.objects, delivered=st.integers(0, 10**12), rejected=st.integers(0, 10**12))
def test_an_acknowledged_state_differs_only_by_its_counts(
    state: dict[str, Any], delivered: int, rejected: int
) -> None:
    """A parser finds the original message plus the counts."""
    state.pop("destinationStats", None)
    original = state_line(state)
    answer = acknowledgement(original, delivered, rejected)
    found = json.loads(answer)
    counts = found["state"].pop("destinationStats")
    assert found == json.loads(original)
    assert counts == {"recordCount": float(delivered), "rejectedRecordCount": float(rejected)}
    assert b"\n" not in answer


@pytest.mark.parametrize(
    "member",
    [
        b'"f":1.10',
        b'"e":1e400',
        b'"n":12345678901234567890123',
        b'"k":1,"k":2',
        b'"s":"\\ud800"',
        b'"null":null',
        b'"text":"}]{[\\"\\\\"',
        b'"deep":' + b"[" * 10_000 + b"]" * 10_000,
    ],
    ids=lambda member: member[:12].decode(),
)
def test_bytes_that_parsers_would_change_are_preserved(member: bytes) -> None:
    """Floats, long integers, duplicate names, lone surrogates and deep nesting are emitted byte for byte."""
    before, after = b'{"type":"STATE","state":{"type":"LEGACY",' + member, b'},"x":1}'
    counts = b',"destinationStats":{"recordCount":2.0,"rejectedRecordCount":1.0}'
    assert acknowledgement(before + after, 2, 1) == before + counts + after


def test_counts_in_a_received_state_are_replaced() -> None:
    """Counts that the source sends say nothing about this sync."""
    line = state_line({"destinationStats": {"recordCount": 9}, "data": {}})
    assert json.loads(acknowledgement(line, 1, 0))["state"] == {
        "data": {},
        "destinationStats": {"recordCount": 1.0, "rejectedRecordCount": 0.0},
    }
    assert json.loads(acknowledgement(state_line({}), 0, 0))["state"].keys() == {"destinationStats"}


def test_the_last_of_duplicate_state_members_gets_the_counts() -> None:
    """Duplicate names are resolved as the parser resolves them."""
    line = b'{"type":"STATE","state":{"type":"GLOBAL"},"st\\u0061te":{"type":"LEGACY"}}'
    answer = acknowledgement(line, 1, 0)
    assert answer.startswith(line[:-2])
    assert json.loads(answer)["state"].keys() == {"type", "destinationStats"}


def test_a_trailing_carriage_return_is_dropped() -> None:
    """The emitted message ends with its object."""
    assert acknowledgement(state_line({}) + b"\r", 0, 0).endswith(b"}}}")


@pytest.mark.parametrize(
    ("state", "stream"),
    [
        ({"type": "STREAM", "stream": {"stream_descriptor": {"name": "a"}}}, ("", "a")),
        ({"type": "STREAM", "stream": {"stream_descriptor": {"name": "a", "namespace": None}}}, ("", "a")),
        ({"type": "STREAM", "stream": {"stream_descriptor": {"name": "a", "namespace": "n"}}}, ("n", "a")),
        ({"type": "GLOBAL", "global": {}}, None),
        ({"type": "GLOBAL", "global_": {}}, None),
        ({"type": "LEGACY", "data": {}}, None),
        ({"type": None, "data": {}}, None),
        ({"data": {}}, None),
    ],
)
def test_a_state_names_its_stream(state: Any, stream: tuple[str, str] | None) -> None:
    """None means that the state belongs to all streams."""
    assert stream_of_state(json.dumps(state).encode()) == stream


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        {"type": "OTHER"},
        {"type": "STREAM"},
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": 1}}},
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": "a", "namespace": 1}}},
    ],
)
def test_an_invalid_state_is_an_error(state: Any) -> None:
    """Guessing the stream could acknowledge rows that are not delivered."""
    with pytest.raises(ValueError, match="state"):
        stream_of_state(json.dumps(state).encode())


def test_the_outer_levels_of_a_deep_message_are_read() -> None:
    """The stream of a row or state is known however deeply its content is nested."""
    deep = b"[" * 10_000 + b"]" * 10_000
    row = b'{"type":"RECORD","record":{"stream":"a","namespace":"n","data":{"x":' + deep + b"}}}"
    message = outer_members(row)
    record = outer_members(row, message["record"].start)
    assert (value_of(row, message["type"]), value_of(row, record["stream"])) == ("RECORD", "a")
    assert value_of(row, record["data"]) is None
    state = b'{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},"stream_state":' + deep + b"}}"
    assert stream_of_state(state) == ("", "a")
    assert [member.name for member in members(row)] == ["type", "record"]
    assert outer_members(b"[]") == {}
    with pytest.raises(ValueError, match="incomplete"):
        outer_members(row[:-1])


def test_a_row_in_need_of_repair_keeps_all_other_bytes() -> None:
    """Text with a lone surrogate stays text, so that it is found in an identifier."""
    row = unusual_row(rb'{"a": 1.50, "b":[NaN, "\ud800", 1e400],"\ud800":"\ud83d", "c":"NaN"}', 0)
    assert {name: bytes(value) if type(value) is Raw else value for name, value in row.items()} == {
        "a": b"1.50",
        "b": rb'[null, "\ufffd", 1e400]',
        "\ud800": "\ud83d",
        "c": b'"NaN"',
    }
