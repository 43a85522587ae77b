"""Identifiers as warehouses have them: floats, invisible characters, placeholders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    from tools.local_track_api import LocalTrackApi


def write(api: LocalTrackApi, target: str, rows: list[dict[str, Any]], **more: Any) -> Finished:
    """One sync of one stream that succeeds."""
    lines = [*(record("rows", row) for row in rows), stream_state("rows", 1)]
    done = run_connector("write", config_for(api.url, **more), catalog_of(stream("rows", target)), lines)
    assert (done.exit_code, done.errors) == (0, [])
    return done


def rejected(done: Finished) -> float:
    """The number of rejected rows."""
    (state,) = done.states
    count: float = state["destinationStats"]["rejectedRecordCount"]
    return count


def test_whole_numbers_have_no_fraction(api: LocalTrackApi) -> None:
    """As an id, in a relationship, as a device token; text stays text."""
    write(api, "person_identify", [{"person_id": 12345.0}, {"person_id": 1e3}], identifierType="id")
    row = {"person_id": 12345.0, "object_type_id": 1.0, "object_id": 7.0}
    write(api, "person_relationship", [row], identifierType="id")
    device = {"person_id": 12345, "device_token": 99.0, "platform": "ios"}
    write(api, "person_device", [device], identifierType="id")
    write(api, "person_identify", [{"person_id": "12345.0"}, {"person_id": 1.5}], identifierType="id")
    ids = sorted(person.identifiers["id"] for person in api.world.profiles())
    assert ids == ["1.5", "1000", "12345", "12345.0"]
    assert list(api.world.objects) == [("1", "7")]
    person = api.world.person(id="12345")
    assert person is not None
    assert list(person.devices) == ["99"]


def test_a_merge_finds_people_by_whole_numbers_and_never_merges_one_with_itself(api: LocalTrackApi) -> None:
    """A merge deletes the secondary."""
    write(
        api, "person_identify", [{"person_id": "7"}, {"person_id": "8", "plan": "pro"}], identifierType="id"
    )
    rows: list[dict[str, Any]] = [
        {"primary_id": 7.0, "secondary_id": 8},
        {"primary_id": 7.0, "secondary_id": "7"},
        {"primary_email": "Ada@x.io", "secondary_email": "ada@x.io "},
        {"primary_cio_id": "a3", "secondary_cio_id": "cio_a3"},
    ]
    done = write(api, "person_merge", rows, allow_destructive_operations=True)
    assert rejected(done) == 3.0
    (person,) = api.world.profiles()
    assert (person.identifiers, person.attributes) == ({"id": "7"}, {"plan": "pro"})


def test_invisible_characters_and_prefixes_do_not_make_another_person(api: LocalTrackApi) -> None:
    """Nor another event name, nor another event id."""
    people = [
        "ada@example.com\u200b",
        "\ufeffada@example.com",
        "\u202aada@example.com\u202c",
        "ada@example.com\x00",
    ]
    done = write(api, "person_identify", [{"person_email": email} for email in (*people, "\u2060 \u200b")])
    assert rejected(done) == 1.0
    events = [
        {"person_email": "ada@example.com", "event_name": f"paid{end}", "event_id": f"{end}order-1"}
        for end in ("", "\u200b", "\u00ad")
    ]
    write(api, "person_event", events)
    assert [person.identifiers for person in api.world.profiles()] == [{"email": "ada@example.com"}]
    assert [event.name for event in api.world.events] == ["paid"]
    cio_ids = [{"person_cio_id": "cio_a3000001"}, {"person_cio_id": "a3000001"}]
    write(api, "person_identify", cio_ids, identifierType="cio_id")
    assert len(api.world.profiles()) == 2
    assert api.world.person(cio_id="a3000001") is not None


def test_placeholders_identify_nobody(api: LocalTrackApi) -> None:
    """They are rejected everywhere; as an event id they are none, so no event is lost."""
    words = ["null", "undefined", "None", "NaN", "[object Object]", "NULL", "nil", "N/A"]
    assert rejected(write(api, "person_identify", [{"person_email": word} for word in words])) == len(words)
    objects = [{"object_type_id": "1", "object_id": word} for word in words]
    assert rejected(write(api, "object_identify", objects)) == len(words)
    device = {"person_email": "ada@example.com", "platform": "ios"}
    done = write(api, "person_device", [{**device, "device_token": word} for word in words])
    assert rejected(done) == len(words)
    assert (api.world.profiles(), api.world.objects) == ([], {})
    event = {"person_email": "ada@example.com", "event_name": "paid"}
    assert rejected(write(api, "person_event", [{**event, "event_id": word} for word in words])) == 0.0
    assert len(api.world.events) == len(words)
