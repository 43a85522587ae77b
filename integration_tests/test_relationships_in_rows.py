"""Relationships in rows of people and objects, from rows on stdin to the world that Customer.io then knows."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.command_line import run_command
from integration_tests.connector import (
    Connector,
    Finished,
    catalog_of,
    config_for,
    cursors,
    record,
    run_connector,
    stream,
    stream_state,
    wait_until,
)
from integration_tests.ways import WAYS, Target, configured, write

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

PEOPLE = 300
PADDING = {f"padding_{number}": "x" * 900 for number in range(5)}
TARGETS = [
    Target("people", "person_identify", {"person_email": "mail"}, {"sync_id": 3}),
    Target("companies", "object_identify", more={"sync_id": 3}),
]
CATALOG = configured("data activation", TARGETS)[1]


def to_object(number: int) -> dict[str, Any]:
    """A relationship to a company."""
    return {
        "identifiers": {"object_type_id": "1", "object_id": f"c{number}"},
        "relationship_attributes": {"n": number},
    }


def company(number: int, **more: Any) -> dict[str, Any]:
    """A row of a company."""
    return {"object_type_id": "1", "object_id": f"c{number}", **more}


def lines(column: str = "person_email") -> list[bytes]:
    """People with one company each, as an array or as JSON text."""
    rows = []
    for number in range(PEOPLE):
        related: Any = [to_object(number % 7)]
        row = {column: f"u{number}@example.com", "_seq": number, **PADDING}
        row["cio_relationships"] = json.dumps(related) if number % 2 else related
        rows.append(record("people", row))
    return [*rows, stream_state("people", 1)]


@pytest.mark.parametrize("way", WAYS)
def test_each_person_has_their_relationships_despite_lost_and_refused_requests(
    api: LocalTrackApi, way: str
) -> None:
    """A lost answer, a request refused as a whole, and a state that is acknowledged at the end."""
    api.inject({"request": 1, "reset_after_apply": True}, {"request": 3, "status": 400})
    check_world(api, write(way, api.url, TARGETS, lines(TARGETS[0].column(way, "person_email"))))


def check_world(api: LocalTrackApi, done: Finished) -> None:
    """Everybody is there, with one relationship, and in order."""
    assert (done.exit_code, done.errors, cursors(done.states)) == (0, [], [1])
    assert api.order_violations == []
    assert len(api.world.profiles()) == PEOPLE
    assert all("cio_relationships" not in person.attributes for person in api.world.profiles())
    assert {
        (person, thing): attributes["n"]
        for (person, (_, thing)), attributes in api.world.relationships.items()
    } == {(f"email:u{number}@example.com", f"c{number % 7}"): number % 7 for number in range(PEOPLE)}


def test_a_killed_sync_is_completed_by_the_next(api: LocalTrackApi) -> None:
    """Rows that are sent twice change nothing."""
    api.configure(latency_seconds=0.05)
    with Connector("write", config_for(api.url, max_concurrent_requests=1), CATALOG) as connector:
        connector.send(lines())
        wait_until(lambda: api.report()["accepted"] > 0)
        connector.process.kill()
        assert connector.wait().states == []
    api.new_sync()
    check_world(api, run_connector("write", config_for(api.url), CATALOG, lines()))


def test_rows_stay_in_order_with_everyone_they_name(api: LocalTrackApi) -> None:
    """A deletion behind a relationship would be undone by one that overtakes it."""
    api.inject({"every": 2, "delay_seconds": 0.3})
    rows = [record("companies", company(number, **PADDING)) for number in range(200)]
    rng = random.Random(3)  # noqa: S311 - the same every time
    for number in range(200):
        related = [to_object(other) for other in rng.sample(range(number, 200), min(3, 200 - number))]
        row = {"person_email": f"u{number}@example.com", "cio_relationships": related, **PADDING}
        rows.append(record("people", row))
        rows.append(record("gone", company(number)))
    catalog = catalog_of(*CATALOG["streams"], stream("gone", "object_delete"))
    config = config_for(api.url, allow_destructive_operations=True)
    done = run_connector("write", config, catalog, rows)
    assert (done.exit_code, done.errors) == (0, [])
    assert api.world.objects == {}
    assert api.world.relationships == {}
    assert len(api.world.profiles()) == 200
    assert api.order_violations == []


def test_rejected_rows_are_stored_and_replayed(api: LocalTrackApi, bucket: Bucket) -> None:
    """With the column and the reason, and their relationships after a correction of the configuration."""
    config = config_for(api.url, object_storage_config=bucket.config(), identifierType="id")
    rows = [
        record("people", {"person_email": "a@b.c", "cio_relationships": [to_object(1)]}),
        record("companies", company(1, cio_relationships=[{"identifiers": {"object_id": "x"}}])),
        record("companies", company(2, cio_relationships=[{"identifiers": {"email": "e@b.c"}}])),
    ]
    done = run_connector("write", config, CATALOG, rows)
    assert any("1 rejected [required (person_id): 1]" in line for line in done.logs)
    assert any("1 rejected [invalid (cio_relationships): 1]" in line for line in done.logs)
    assert api.world.objects == {("1", "c2"): {}}
    again = run_command("replay", config | {"identifierType": "email"}, CATALOG)
    assert (again.exit_code, again.stderr) == (0, "")
    assert set(api.world.relationships) == {
        ("email:e@b.c", ("1", "c2")),
        ("email:a@b.c", ("1", "c1")),
    }


def test_a_row_with_thousands_of_relationships_is_one_row(api: LocalTrackApi) -> None:
    """It takes several requests; a lost answer, a failed one and a state treat it as any other row."""
    api.inject({"request": 2, "reset_after_apply": True}, {"request": 4, "status": 503})
    related = [to_object(number) for number in range(20_000)]
    rows = [record("people", {"person_email": f"u{number}@example.com"}) for number in range(3)]
    rows.insert(1, record("people", {"person_email": "big@example.com", "cio_relationships": related}))
    rows.append(stream_state("people", 1))
    done = run_connector("write", config_for(api.url, max_concurrent_requests=1), CATALOG, rows)
    assert (done.exit_code, done.errors) == (0, [])
    assert done.states[0]["destinationStats"] == {"recordCount": 4.0, "rejectedRecordCount": 0.0}
    assert len(api.world.relationships) == 20_000
    # Far more than a request holds.
    assert api.report()["requests"]["batch"] > 4


def test_a_row_of_several_entries_is_rejected_once(api: LocalTrackApi) -> None:
    """Although two of its entries are."""
    errors = [{"batch_index": index, "reason": "invalid", "field": "", "message": "no"} for index in (2, 3)]
    api.inject({"request": 1, "errors207": errors})
    related = [to_object(number) for number in range(3_000)]
    rows = [
        record("people", {"person_email": "a@example.com"}),
        record("people", {"person_email": "big@example.com", "cio_relationships": related}),
        record("people", {"person_email": "z@example.com"}),
        stream_state("people", 1),
    ]
    done = run_connector("write", config_for(api.url, max_concurrent_requests=1), CATALOG, rows)
    assert (done.exit_code, done.errors) == (0, [])
    assert done.states[0]["destinationStats"] == {"recordCount": 2.0, "rejectedRecordCount": 1.0}
    assert {"a@example.com", "z@example.com"} <= {
        person.identifiers["email"] for person in api.world.profiles()
    }


def test_arrays_of_people_and_objects_are_related_in_one_entry(api: LocalTrackApi) -> None:
    """And a dry run counts the rows, not the relationships."""
    catalog = catalog_of(stream("members", "object_relationship"), stream("accounts", "person_relationship"))
    rows = [
        record("members", company(1, person_email=[f"u{number}@example.com" for number in range(5)])),
        record("accounts", company(2, person_email="u1@example.com") | {"object_id": ["c2", "c3"]}),
    ]
    dry = run_connector("write", config_for(api.url), catalog, rows, arguments=["--dry-run"])
    assert any("Stream members: 1 row read, 1 would be sent" in line for line in dry.logs)
    assert api.world.relationships == {}
    done = run_connector("write", config_for(api.url), catalog, rows)
    assert (done.exit_code, done.errors) == (0, [])
    assert {(person, thing) for person, (_, thing) in api.world.relationships} == {
        *((f"email:u{number}@example.com", "c1") for number in range(5)),
        ("email:u1@example.com", "c2"),
        ("email:u1@example.com", "c3"),
    }
    assert api.report()["entries"] == 2
