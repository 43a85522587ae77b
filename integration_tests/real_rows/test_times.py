"""Times as warehouses write them: of events, of devices, and in the attributes of people and objects."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.command_line import run_command
from integration_tests.connector import catalog_of, config_for, record, run_connector, stream

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from integration_tests.connector import Finished
    from tools.local_track_api import LocalTrackApi

MOMENT = 1_704_067_200  # 2024-01-01T00:00:00Z
SPELLINGS: list[Any] = [
    MOMENT,
    MOMENT + 0.9,
    MOMENT * 10**3,
    MOMENT * 10**6,
    MOMENT * 10**9,
    str(MOMENT),
    str(MOMENT * 10**3),
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "2024-01-01 00:00:00",
    "2024-01-01 00:00:00 UTC",
    "2024-01-01 00:00:00.123456 UTC",
    "2024-01-01 00:00:00 GMT",
    "2024-01-01 00:00:00 UT",
    "2024-01-01 00:00:00 +0000 UTC",
    "2024-01-01 00:00:00.123456789+00",
    "2024-01-01T01:00:00+01:00[Europe/Berlin]",
    "2024-01-01T00:00Z[UTC]",
    "2023-12-31T16:00:00-0800",
    "20240101T000000Z",
    "20240101T010000.5+0100",
    "Mon, 01 Jan 2024 00:00:00 GMT",
    "Mon, 01 Jan 2024 00:00:00 UTC",
    20240101,
    "20240101",
    20240101.0,
    202401010000,
    "20240101000000",
]
DECADE_AHEAD = datetime.now(UTC) + timedelta(days=3_650)
BAD: list[Any] = [
    *(
        True,
        {"seconds": MOMENT},
        [MOMENT],
        "yesterday",
        "2024-01-01 00:00:00 CET",
        "2024-01-01T00:00:00[Europe/Berlin]",
    ),
    *(0, -1, 2024, "2024", 45_292, "45292.5", 19_723, 20241301),
    *("1979-12-31", "0001-01-01", "9999-12-31", 99991231, 253_402_300_799, "1899-12-30T00:00:00Z"),
    (DECADE_AHEAD + timedelta(days=10)).isoformat(),
]
DATE = {"type": "string", "format": "date-time"}
KEPT: list[Any] = ["long ago", 2024, 45_292.5, "2024-01-01 00:00:00 CET", True]


def write(
    api: LocalTrackApi, catalog: dict[str, Any], lines: list[bytes], *arguments: str, **config: Any
) -> Finished:
    """One sync that succeeds."""
    done = run_connector("write", config_for(api.url, **config), catalog, lines, arguments=arguments)
    assert (done.exit_code, done.errors) == (0, [])
    return done


@pytest.mark.parametrize("mapped", [False, True])
def test_every_spelling_of_an_event_s_time_is_read(api: LocalTrackApi, mapped: bool) -> None:
    """Whether the column has the name or is mapped to it; the last possible one is ten years ahead."""
    column, target = ("happened", None) if mapped else ("timestamp", "person_event")
    mapping = {
        "stream_name": "orders",
        "destination_object_name": "person_event",
        "field_mappings": [{"source": "happened", "destination": "timestamp"}],
    }
    ahead = DECADE_AHEAD.replace(microsecond=0)
    rows = [
        {"person_email": "a@b.c", "event_name": "paid", column: value}
        for value in [*SPELLINGS, "1980-01-01", ahead.isoformat(), None, " "]
    ]
    write(
        api,
        catalog_of(stream("orders", target, properties={name: {} for name in rows[0]})),
        [record("orders", row) for row in rows],
        stream_mappings=[mapping] if mapped else [],
    )
    expected = [*[MOMENT] * len(SPELLINGS), 315_532_800, int(ahead.timestamp()), None, None]
    assert [event.timestamp for event in api.world.events] == expected


def test_moments_that_no_event_can_have_are_rejected(api: LocalTrackApi, bucket: Bucket) -> None:
    """Of events, pages, screens and devices; by a sync, by a dry run, and again by a replay."""
    kinds = {
        "events": ("person_event", "event_name", "timestamp"),
        "pages": ("person_page", "name", "timestamp"),
        "screens": ("person_screen", "name", "timestamp"),
        "devices": ("person_device", "device_token", "last_used"),
    }
    catalog = catalog_of(*(stream(name, target, sync_id=7) for name, (target, _, _) in kinds.items()))
    lines = [
        record(name, {"person_email": "a@b.c", "platform": "ios", named: "x", column: value})
        for name, (_, named, column) in kinds.items()
        for value in BAD
    ]
    storage = bucket.config(format={"format_type": "JSONL"})
    for arguments in ((), ("--dry-run",)):
        done = write(api, catalog, lines, *arguments, object_storage_config=storage)
        for name, (_, _, column) in kinds.items():
            rejected = f"{len(BAD)} rejected [invalid ({column}): {len(BAD)}]"
            assert any(f"Stream {name}: " in line and rejected in line for line in done.logs)
    replayed = run_command("replay", config_for(api.url, object_storage_config=storage), catalog)
    assert f"0 rows accepted, {len(lines)} rejected again" in replayed.stdout
    assert (api.world.events, api.world.profiles()) == ([], [])


@pytest.mark.parametrize("target", ["person_identify", "object_identify"])
def test_created_at_of_people_and_objects_is_sent_in_seconds(api: LocalTrackApi, target: str) -> None:
    """In every spelling, and without `convert_timestamps`; before 1970 as ISO text, as there are no negative times."""
    before_1970 = {
        "1955-03-14": "1955-03-14",
        19550314: "1955-03-14T00:00:00Z",
        -467_164_800: "1955-03-14T00:00:00Z",
    }
    values = [*SPELLINGS, *before_1970, "9999-12-31"]
    rows = [
        {"person_email": f"u{number}@b.c"}
        | {"object_type_id": 1, "object_id": number}
        | {"created_at": value, "day": value}
        for number, value in enumerate(values)
    ]
    done = write(api, catalog_of(stream("rows", target)), [record("rows", row) for row in rows])
    sent = [attributes for _, attributes in sorted(attributes_of(api, target).items())]
    assert [row["created_at"] for row in sent] == [
        *[MOMENT] * len(SPELLINGS),
        *before_1970.values(),
        253_402_214_400,
    ]
    assert [row["day"] for row in sent] == values
    assert not any("could not be read" in line for line in done.logs)


def attributes_of(api: LocalTrackApi, target: str) -> dict[int, dict[str, Any]]:
    """The attributes of the people u0@b.c, u1@b.c, …, or of the objects 0, 1, and so on."""
    if target == "object_identify":
        return {int(key[1]): attributes for key, attributes in api.world.objects.items()}
    return {int(person.identifiers["email"][1:-4]): person.attributes for person in api.world.profiles()}


def test_dates_that_cannot_be_read_are_sent_as_they_are_and_counted(api: LocalTrackApi) -> None:
    """By column, as the source names it, in one warning at the end; it shows no value."""
    mapping = {
        "stream_name": "users",
        "destination_object_name": "person_identify",
        "field_mappings": [{"source": "joined", "destination": "created_at"}],
    }
    values = [*KEPT, "2024-01-01", None, ""]
    rows = [
        {"person_email": f"u{number}@b.c", "joined": value, "day": value}
        for number, value in enumerate(values)
    ]
    catalog = catalog_of(stream("users", properties={"person_email": {}, "joined": {}, "day": DATE}))
    lines = [record("users", row) for row in rows]
    for arguments in ((), ("--dry-run",)):
        done = write(api, catalog, lines, *arguments, stream_mappings=[mapping], convert_timestamps=True)
        warnings = [log["message"] for log in done.of_type("LOG") if log["level"] == "WARN"]
        (warning,) = [line for line in warnings if "could not be read as a time" in line]
        assert "Stream users: 10 values" in warning
        assert "joined: 5" in warning
        assert "day: 5" in warning
        assert not any(str(value) in json.dumps(done.logs) for value in ("long ago", 45_292.5, "CET"))
    sent = [attributes for _, attributes in sorted(attributes_of(api, "person_identify").items())]
    for column in ("created_at", "day"):
        assert [row.get(column) for row in sent] == [*KEPT, MOMENT, None, ""]
