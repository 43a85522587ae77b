"""Attributes that Customer.io acts upon or refuses, and constants that are no text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import catalog_of, config_for, record, run_connector, stream, stream_state

if TYPE_CHECKING:
    from integration_tests.connector import Finished
    from tools.local_track_api import LocalTrackApi

TOPIC = "cio_subscription_preferences.topics.topic_1"


def warnings(done: Finished) -> str:
    """The warnings of the log."""
    return "\n".join(log["message"] for log in done.of_type("LOG") if log["level"] == "WARN")


def test_text_and_numbers_become_booleans(api: LocalTrackApi) -> None:
    """Who opted out stays so; the local API refuses anything but booleans."""
    rows: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("a", {"unsubscribed": "t"}, {"unsubscribed": True}),
        ("b", {"unsubscribed": " true "}, {"unsubscribed": True}),
        ("c", {"unsubscribed": "N"}, {"unsubscribed": False}),
        ("d", {"unsubscribed": 1.0}, {"unsubscribed": True}),
        ("e", {TOPIC: 0}, {TOPIC: False}),
        (
            "f",
            {"cio_subscription_preferences": '{"topics":{"topic_1":"yes","topic_2":0}}'},
            {"cio_subscription_preferences": {"topics": {"topic_1": True, "topic_2": False}}},
        ),
        ("g", {"unsubscribed": None}, {"unsubscribed": None}),
    ]
    lines = [record("users", {"person_email": f"{name}@x.io", **row}) for name, row, _ in rows]
    lines += [record("users", {"person_email": "nobody@x.io", "_update": "true"}), stream_state("users", 1)]
    catalog = catalog_of(stream("users", "person_identify"))
    done = run_connector("write", config_for(api.url), catalog, lines)
    assert done.exit_code == 0
    assert done.states[0]["destinationStats"] == {"recordCount": 8.0, "rejectedRecordCount": 0.0}
    for name, _, sent in rows:
        person = api.world.person(email=f"{name}@x.io")
        assert person is not None
        assert person.attributes == sent
    assert api.world.person(email="nobody@x.io") is None
    assert warnings(done).count("neither true nor false") == 0


def test_what_is_neither_true_nor_false_is_reported_once(api: LocalTrackApi) -> None:
    """By name, without the value."""
    lines = [
        record("users", {"person_email": f"{number}@x.io", "unsubscribed": "perhaps"}) for number in range(9)
    ]
    catalog = catalog_of(stream("users", "person_identify"))
    done = run_connector("write", config_for(api.url), catalog, [*lines, stream_state("users", 1)])
    assert done.exit_code == 0
    text = warnings(done)
    assert text.count("Stream users has values in unsubscribed that are neither true nor false") == 1
    assert "perhaps" not in text


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
def test_device_attributes_that_are_refused_are_left_out(api: LocalTrackApi, arguments: list[str]) -> None:
    """The device is accepted, and the log names the column."""
    row = {"person_email": "ada@x.io", "device_token": "t", "platform": "ios", "token": "t", "model": "x"}
    catalog = catalog_of(stream("devices", "person_device"))
    lines = [record("devices", row), stream_state("devices", 1)]
    done = run_connector("write", config_for(api.url), catalog, lines, arguments=arguments)
    assert done.exit_code == 0
    assert "refuses devices with an attribute token" in warnings(done)
    if not arguments:
        (person,) = api.world.profiles()
        assert person.devices["t"]["attributes"] == {"model": "x"}


def test_constants_may_be_true_false_or_numbers(api: LocalTrackApi) -> None:
    """As text they are booleans where the attribute acts, and text elsewhere."""
    for name, update in (("a", "true"), ("b", True), ("c", "false"), ("d", False)):
        mapping = {
            "stream_name": name,
            "destination_object_name": "person_identify",
            "field_mappings": [
                {"source": "email", "destination": "person_email"},
                {"value": update, "destination": "_update"},
                {"value": 7, "destination": "seats"},
                {"value": 1.5, "destination": "score"},
                {"value": "true", "destination": "note"},
            ],
        }
        lines = [record(name, {"email": f"{name}@x.io"}), stream_state(name, 1)]
        config = config_for(api.url, stream_mappings=[mapping])
        done = run_connector("write", config, catalog_of(stream(name)), lines)
        assert done.exit_code == 0
        assert done.states[0]["destinationStats"]["rejectedRecordCount"] == 0.0
    assert sorted(person.identifiers["email"] for person in api.world.profiles()) == ["c@x.io", "d@x.io"]
    for person in api.world.profiles():
        assert person.attributes == {"seats": 7, "score": 1.5, "note": "true"}


@pytest.mark.parametrize("type_id", ["1", 1, 1.0])
def test_a_constant_number_identifies(api: LocalTrackApi, type_id: Any) -> None:
    """As in a row."""
    mapping = {
        "stream_name": "companies",
        "destination_object_name": "object_identify",
        "field_mappings": [
            {"source": "id", "destination": "object_id"},
            {"value": type_id, "destination": "object_type_id"},
        ],
    }
    lines = [record("companies", {"id": 7.0}), stream_state("companies", 1)]
    config = config_for(api.url, stream_mappings=[mapping])
    done = run_connector("write", config, catalog_of(stream("companies")), lines)
    assert done.exit_code == 0
    assert list(api.world.objects) == [("1", "7")]
