"""Every destination object, from rows on stdin to the world that Customer.io then knows, in order across streams."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from integration_tests.connector import (
    Finished,
    catalog_of,
    config_for,
    record,
    run_connector,
    stream,
    stream_state,
)
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator

# One stream for each object, with the same name.
CATALOG = catalog_of(*(stream(name) for name in DESTINATION_OBJECTS))
# Makes a few hundred rows fill more than one batch a lane, so that lanes overtake each other if they can.
PADDING = "x" * 900


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API that takes its time."""
    with LocalTrackApi() as server:
        server.configure(latency_seconds=0.05)
        yield server


def write(api: LocalTrackApi, lines: list[bytes], catalog: dict[str, Any] = CATALOG, **more: Any) -> Finished:
    """One sync that has to succeed, without a rejected row or a broken order."""
    config = config_for(api.url, allow_destructive_operations=True, **more)
    done = run_connector("write", config, catalog, lines)
    assert (done.exit_code, done.errors) == (0, [])
    assert not any("1 rejected" in line for line in done.logs)
    assert api.order_violations == []
    return done


def padded(**attributes: Any) -> dict[str, Any]:
    """Attributes that make an entry of about 10 KB."""
    return {**attributes, **{f"padding_{number}": PADDING for number in range(10)}}


def test_every_object_changes_the_world_as_it_says(api: LocalTrackApi) -> None:
    """One row or two of each."""
    ada, bob, eve = ({"person_email": f"{name}@example.com"} for name in ("ada", "bob", "eve"))
    acme = {"object_type_id": 1, "object_id": "acme"}
    lines = [
        record(
            "person_identify",
            {**ada, "plan": "pro", "cio_subscription_preferences": '{"topics": {"a": true}}'},
        ),
        record("person_identify", {**bob, "age": 5}),
        record("person_identify", {"person_email": "nobody@example.com", "_update": True}),
        record("person_identify", eve),
        record("person_event", {**ada, "event_name": "paid", "amount": 1}),
        record("person_page", {**ada, "name": "/pricing", "referrer": "x"}),
        record("person_screen", {**ada, "name": "Home"}),
        record(
            "person_device",
            {**ada, "device_token": "t1", "platform": "ios", "last_used": "2024-01-01", "v": 2},
        ),
        record("person_device", {**ada, "device_token": "t2", "platform": "android"}),
        record("person_device_delete", {**ada, "device_token": "t2"}),
        record("object_identify", {**acme, "name": "Acme"}),
        record("object_identify", {"object_type_id": "1", "object_id": "gone", "name": "Gone"}),
        record("object_delete", {"object_type_id": "1", "object_id": "gone"}),
        record("person_relationship", {**ada, **acme, "role": "owner"}),
        record("person_relationship", {**eve, **acme}),
        record("person_relationship_delete", {**eve, **acme}),
        record("person_merge", {"primary_email": "ada@example.com", "secondary_email": "bob@example.com"}),
        record("person_delete", {**eve, "why": "asked to"}),
        record("person_suppress", {"person_email": "spam@example.com"}),
        record("person_suppress", {"person_email": "mistake@example.com"}),
        record("person_unsuppress", {"person_email": "mistake@example.com"}),
        *(stream_state(name, 1) for name in DESTINATION_OBJECTS),
    ]
    done = write(api, lines)
    world = api.world
    assert len(world.profiles()) == 1
    person = world.person(email="ada@example.com")
    assert person is not None
    assert person.attributes["plan"] == "pro"
    assert person.attributes["age"] == 5
    assert person.attributes["cio_subscription_preferences"] == {"topics": {"a": True}}
    assert list(person.devices) == ["t1"]
    assert person.devices["t1"]["last_used"] == 1704067200
    assert person.devices["t1"]["attributes"] == {"v": 2}
    assert {(event.action, event.name) for event in world.events} == {
        ("event", "paid"),
        ("page", "/pricing"),
        ("screen", "Home"),
    }
    assert world.objects == {("1", "acme"): {"name": "Acme"}}
    assert list(world.relationships.values()) == [{"role": "owner"}]
    assert len(world.suppressed) == 1
    assert world.ignored.updates_of_nobody == 1
    assert len(done.states) == len(DESTINATION_OBJECTS)
    assert any("person_delete ignores 1 column of stream person_delete: why." in line for line in done.logs)


@pytest.mark.parametrize(
    "objects",
    [("person_identify", "person_event", "person_delete"), tuple(DESTINATION_OBJECTS)],
    ids=["of one person each", "with rows that join two"],
)
def test_one_persons_rows_stay_in_order_across_streams(api: LocalTrackApi, objects: tuple[str, ...]) -> None:
    """Identify, event, delete of each of many people, all mixed: in the end nobody is left."""
    lines: list[bytes] = []
    steps = dict.fromkeys(range(300), 0)
    rng = random.Random(5)  # noqa: S311 - a shuffle that is the same every time
    while steps:
        number = rng.choice(list(steps))
        person = {"person_email": f"u{number}@example.com"}
        match steps[number]:
            case 0:
                lines.append(record("person_identify", {**person, **padded(_seq=1)}))
            case 1:
                lines.append(record("person_event", {**person, "event_name": "seen", "_seq": 2}))
            case _:
                lines.append(record("person_delete", person))
                del steps[number]
                continue
        steps[number] += 1
    write(api, lines, catalog_of(*(stream(name) for name in objects)))
    assert api.world.profiles() == []
    assert api.report()["max_concurrent_requests"] > 1


def test_a_merge_waits_for_both_people(api: LocalTrackApi) -> None:
    """Were it sent before the secondary's own row, that row would bring the secondary back."""
    lines = [
        record("person_identify", {"person_email": f"{side}{number}@example.com", **padded(**{side: 1})})
        for number in range(150)
        for side in ("new", "old")
    ]
    for number in range(150):
        row = {"primary_email": f"new{number}@example.com", "secondary_email": f"old{number}@example.com"}
        lines.append(record("person_merge", row))
    write(api, lines)
    profiles = api.world.profiles()
    assert len(profiles) == 150
    assert all(person.attributes["new"] == person.attributes["old"] == 1 for person in profiles)
    assert api.report()["max_concurrent_requests"] > 1


def test_a_relationship_waits_for_person_and_object(api: LocalTrackApi) -> None:
    """Were it, and the deletion behind it, sent before the object's own row, that row would bring the object back."""
    api.inject({"every": 2, "delay_seconds": 0.4})
    people = [{"person_email": f"u{number}@example.com"} for number in range(150)]
    companies = [{"object_type_id": "1", "object_id": f"c{number}"} for number in range(150)]
    lines = [record("person_identify", {**person, **padded()}) for person in people]
    lines += [record("object_identify", {**company, **padded()}) for company in companies]
    for person, company in zip(people, companies, strict=True):
        lines.append(record("person_relationship", {**person, **company, "role": "owner"}))
        lines.append(record("object_delete", company))
    write(api, lines)
    assert len(api.world.profiles()) == 150
    assert api.world.objects == {}
    assert api.world.relationships == {}
    assert api.report()["max_concurrent_requests"] > 1


def test_the_last_word_on_a_relationship_holds(api: LocalTrackApi) -> None:
    """Relationships of people and companies added and deleted, interleaved with updates of both."""
    lines: list[bytes] = []
    rng = random.Random(7)  # noqa: S311 - as above
    role: dict[tuple[int, int], int | None] = {}
    for number in range(400):
        person, company = rng.randrange(40), rng.randrange(10)
        who = {"person_email": f"u{person}@example.com"}
        what = {"object_type_id": "1", "object_id": f"c{company}"}
        lines.append(record("object_identify", {**what, "version": number}))
        if rng.random() < 0.5:
            lines.append(record("person_relationship", {**who, **what, "role": number}))
            role[person, company] = number
        else:
            lines.append(record("person_relationship_delete", {**who, **what}))
            role[person, company] = None
        lines.append(record("person_identify", {**who, "_seq": number}))
    write(api, lines)
    found = {
        (person, company): relation["role"]
        for (person, (_, company)), relation in api.world.relationships.items()
    }
    assert found == {
        (f"email:u{person}@example.com", f"c{company}"): number
        for (person, company), number in role.items()
        if number is not None
    }


def test_a_stream_that_deletes_is_refused_unless_allowed(api: LocalTrackApi) -> None:
    """Before the first row, with the stream and the switch named."""
    lines = [record("person_delete", {"person_email": "a@example.com"})]
    done = run_connector("write", config_for(api.url), catalog_of(stream("person_delete")), lines)
    assert done.exit_code == 1
    assert done.error["failure_type"] == "config_error"
    assert "allow_destructive_operations" in done.error["message"]
    assert api.report()["requests"].get("batch", 0) == 0


def test_the_configured_identifier_identifies_people_in_every_object(api: LocalTrackApi) -> None:
    """Identify, device and page rows name the same person."""
    who = {"person_phone": "+442079460018"}
    lines = [
        record("person_identify", {**who, "plan": "pro"}),
        record("person_device", {**who, "device_token": "t", "platform": "ios"}),
        record("person_page", {**who, "name": "/"}),
    ]
    names = ("person_identify", "person_device", "person_page")
    write(api, lines, catalog_of(*(stream(name) for name in names)), identifierType="phone")
    (person,) = api.world.profiles()
    assert person.identifiers == {"phone": "+442079460018"}
    assert list(person.devices) == ["t"]
