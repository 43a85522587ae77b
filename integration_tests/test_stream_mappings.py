"""Stream mappings, from a catalog that knows no destination objects to people and events; and what stops a sync."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

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

USERS = {
    "stream_name": "users",
    "destination_object_name": "person_identify",
    "field_mappings": [
        {"source": "email", "destination": "person_email"},
        {"source": "address.city", "destination": "city"},
    ],
}
ORDERS = {
    "stream_name": "orders",
    "namespace": "shop",
    "destination_object_name": "person_event",
    "field_mappings": [
        {"source": "customer.email", "destination": "person_email"},
        {"source": "paid_at", "destination": "timestamp"},
        {"source": "id", "destination": "event_id"},
        {"value": "order_paid", "destination": "event_name"},
        {"source": "total", "destination": "total"},
    ],
    "unmapped_fields": "drop",
}
CATALOG = catalog_of(
    stream("users", properties={"email": {"type": "string"}, "address": {"type": "object"}}),
    stream(
        "orders",
        namespace="shop",
        properties={"id": {}, "customer": {"type": "object"}, "paid_at": {}, "total": {}},
    ),
)
ADA = {"email": "ada@example.com", "name": "Ada", "address": {"city": "Oslo", "street": "Storgata"}}


def write(
    api: LocalTrackApi, *mappings: Any, catalog: dict[str, Any] = CATALOG, lines: tuple[bytes, ...] = ()
) -> Finished:
    """One sync with these mappings."""
    return run_connector("write", config_for(api.url, stream_mappings=list(mappings)), catalog, lines)


def order(number: int, email: str) -> bytes:
    """A row of `orders`."""
    row = {
        "id": number,
        "customer": {"email": email},
        "paid_at": "2024-05-01T12:00:00Z",
        "total": 12.5,
        "secret": "x",
    }
    return record("orders", row, namespace="shop")


def test_mapped_streams_become_people_and_events(api: LocalTrackApi) -> None:
    """Renamed, reached into, given a name and an id; repeated, they count once."""
    lines = (
        record("users", ADA),
        order(1, "ada@example.com"),
        order(2, "ada@example.com"),
        order(1, "ada@example.com"),
        stream_state("users", 1),
        stream_state("orders", 1, namespace="shop"),
    )
    done = write(api, USERS, ORDERS, lines=lines)
    assert (done.exit_code, done.errors) == (0, [])
    ada = api.world.person(email="ada@example.com")
    assert ada is not None
    assert ada.attributes == {"name": "Ada", "address": ADA["address"], "city": "Oslo"}
    assert [(event.name, event.timestamp, event.attributes) for event in api.world.events] == [
        ("order_paid", 1714564800, {"total": 12.5})
    ] * 2
    assert api.world.ignored.repeated_events == 1
    assert [state["destinationStats"]["recordCount"] for state in done.states] == [1.0, 3.0]
    assert "Stream shop.orders goes to person_event." in done.logs


def test_a_rejected_row_is_kept_as_it_came(api: LocalTrackApi, bucket: Bucket) -> None:
    """Under its own names, with the column at fault as the row spells it."""
    storage = bucket.config(format={"format_type": "JSONL"})
    config = config_for(api.url, stream_mappings=[USERS, ORDERS], object_storage_config=storage)
    bad_user = {"person_email": "other@example.com", "email": " ", "name": "Ada"}
    lines = [
        record("users", bad_user),
        order(1, ""),
        stream_state("users", 1),
        stream_state("orders", 1, namespace="shop"),
    ]
    done = run_connector("write", config, CATALOG, lines)
    assert done.exit_code == 0
    assert [state["destinationStats"]["rejectedRecordCount"] for state in done.states] == [1.0, 1.0]
    kept = {}
    keys = bucket.keys()
    for key in keys:
        row = json.loads(bucket.read(key))["_airbyte_data"]
        kept[row.pop("rejected_field")] = row
        assert (row.pop("rejected_reason"), "is mapped from" in row.pop("rejected_message")) == (
            "required",
            True,
        )
    assert kept["email"] == bad_user
    assert kept["customer.email"] == json.loads(order(1, ""))["record"]["data"]
    assert any("required (email): 1" in line for line in done.logs)


def test_a_required_column_that_cannot_come_fails_before_the_first_row(api: LocalTrackApi) -> None:
    """With stream and column, and nothing sent."""
    nameless = {**ORDERS, "field_mappings": ORDERS["field_mappings"][:3]}
    done = write(api, USERS, nameless, lines=(record("users", ADA), stream_state("users", 1)))
    assert done.exit_code == 1
    assert done.error["failure_type"] == "config_error"
    assert "stream shop.orders has no event_name for person_event" in done.error["message"]
    assert "Nothing was written" in done.error["message"]
    assert done.states == []
    assert api.world.profiles() == []


@pytest.mark.parametrize("command", ["check", "write"])
def test_a_mapping_that_is_wrong_in_itself_fails_every_command(api: LocalTrackApi, command: str) -> None:
    """An unknown object needs no catalog to be seen."""
    config = config_for(api.url, stream_mappings=[{**USERS, "destination_object_name": "people"}])
    done = run_connector(command, config, CATALOG if command == "write" else None)
    if command == "check":
        (status,) = done.of_type("CONNECTION_STATUS")
        assert (done.exit_code, status["status"]) == (0, "FAILED")
        message = status["message"]
    else:
        assert (done.exit_code, done.error["failure_type"]) == (1, "config_error")
        message = done.error["message"]
    assert "stream users is mapped to people, which is not a destination object" in message


def test_unused_mappings_are_logged_and_the_sync_continues(api: LocalTrackApi) -> None:
    """A stream that is not synced, and one that the connection sends elsewhere: its columns are read as they come."""
    catalog = catalog_of(stream("users", "person_event"))
    row = {"person_email": "ada@example.com", "event_name": "seen", "email": "e"}
    done = write(api, USERS, ORDERS, catalog=catalog, lines=(record("users", row), stream_state("users", 1)))
    assert done.exit_code == 0
    (event,) = api.world.events
    assert (event.name, event.attributes) == ("seen", {"email": "e"})
    warnings = [log["message"] for log in done.of_type("LOG") if log["level"] == "WARN"]
    assert [line.split(",")[0] for line in warnings] == [
        "Stream users goes to person_event",
        "The configuration (stream_mappings) maps the stream shop.orders",
    ]
