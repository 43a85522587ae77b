"""States come back as they went in, in order, when they are true, and at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from integration_tests.connector import (
    Connector,
    catalog_of,
    config_for,
    cursors,
    global_state,
    record,
    run_connector,
    stream,
    stream_state,
)

if TYPE_CHECKING:
    from tools.local_track_api import LocalTrackApi

USERS = {"person_email": "a@b.c"}
CATALOG = catalog_of(
    stream("users", "person_identify"),
    stream("users", "person_identify", namespace="eu"),
    stream("orders", "person_event"),
)


def stats(delivered: int, rejected: int) -> dict[str, float]:
    """What `destinationStats` holds."""
    return {"recordCount": float(delivered), "rejectedRecordCount": float(rejected)}


def test_a_state_comes_back_byte_for_byte_with_the_counts_added(api: LocalTrackApi) -> None:
    """Unknown members, nulls, floats as written, long integers, a lone surrogate, spaces: all as they were."""
    state = (
        '{"type": "STATE", "state": {"id": 12345678901234567890123, "type":"STREAM","stream":{"stream_descriptor":'
        '{"name":"users","namespace":null},"stream_state":{"f":1.10,"e":1e5,"n":null,"s":"\\ud800 ü","k":1,"k":2}},'
        '"sourceStats":{"recordCount":2.0}, "x-new":{"a":[]}}, "later":true}'
    )
    lines = [record("users", USERS), record("users", {}), state.encode()]
    done = run_connector("write", config_for(api.url), CATALOG, lines)
    counts = ',"destinationStats":{"recordCount":1.0,"rejectedRecordCount":1.0}'
    (answer,) = (line for line in done.lines if b'"STATE"' in line)
    # Only commas separate the state's own members in the acknowledgement.
    expected = state.replace('{"id"', '{"id"').replace(
        '}, "x-new":{"a":[]}}', '},"x-new":{"a":[]}' + counts + "}"
    )
    expected = expected.replace('123, "type"', '123,"type"')
    assert answer.decode() == expected + "\n"


OF_ALL_STREAMS = [
    '{"type":"GLOBAL","global":{"shared_state":{},"stream_states":[]}}',
    '{"type":"GLOBAL","global_":{"shared_state":null,"stream_states":[]}}',
    '{"type":"LEGACY","data":{"users":1}}',
    '{"data":{"users":1}}',
    '{"type":null,"data":{"users":1}}',
]


def test_states_of_all_streams_count_the_rows_of_all(api: LocalTrackApi) -> None:
    """In every spelling that is known; the second of two that follow each other has nothing left to count."""
    event = {**USERS, "event_name": "paid"}
    lines = []
    for state in OF_ALL_STREAMS:
        lines += [
            record("users", USERS),
            record("orders", event),
            record("orders", {**event, "timestamp": "?"}),
            record("users", USERS, namespace="eu"),
            *[f'{{"type":"STATE","state":{state}}}'.encode()] * 2,
        ]
    done = run_connector("write", config_for(api.url), CATALOG, lines)
    found = [state.pop("destinationStats") for state in done.states]
    assert found == [stats(3, 1), stats(0, 0)] * len(OF_ALL_STREAMS)
    assert done.states == [json.loads(state) for state in OF_ALL_STREAMS for _ in range(2)]


def test_counts_are_those_since_the_streams_previous_state(api: LocalTrackApi) -> None:
    """Two streams that differ only in namespace are two."""
    lines = [
        stream_state("users", 0),
        record("users", USERS),
        record("users", USERS, namespace="eu"),
        record("users", {}, namespace="eu"),
        stream_state("users", 1),
        stream_state("users", 1, namespace="eu"),
        *[record("users", USERS)] * 3,
        stream_state("users", 2),
        stream_state("users", 3),
    ]
    done = run_connector("write", config_for(api.url), CATALOG, lines)
    found = [
        (
            state["stream"]["stream_descriptor"].get("namespace"),
            state["stream"]["stream_state"]["cursor"],
            state["destinationStats"],
        )
        for state in done.states
    ]
    assert [each for each in found if each[0] is None] == [
        (None, 0, stats(0, 0)),
        (None, 1, stats(1, 0)),
        (None, 2, stats(3, 0)),
        (None, 3, stats(0, 0)),
    ]
    assert [each for each in found if each[0] == "eu"] == [("eu", 1, stats(1, 1))]


def test_a_state_is_out_while_stdin_is_open_and_idle(api: LocalTrackApi) -> None:
    """It does not wait for more rows to fill a request; nor does a state without rows wait at all."""
    with Connector("write", config_for(api.url), CATALOG) as connector:
        connector.send([stream_state("users", 0)])
        assert connector.next_message("STATE")["destinationStats"] == stats(0, 0)
        connector.send([record("users", USERS), stream_state("users", 1)])
        assert connector.next_message("STATE")["destinationStats"] == stats(1, 0)
        assert len(api.world.profiles()) == 1
        connector.send([record("users", {}), stream_state("users", 2)])
        assert connector.next_message("STATE")["destinationStats"] == stats(0, 1)
        assert connector.finish().exit_code == 0


def test_no_state_overtakes_its_rows(api: LocalTrackApi) -> None:
    """While a row is tried again, its state waits, and so does a state of all streams; another stream's goes."""
    api.inject({"status": 503, "contains": "slow@b.c", "retry_after": 2, "times": 1})
    event = {"person_email": "quick@b.c", "event_name": "paid"}
    lines = [
        record("users", {"person_email": "slow@b.c"}),
        stream_state("users", 1),
        record("orders", event),
        stream_state("orders", 1),
        global_state(1),
    ]
    done = run_connector("write", config_for(api.url), CATALOG, lines)
    assert done.exit_code == 0
    kinds = [state.get("stream", {}).get("stream_descriptor", {}).get("name", "all") for state in done.states]
    assert sorted(kinds) == ["all", "orders", "users"]
    assert kinds[-1] == "all"


def test_states_of_a_stream_come_in_order(api: LocalTrackApi) -> None:
    """However many there are, and whatever lanes their rows went through."""
    lines = []
    for number in range(300):
        lines.append(record("users", {"person_email": f"u{number}@b.c"}))
        lines.append(stream_state("users", number))
    done = run_connector("write", config_for(api.url), CATALOG, lines)
    assert cursors(done.states) == list(range(300))
    assert {tuple(state["destinationStats"].values()) for state in done.states} == {(1.0, 0.0)}


def test_the_end_of_input_without_a_status_loses_nothing(api: LocalTrackApi) -> None:
    """COMPLETE may come early, or never; what was written is acknowledged."""
    complete = (
        b'{"type":"TRACE","trace":{"type":"STREAM_STATUS","emitted_at":1.0,"stream_status":'
        b'{"stream_descriptor":{"name":"users"},"status":"COMPLETE"}}}'
    )
    with_status = [complete, record("users", USERS), stream_state("users", 1)]
    for lines in (with_status, with_status[1:]):
        done = run_connector("write", config_for(api.url), CATALOG, lines)
        assert (done.exit_code, cursors(done.states)) == (0, [1])
