"""Manual segments, from rows on stdin to the members that Customer.io then knows."""

from __future__ import annotations

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
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.buckets import Bucket

PEOPLE = 1_500
TARGETS = [
    Target("users", "person_identify", more={"sync_id": 5}),
    Target("added", "segment_add", {"segment_id": "list"}, {"sync_id": 5}),
    Target("removed", "segment_remove", more={"sync_id": 5}),
]
CATALOG = configured("data activation", TARGETS)[1]


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API with two manual segments."""
    with LocalTrackApi() as server:
        server.create_segment(1)
        server.create_segment(2)
        yield server


def lines(column: str = "segment_id") -> list[bytes]:
    """Each person comes with memberships of both segments; every third leaves the second again."""
    rows = []
    for number in range(PEOPLE):
        who = {"person_email": f"u{number}@example.com"}
        rows.append(record("users", {**who, "_seq": number}))
        rows += [record("added", {**who, column: segment}) for segment in (1, "2")]
        if number % 3 == 0:
            rows.append(record("removed", {**who, "segment_id": 2.0}))
    return [*rows, *(stream_state(name, 1) for name in ("users", "added", "removed"))]


def check_members(api: LocalTrackApi, done: Finished) -> None:
    """Everybody is where the last row about them says."""
    assert (done.exit_code, done.errors, cursors(done.states)) == (0, [], [1, 1, 1])
    everyone = {f"email:u{number}@example.com" for number in range(PEOPLE)}
    assert api.world.segments == {
        "1": everyone,
        "2": {f"email:u{number}@example.com" for number in range(PEOPLE) if number % 3},
    }
    assert api.order_violations == []
    assert max(api.report()["segment_ids"]) <= 1_000


@pytest.mark.parametrize("way", WAYS)
def test_people_identified_in_a_sync_are_members_after_it(api: LocalTrackApi, way: str) -> None:
    """Although people and memberships come interleaved, answers are lost, and a request is refused as a whole."""
    api.inject(
        {"path": "segments", "request": 2, "reset_after_apply": True},
        {"path": "segments", "request": 4, "status": 400},
        {"path": "segments", "request": 6, "status": 503},
        {"request": 1, "delay_seconds": 0.3},
        {"request": 2, "reset_after_apply": True},
    )
    check_members(api, write(way, api.url, TARGETS, lines(TARGETS[1].column(way, "segment_id"))))
    # Three endpoints and eight lanes, and what the faults cost.
    assert api.report()["requests"]["segments"] < 60


def test_a_killed_sync_is_completed_by_the_next(api: LocalTrackApi) -> None:
    """Members that are added twice are members."""
    api.configure(latency_seconds=0.1)
    with Connector("write", config_for(api.url, max_rows_per_second=500), CATALOG) as connector:
        connector.send(lines())
        wait_until(lambda: sum(api.report()["segment_ids"]) > 0)
        connector.process.kill()
        assert connector.wait().states == []
    api.new_sync()
    api.configure(latency_seconds=0.0)
    check_members(api, run_connector("write", config_for(api.url), CATALOG, lines()))


def test_a_dry_run_counts_the_requests_to_segments(api: LocalTrackApi) -> None:
    """As many as the real sync makes, and none is made."""
    config = config_for(api.url, max_concurrent_requests=1)
    rows = [line for line in lines() if b'"added"' in line]
    dry = run_connector("write", config, CATALOG, rows, arguments=["--dry-run"])
    assert api.report()["requests"] == {}
    # Two segments, and at most 1,000 ids a request.
    assert any("Stream added: its rows would be sent in 4 requests." in line for line in dry.logs)
    assert any("Stream added goes to segment_add." in line for line in dry.logs)
    assert run_connector("write", config, CATALOG, rows).exit_code == 0
    assert api.report()["requests"]["segments"] == 4


def test_rejected_rows_are_stored_and_replayed(api: LocalTrackApi, bucket: Bucket) -> None:
    """A segment that does not exist, an id that is none, and good rows in between."""
    config = config_for(api.url, object_storage_config=bucket.config())
    rows = [record("users", {"person_email": f"u{number}@example.com"}) for number in range(6)]
    for number, segment in enumerate([1, 9, 1, "beta", 9, 1]):
        rows.append(record("added", {"person_email": f"u{number}@example.com", "segment_id": segment}))
    rows.append(stream_state("added", 1))
    done = run_connector("write", config, CATALOG, rows)
    assert (done.exit_code, cursors(done.states)) == (0, [1])
    assert done.states[0]["destinationStats"] == {"recordCount": 3.0, "rejectedRecordCount": 3.0}
    assert any("refused (segment_id): 2, invalid (segment_id): 1" in line for line in done.logs)
    assert len(api.world.segments["1"]) == 3
    api.create_segment(9)
    again = run_command("replay", config, CATALOG)
    assert (again.exit_code, again.stderr) == (0, "")
    assert "2 rows accepted, 1 rejected again" in again.stdout
    assert api.world.segments["9"] == {"email:u1@example.com", "email:u4@example.com"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "fault",
    [{}, {"status": 404}, {"status": 404, "body": "404 page not found"}, {"status": 410, "body": "{}"}],
)
def test_a_segment_that_does_not_exist_costs_its_rows_and_no_sync(
    api: LocalTrackApi, bucket: Bucket, way: str, fault: dict[str, Any]
) -> None:
    """A few requests, however many rows; the reason is the column, as the row spells it, and neighbours are delivered."""
    if fault:
        api.inject(
            {"path": "segments", "contains": "nobody", **fault},
            {"path": "segments", "contains": "lost", **fault},
        )
    column = TARGETS[1].column(way, "segment_id")
    rows = [record("added", {"person_email": f"lost{number}@b.c", column: 99}) for number in range(6_000)]
    rows += [
        record("users", {"person_email": "a@b.c"}),
        record("added", {"person_email": "a@b.c", column: 1}),
    ]
    done = write(
        way, api.url, TARGETS, [*rows, stream_state("added", 1)], object_storage_config=bucket.config()
    )
    assert (done.exit_code, done.errors, cursors(done.states)) == (0, [], [1])
    assert done.states[0]["destinationStats"] == {"recordCount": 1.0, "rejectedRecordCount": 6_000.0}
    assert any(f"6,000 rejected [refused ({column}): 6,000]" in line for line in done.logs)
    assert api.world.segments == {"1": {"email:a@b.c"}, "2": set()}
    # Eight lanes: a call and its probe each, and the last row.
    assert api.report()["requests"]["segments"] <= 2 * 8 + 1
    assert api.order_violations == []
    stored = b"".join(map(bucket.read, bucket.keys())).decode()
    assert stored.count("Customer.io refuses all requests with this segment_id, whatever the person") == 6_000
    assert ("(segment_id is mapped from list.)" in stored) == (way == "stream_mappings")


def test_members_of_a_hundred_segments_and_relationships_share_requests(api: LocalTrackApi) -> None:
    """Interleaved row by row."""
    targets = [*TARGETS, Target("owners", "person_relationship")]
    rows = []
    for number in range(2_000):
        who = {"person_email": f"u{number}@example.com"}
        rows.append(record("users", who))
        rows.append(record("owners", {**who, "object_type_id": 1, "object_id": [f"c{number % 7}", "all"]}))
        rows.append(record("added", {**who, "segment_id": number % 100 + 3}))
    for number in range(100):
        api.create_segment(number + 3)
    done = write("data activation", api.url, targets, rows)
    assert (done.exit_code, done.errors) == (0, [])
    assert all(len(api.world.segments[str(number + 3)]) == 20 for number in range(100))
    assert len(api.world.relationships) == 4_000
    assert api.order_violations == []
    assert sum(api.report()["requests"].values()) < 1_000


def test_a_membership_that_was_deleted_in_the_source_ends_if_configured(api: LocalTrackApi) -> None:
    """It is skipped by default; a deleted removal adds nobody."""
    deleted = {"segment_id": 1, "_ab_cdc_deleted_at": "2024-03-18T13:42:21Z"}
    people = [f"u{number}@example.com" for number in range(3)]
    rows = [record("users", {"person_email": who}) for who in people]
    rows += [record("added", {"person_email": who, "segment_id": 1}) for who in people[:2]]
    rows += [record("added", {"person_email": who, **deleted}) for who in people[:1]]
    rows += [record("removed", {"person_email": who, **deleted}) for who in people[1:]]
    write("data activation", api.url, TARGETS, rows)
    assert api.world.segments["1"] == {f"email:{who}" for who in people[:2]}
    config = {"deleted_rows": "delete", "allow_destructive_operations": True}
    done = write("data activation", api.url, TARGETS, rows, **config)
    assert (done.exit_code, api.world.segments["1"]) == (0, {f"email:{people[1]}"})
    assert any("2 skipped [deleted in the source: 2]" in line for line in done.logs)


def test_an_identifier_longer_than_a_request_costs_its_row(api: LocalTrackApi) -> None:
    """And not the sync."""
    rows = [
        record("users", {"person_email": "a@b.c"}),
        record("added", {"person_email": "x" * 600_000, "segment_id": 1}),
        record("added", {"person_email": "a@b.c", "segment_id": 1}),
    ]
    done = write("data activation", api.url, TARGETS, rows)
    assert (done.exit_code, api.world.segments["1"]) == (0, {"email:a@b.c"})
    assert any("1 rejected [too_large: 1]" in line for line in done.logs)


def test_segments_and_rows_that_join_people_keep_their_order(api: LocalTrackApi) -> None:
    """Everybody is added, merged into another person, and that one is removed."""
    catalog = catalog_of(*CATALOG["streams"], stream("merged", "person_merge"))
    rows = []
    for number in range(60):
        old, new = f"old{number}@example.com", f"new{number}@example.com"
        rows += [record("users", {"person_email": who}) for who in (old, new)]
        rows += [record("added", {"person_email": who, "segment_id": 1}) for who in (old, new)]
        rows.append(record("merged", {"primary_email": new, "secondary_email": old}))
        rows.append(record("removed", {"person_email": new, "segment_id": 1}))
    config = config_for(api.url, allow_destructive_operations=True)
    done = run_connector("write", config, catalog, rows)
    assert (done.exit_code, done.errors) == (0, [])
    assert api.world.segments["1"] == set()
    assert len(api.world.profiles()) == 60
    assert api.order_violations == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"identifierType": "phone"}, "its people are identified by phone"),
        (
            {
                "stream_mappings": [
                    {
                        "stream_name": "added",
                        "destination_object_name": "segment_add",
                        "field_mappings": [{"value": "beta", "destination": "segment_id"}],
                    }
                ]
            },
            "segment_id must be a whole number",
        ),
    ],
)
def test_what_no_segment_takes_fails_before_the_first_row(
    api: LocalTrackApi, settings: dict[str, Any], words: str
) -> None:
    """Phones, and a constant that is not the id of a segment."""
    name = None if "stream_mappings" in settings else "segment_add"
    done = run_connector("write", config_for(api.url, **settings), catalog_of(stream("added", name)), lines())
    assert words in done.failure("config_error")
    assert api.report()["requests"] == {}


def test_refused_credentials_fail_a_sync_of_segments(api: LocalTrackApi) -> None:
    """As they fail any other."""
    api.inject({"path": "segments", "status": 401})
    rows = [line for line in lines() if b'"added"' in line][:10]
    done = run_connector("write", config_for(api.url), CATALOG, rows)
    assert "API" in done.failure("config_error")
