"""Rows that were deleted in their source, as change data capture sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.command_line import run_command
from integration_tests.connector import (
    Finished,
    catalog_of,
    config_for,
    record,
    run_connector,
    stream,
    stream_state,
)

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

GONE = {"_ab_cdc_deleted_at": "2024-03-18T13:42:21Z", "_ab_cdc_lsn": 12}
ALIVE = {"_ab_cdc_deleted_at": None, "_ab_cdc_lsn": 11}
ADA = {"person_email": "ada@example.com"}
BOB = {"person_email": "bob@example.com"}
ACME = {"object_type_id": 1.0, "object_id": "acme"}
DELETING = {"deleted_rows": "delete", "allow_destructive_operations": True}
CATALOG = catalog_of(
    stream("users", "person_identify"),
    stream("events", "person_event"),
    stream("devices", "person_device"),
    stream("members", "person_relationship"),
    stream("companies", "object_identify"),
)
LINES = [
    record("users", {**ADA, "plan": "pro", **ALIVE}),
    record("users", {**BOB, "plan": "free", **ALIVE}),
    record("events", {**BOB, "event_name": "seen", **ALIVE}),
    record("events", {**BOB, "event_name": "unseen", **GONE}),
    record("devices", {**BOB, "device_token": "t1", "platform": "ios", **ALIVE}),
    record("devices", {**BOB, "device_token": "t2", "platform": "ios", **ALIVE}),
    record("devices", {**BOB, "device_token": "t1", "platform": None, **GONE}),
    record("companies", {**ACME, "name": "Acme", **ALIVE}),
    record("companies", {"object_type_id": 1, "object_id": "gone", **ALIVE}),
    record("companies", {"object_type_id": 1, "object_id": "gone", "name": None, **GONE}),
    record("members", {**BOB, **ACME, **ALIVE}),
    record("members", {**BOB, **ACME, **GONE}),
    record("users", {**ADA, "plan": None, **GONE}),
    *(stream_state(name, 1) for name in ("users", "events", "devices", "members", "companies")),
]


def write(api: LocalTrackApi, lines: list[bytes], catalog: Any = CATALOG, **more: Any) -> Finished:
    """One sync that succeeds."""
    done = run_connector("write", config_for(api.url, **more), catalog, lines)
    assert (done.exit_code, done.errors) == (0, [])
    return done


def counts(done: Finished) -> list[tuple[float, float]]:
    """Delivered and rejected rows by state."""
    stats = [state["destinationStats"] for state in done.states]
    return [(stat["recordCount"], stat["rejectedRecordCount"]) for stat in stats]


def test_deleted_rows_are_skipped_by_default_and_counted(api: LocalTrackApi) -> None:
    """They empty or recreate nobody, count as delivered for the platform, and the summary says so."""
    done = write(api, LINES)
    assert sorted(counts(done)) == [(2.0, 0.0), (2.0, 0.0), (3.0, 0.0), (3.0, 0.0), (3.0, 0.0)]
    ada, bob = (api.world.person(email=row["person_email"]) for row in (ADA, BOB))
    assert ada is not None
    assert bob is not None
    assert (ada.attributes, bob.attributes) == ({"plan": "pro"}, {"plan": "free"})
    assert [event.name for event in api.world.events] == ["seen"]
    assert sorted(bob.devices) == ["t1", "t2"]
    assert sorted(api.world.objects) == [("1", "acme"), ("1", "gone")]
    assert len(api.world.relationships) == 1
    logs = "\n".join(done.logs)
    assert "Stream users: 3 rows read, 2 delivered, 0 rejected, 1 skipped [deleted in the source: 1]." in logs


def test_deleted_rows_delete_if_configured(api: LocalTrackApi) -> None:
    """The person, device, object or relationship; a deleted event is skipped."""
    done = write(api, LINES, **DELETING)
    assert sorted(counts(done)) == [(2.0, 0.0), (2.0, 0.0), (3.0, 0.0), (3.0, 0.0), (3.0, 0.0)]
    assert api.world.person(email="ada@example.com") is None
    bob = api.world.person(email="bob@example.com")
    assert bob is not None
    assert sorted(bob.devices) == ["t2"]
    assert [event.name for event in api.world.events] == ["seen"]
    assert list(api.world.objects) == [("1", "acme")]
    assert api.world.relationships == {}
    logs = "\n".join(done.logs)
    assert "Stream users: 3 rows read, 3 delivered, 0 rejected." in logs
    assert (
        "Stream events: 2 rows read, 1 delivered, 0 rejected, 1 skipped [deleted in the source: 1]." in logs
    )


def test_one_persons_order_holds_through_deletions(api: LocalTrackApi) -> None:
    """Who is deleted and comes back has only what came after, however many rows there are in between."""
    rows = []
    for turn in range(40):
        for number in range(50):
            row = {"person_email": f"u{number}@example.com"}
            rows.append(record("users", {**row, f"turn{turn}": turn, **ALIVE}))
            if turn < 39:
                rows.append(record("users", {**row, **GONE}))
    write(api, [*rows, stream_state("users", 1)], **DELETING)
    assert len(api.world.profiles()) == 50
    assert all(person.attributes == {"turn39": 39} for person in api.world.profiles())
    assert api.order_violations == []


def test_a_stream_of_deletions_spares_rows_that_exist(api: LocalTrackApi) -> None:
    """A row whose mark is null is alive."""
    catalog = catalog_of(stream("users", "person_identify"), stream("leavers", "person_delete"))
    write(api, [record("users", ADA), record("users", BOB)], catalog, allow_destructive_operations=True)
    lines = [
        record("leavers", {**ADA, **ALIVE}),
        record("leavers", {**BOB, **GONE}),
        stream_state("leavers", 1),
    ]
    done = write(api, lines, catalog, allow_destructive_operations=True)
    assert counts(done) == [(2.0, 0.0)]
    assert [person.identifiers for person in api.world.profiles()] == [{"email": "ada@example.com"}]
    assert "1 skipped [not deleted in the source: 1]" in "\n".join(done.logs)


@pytest.mark.parametrize("unmapped", ["attributes", "drop"])
def test_a_mapping_hides_no_deletion(api: LocalTrackApi, unmapped: str) -> None:
    """The mark is looked for in the row as it came."""
    mapping = {
        "stream_name": "users",
        "destination_object_name": "person_identify",
        "field_mappings": [
            {"source": "email", "destination": "person_email"},
            {"source": "_ab_cdc_deleted_at", "destination": "gone_at"},
        ],
        "unmapped_fields": unmapped,
    }
    lines = [
        record("users", {"email": "ada@example.com", **ALIVE}),
        record("users", {"email": "bob@example.com", **GONE}),
        stream_state("users", 1),
    ]
    done = write(api, lines, catalog_of(stream("users")), stream_mappings=[mapping])
    assert counts(done) == [(2.0, 0.0)]
    (ada,) = api.world.profiles()
    assert ada.attributes == {"gone_at": None}


def test_a_dry_run_counts_skipped_rows(api: LocalTrackApi) -> None:
    """As the sync would."""
    done = run_connector("write", config_for(api.url), CATALOG, LINES, arguments=["--dry-run"])
    assert done.exit_code == 0
    logs = "\n".join(done.logs)
    assert (
        "Stream users: 3 rows read, 2 would be sent, 0 rejected, 1 skipped [deleted in the source: 1]."
        in logs
    )
    assert api.report()["requests"] == {}


@pytest.mark.parametrize("deleted_rows", ["skip", "delete"])
def test_a_replay_treats_deleted_rows_as_a_sync_does(
    api: LocalTrackApi, bucket: Bucket, deleted_rows: str
) -> None:
    """A row without its identifier was rejected; sent again by another one, it is skipped, or deletes."""
    catalog = catalog_of(stream("users", "person_identify"))
    by_id = {"identifierType": "id", "allow_destructive_operations": True}
    write(api, [record("users", {"person_id": "7", "plan": "pro"})], catalog, **by_id)
    storage = bucket.config()
    lines = [record("users", {"person_id": "7", **GONE}), stream_state("users", 1)]
    done = write(api, lines, catalog, object_storage_config=storage, **DELETING)
    assert counts(done) == [(0.0, 1.0)]
    config = config_for(api.url, object_storage_config=storage, deleted_rows=deleted_rows, **by_id)
    replayed = run_command("replay", config, catalog)
    assert (replayed.exit_code, replayed.stderr) == (0, "")
    assert "1 row accepted, 0 rejected again" in replayed.stdout
    people = [person.attributes for person in api.world.profiles()]
    words = "Stream users: 1 skipped [deleted in the source: 1]."
    assert (people, words in replayed.stdout) == (
        ([], False) if deleted_rows == "delete" else ([{"plan": "pro"}], True)
    )


@pytest.mark.parametrize("command", ["check", "write"])
def test_deleting_needs_a_permission(api: LocalTrackApi, command: str) -> None:
    """A configuration without it is invalid, and nothing is sent."""
    config = config_for(api.url, deleted_rows="delete")
    done = run_connector(command, config, CATALOG if command == "write" else None, [])
    if command == "check":
        (status,) = done.of_type("CONNECTION_STATUS")
        assert (done.exit_code, status["status"]) == (0, "FAILED")
        message = status["message"]
    else:
        message = done.failure("config_error")
    assert "deleted_rows: delete needs" in message
    assert "allow_destructive_operations" in message
