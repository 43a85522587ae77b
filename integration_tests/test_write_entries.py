"""What rows become, as the server then knows it: identifiers, attributes, ids and times."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from integration_tests.connector import (
    Finished,
    catalog_of,
    config_for,
    record,
    run_at_once,
    run_connector,
    stream,
)
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Sequence

PEOPLE = catalog_of(stream("users", "person_identify"))
EVENTS = catalog_of(stream("orders", "person_event"))
BIG = 2**70 + 1
ULID = "01HB4HBDKTPQYZHCMJM49V3PRC"


def raw_record(name: str, data: str) -> bytes:
    """A RECORD with this exact JSON text as its data."""
    return f'{{"type":"RECORD","record":{{"stream":"{name}","emitted_at":1,"data":{data}}}}}'.encode()


def write(api: LocalTrackApi, catalog: dict[str, Any], lines: Sequence[bytes], **config: Any) -> Finished:
    """One sync that succeeds."""
    done = run_connector("write", config_for(api.url, **config), catalog, lines)
    assert (done.exit_code, done.errors) == (0, [])
    assert api.order_violations == []
    return done


def test_all_other_columns_become_attributes_in_their_order(api: LocalTrackApi) -> None:
    """Whatever they are called; nested values, nulls and long integers as they are; NaN and Infinity as null."""
    data = (
        '{"type":"t","action":"delete","name":null,"identifiers":{"email":"x"},"person_email":" Ada@Example.com ",'
        '"nested":{"b":[1,{"a":null}],"a":"ü"},"n":' + str(BIG) + ',"nan":NaN,"deep":[-Infinity],'
        '"created_at":"2024-05-01T12:00:00Z","date":"2024-05-01","_update":false}'
    )
    write(api, PEOPLE, [raw_record("users", data)])
    (person,) = api.world.profiles()
    assert person.identifiers == {"email": "Ada@Example.com"}
    expected = {
        "type": "t",
        "action": "delete",
        "name": None,
        "identifiers": {"email": "x"},
        "nested": {"b": [1, {"a": None}], "a": "ü"},
        "n": BIG,
        "nan": None,
        "deep": [None],
        "created_at": 1714564800,
        "date": "2024-05-01",
    }
    found = {name: value for name, value in person.attributes.items() if name != "_update"}
    assert found == expected
    assert list(found) == list(expected)
    assert list(found["nested"]) == ["b", "a"]


def test_ids_of_events_become_ulids_that_stay_the_same(api: LocalTrackApi) -> None:
    """A ULID stays, a UUID keeps its bits, others are hashed with the event's name; a second sync adds nothing."""
    uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    ids = [ULID, uuid, uuid.upper(), 17, "17", BIG, {"a": 1}, "order-9"]
    event = {"person_email": "a@b.c", "event_name": "paid"}
    lines = [record("orders", {**event, "event_id": value}) for value in ids]
    lines.append(record("orders", {**event, "event_name": "sent", "event_id": 17}))
    write(api, EVENTS, lines)
    seen = [event.id for event in api.world.events]
    assert seen[:2] == [ULID, "3BMYW117DD278R1D00R17X8C68"]
    # The upper-case UUID and the text "17" are the same ids again.
    assert len(seen) == len(set(seen)) == 7
    write(api, EVENTS, lines)
    assert [event.id for event in api.world.events] == seen


def test_events_without_an_id_go_by_the_strategy() -> None:
    """Two equal rows in each of two syncs: fresh ids keep all four, ids made of the row make them one."""
    row = record("orders", {"person_email": "a@b.c", "event_name": "paid", "event_id": " "})

    def write_twice(api: LocalTrackApi, strategy: str) -> Finished:
        write(api, EVENTS, [row, row], event_id_strategy=strategy)
        return write(api, EVENTS, [row, row], event_id_strategy=strategy)

    after_two_syncs = {"retry_safe": 4, "from_row": 1, "none": 4}
    with ExitStack() as stack:
        servers = {strategy: stack.enter_context(LocalTrackApi()) for strategy in after_two_syncs}
        run_at_once({strategy: partial(write_twice, servers[strategy], strategy) for strategy in servers})
    for strategy, expected in after_two_syncs.items():
        events = servers[strategy].world.events
        assert len(events) == expected, strategy
        assert all((event.id is None) == (strategy == "none") for event in events)


def test_numbers_arrive_with_the_digits_they_were_written_with(api: LocalTrackApi) -> None:
    """Beyond 2^53 and beyond 64 bits, in ids and in attributes; ids that differ in the last digit are two people."""
    ids = [2**53, 2**53 + 1, 2**64, 2**64 + 1, -(2**63), 10**40]
    lines = [record("users", {"person_id": number, "n": number, "deep": [{"n": number}]}) for number in ids]
    lines.append(raw_record("users", '{"person_id":1.10,"n":0.1,"e":1e3}'))
    write(api, PEOPLE, lines, identifierType="id")
    people = {person.identifiers["id"]: person.attributes for person in api.world.profiles()}
    assert people.pop("1.10") == {"n": 0.1, "e": 1000.0}
    assert people == {str(number): {"n": number, "deep": [{"n": number}]} for number in ids}


def test_one_connection_a_lane_and_a_name_for_the_connector(api: LocalTrackApi) -> None:
    """The connection is kept alive; the User-Agent contains the version."""
    lines = [record("users", {"person_email": f"u{n}@b.c", "x": "y" * 900}) for n in range(4_000)]
    write(api, PEOPLE, lines, max_concurrent_requests=2)
    report = api.report()
    assert report["requests"]["batch"] >= 8
    assert report["connections"] <= 1 + 2
    (agent,) = report["user_agents"]
    assert agent.startswith("airbyte-destination-customerio/0.")
