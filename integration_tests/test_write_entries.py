"""What rows become, as the server then knows it: identifiers, attributes, ids and times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import Finished, catalog_of, config_for, record, run_connector, stream
from integration_tests.track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PEOPLE = catalog_of(stream("users", "person_identify"))
EVENTS = catalog_of(stream("orders", "person_event"))
BIG = 2**70 + 1
ULID = "01HB4HBDKTPQYZHCMJM49V3PRC"


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API."""
    with LocalTrackApi() as server:
        yield server


def raw_record(name: str, data: str) -> bytes:
    """A RECORD whose data is written as it stands here."""
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


@pytest.mark.parametrize(
    ("kind", "rows", "names"),
    [
        ("email", [" a@b.c ", "A@B.C", "not an email"], ["a@b.c", "not an email"]),
        ("id", ["7", 7, "x" * 150, BIG, 1.5], ["7", "x" * 150, str(BIG), "1.5"]),
        ("cio_id", ["a3000001"], ["a3000001"]),
        ("phone", ["+442079460018 "], ["+442079460018"]),
    ],
)
def test_people_are_known_by_the_configured_identifier(
    api: LocalTrackApi, kind: str, rows: list[Any], names: list[str]
) -> None:
    """Trimmed, numbers by their exact digits; emails are one person whatever their case."""
    lines = [record("users", {f"person_{kind}": row, "n": number}) for number, row in enumerate(rows)]
    write(api, PEOPLE, lines, identifierType=kind)
    assert sorted(person.identifiers[kind] for person in api.world.profiles()) == sorted(names)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("email", [None, "", "  ", True, {}, ["a@b.c"], "\ud800"]),
        ("id", ["x" * 151, "ü" * 76, False]),
        ("phone", ["442079460018", "+44 20", "+1234567890123456", 442079460018]),
    ],
)
def test_identifiers_that_name_nobody_are_rejected(api: LocalTrackApi, kind: str, values: list[Any]) -> None:
    """Before they cost a request, and without a word of the value."""
    lines = [record("users", {f"person_{kind}": value}) for value in values]
    lines.append(record("users", {"other": 1}))
    done = write(api, PEOPLE, lines, identifierType=kind)
    assert api.report()["requests"].get("batch", 0) == 0
    assert f"0 delivered, {len(values) + 1} rejected" in "\n".join(done.logs)


def test_times_of_events_arrive_as_unix_seconds(api: LocalTrackApi) -> None:
    """In every accepted form; null and blank are none, and what can't be read is rejected, never sent."""
    good = [
        (1714564800, 1714564800),
        (1714564800.9, 1714564800),
        (1714564800123, 1714564800),
        ("1714564800123456", 1714564800),
        (1714564800123456789, 1714564800),
        ("2024-05-01T12:00:00.123456789Z", 1714564800),
        ("2024-05-01 14:00:00+0200", 1714564800),
        ("2024-05-01T12:00:00", 1714564800),
        ("2024-05-01", 1714521600),
        ("Wed, 01 May 2024 12:00:00 +0000", 1714564800),
        (None, None),
        (" ", None),
    ]
    bad = [True, {}, "yesterday", "2024-05-01T12:00:00 Europe/Berlin", "31/12/2024", "2024-02-31"]
    event = {"person_email": "a@b.c", "event_name": " paid "}
    lines = [record("orders", {**event, "timestamp": value, "n": n}) for n, (value, _) in enumerate(good)]
    lines += [record("orders", {**event, "timestamp": value}) for value in bad]
    done = write(api, EVENTS, lines)
    assert [(seen.name, seen.timestamp) for seen in api.world.events] == [
        ("paid", seconds) for _, seconds in good
    ]
    assert f"invalid (timestamp): {len(bad)}" in "\n".join(done.logs)


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


@pytest.mark.parametrize(("strategy", "after_two_syncs"), [("retry_safe", 4), ("from_row", 1), ("none", 4)])
def test_events_without_an_id_go_by_the_strategy(
    api: LocalTrackApi, strategy: str, after_two_syncs: int
) -> None:
    """Two equal rows in each of two syncs: fresh ids keep all four, ids made of the row make them one."""
    row = record("orders", {"person_email": "a@b.c", "event_name": "paid", "event_id": " "})
    for _ in range(2):
        write(api, EVENTS, [row, row], event_id_strategy=strategy)
    assert len(api.world.events) == after_two_syncs
    assert all((event.id is None) == (strategy == "none") for event in api.world.events)


def test_dates_are_converted_when_asked_by_the_catalogs_word_alone(api: LocalTrackApi) -> None:
    """Never by guessing from text."""
    properties = {
        "joined": {"type": "string", "format": "date-time"},
        "born": {"type": ["null", "string"], "format": "date"},
        "seen": {"type": "string", "airbyte_type": "timestamp_with_timezone"},
        "code": {"type": "string"},
    }
    catalog = catalog_of(stream("users", "person_identify", properties=properties))
    row = {"joined": "2024-05-01T12:00:00Z", "born": "1990-01-01", "seen": "soon", "code": "2024-05-01"}
    line = record("users", {"person_email": "a@b.c", **row})
    write(api, catalog, [line])
    assert api.world.profiles()[0].attributes == row
    write(api, catalog, [line], convert_timestamps=True)
    assert api.world.profiles()[0].attributes == {
        **row,
        "joined": 1714564800,
        "born": 631152000,
    }


def test_rows_over_a_limit_cost_no_request(api: LocalTrackApi) -> None:
    """Each is rejected with the column named; one byte less is delivered."""
    ada = {"person_email": "a@b.c"}
    people: list[dict[str, Any]] = [
        {**ada, "v": "ü" * 501},
        {**ada, "v": {"x": "y" * 1_000}},
        {**ada, "n" * 151: 1},
        {**ada, **{f"a{number}": 1 for number in range(301)}},
        {**ada, **{f"a{number}": "x" * 900 for number in range(40)}},
    ]
    events = [{**ada, "event_name": "n" * 101}, {**ada, "event_name": "e", "v": "x" * 33_000}]
    catalog = catalog_of(stream("users", "person_identify"), stream("orders", "person_event"))
    lines = [record("users", row) for row in people] + [record("orders", row) for row in events]
    done = write(api, catalog, lines)
    assert api.report()["requests"].get("batch", 0) == 0
    logs = "\n".join(done.logs)
    assert "Stream users: 5 rows read, 0 delivered, 5 rejected" in logs
    assert "Stream orders: 2 rows read, 0 delivered, 2 rejected" in logs
    fitting = [  # one byte more, or one attribute more, would be over
        record("users", {**ada, "v": "ü" * 500, "n" * 150: 1, **{f"a{number}": 1 for number in range(298)}}),
        record("orders", {**ada, "event_name": "n" * 100, "v": "x" * 32_000}),
    ]
    done = write(api, catalog, fitting)
    assert "1 delivered, 0 rejected" in done.logs[-3]
    assert api.report()["accepted"] == 2


def test_requests_are_full_and_never_over_the_limit(api: LocalTrackApi) -> None:
    """Counted to the byte: the server refuses 500,001."""
    text = json.dumps({"person_email": "a@b.c", "x": "y" * 700})[:-1]
    lines = [raw_record("users", f'{text},"n":{number}}}') for number in range(2_500)]
    write(api, PEOPLE, lines, max_concurrent_requests=1)
    sizes = api.report()["body_bytes"]
    assert 499_000 < sizes["max"] <= 500_000
    assert api.report()["requests_by_status"] == {"200": 5}
    assert api.report()["max_concurrent_requests"] == 1


def test_one_connection_a_lane_and_a_name_for_the_connector(api: LocalTrackApi) -> None:
    """Kept alive over requests; the version stands in the User-Agent."""
    lines = [record("users", {"person_email": f"u{n}@b.c", "x": "y" * 900}) for n in range(4_000)]
    write(api, PEOPLE, lines, max_concurrent_requests=2)
    report = api.report()
    assert report["requests"]["batch"] >= 8
    assert report["connections"] <= 1 + 2
    (agent,) = report["user_agents"]
    assert agent.startswith("airbyte-destination-customerio/0.")
