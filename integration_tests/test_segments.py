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
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.buckets import Bucket

PEOPLE = 1_500
USERS = stream("users", "person_identify", sync_id=5)
CATALOG = catalog_of(
    USERS, stream("added", "segment_add", sync_id=5), stream("removed", "segment_remove", sync_id=5)
)
MAPPED: dict[str, Any] = {
    "stream_mappings": [
        {"stream_name": "users", "destination_object_name": "person_identify"},
        {
            "stream_name": "added",
            "destination_object_name": "segment_add",
            "field_mappings": [{"source": "list", "destination": "segment_id"}],
        },
        {"stream_name": "removed", "destination_object_name": "segment_remove"},
    ]
}
MAPPED_CATALOG = catalog_of(stream("users"), stream("added"), stream("removed"))


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


@pytest.mark.parametrize("kind", ["data activation", "stream_mappings"])
def test_people_identified_in_a_sync_are_members_after_it(api: LocalTrackApi, kind: str) -> None:
    """Although people and memberships come interleaved, answers are lost, and a request is refused as a whole."""
    api.inject(
        {"path": "segments", "request": 2, "reset_after_apply": True},
        {"path": "segments", "request": 4, "status": 400},
        {"path": "segments", "request": 6, "status": 503},
        {"request": 1, "delay_seconds": 0.3},
        {"request": 2, "reset_after_apply": True},
    )
    if kind == "data activation":
        done = run_connector("write", config_for(api.url), CATALOG, lines())
    else:
        done = run_connector("write", config_for(api.url, **MAPPED), MAPPED_CATALOG, lines("list"))
    check_members(api, done)
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
    assert any("invalid (segment_id): 1" in line for line in done.logs)
    assert len(api.world.segments["1"]) == 3
    api.create_segment(9)
    again = run_command("replay", config, CATALOG)
    assert (again.exit_code, again.stderr) == (0, "")
    assert "2 rows accepted, 1 rejected again" in again.stdout
    assert api.world.segments["9"] == {"email:u1@example.com", "email:u4@example.com"}


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
