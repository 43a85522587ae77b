"""Which stream goes to which object: settled for all of them before the first row."""

from __future__ import annotations

import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from integration_tests.connector import (
    SCRIPT,
    catalog_of,
    config_for,
    record,
    run_at_once,
    run_connector,
    stream,
    stream_state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tools.local_track_api import LocalTrackApi

ADA = {"person_email": "ada@example.com"}


def test_streams_go_where_the_catalog_says_or_where_their_name_says(api: LocalTrackApi) -> None:
    """The namespace decides nothing, but two streams that differ in it alone are two; the catalog's word wins."""
    catalog = catalog_of(
        stream("users", "person_identify"),
        stream("users", "person_event", namespace="eu"),
        stream("person_identify"),
        stream("person_event", namespace="warehouse"),
        # Named like one object, mapped to another.
        stream("person_event", "person_identify"),
    )
    event = {**ADA, "event_name": "paid"}
    lines = [
        record("users", {**ADA, "a": 1}),
        record("users", {**event, "from": "users"}, namespace="eu"),
        record("person_identify", {**ADA, "b": 2}),
        record("person_event", {**event, "from": "person_event"}, namespace="warehouse"),
        record("person_event", {**ADA, "event_name": "an attribute"}),
        stream_state("users", 1),
        stream_state("users", 1, namespace="eu"),
    ]
    done = run_connector("write", config_for(api.url), catalog, lines)
    assert (done.exit_code, done.errors) == (0, [])
    (person,) = api.world.profiles()
    assert person.attributes == {"a": 1, "b": 2, "event_name": "an attribute"}
    assert sorted(event.attributes["from"] for event in api.world.events) == ["person_event", "users"]
    for line in (
        "Stream users goes to person_identify.",
        "Stream eu.users goes to person_event.",
        "Stream person_identify goes to person_identify.",
        "Stream warehouse.person_event goes to person_event.",
        "Stream person_event goes to person_identify.",
    ):
        assert line in done.logs
    assert [state["destinationStats"]["recordCount"] for state in done.states] == [1.0, 1.0]


def test_streams_without_an_object_fail_the_sync_before_its_first_row(api: LocalTrackApi) -> None:
    """All of them are named, and all objects there are to choose from; the good stream's rows are not sent either."""
    catalog = catalog_of(
        stream("users", "person_identify"),
        stream("invoices", namespace="shop"),
        stream("orders", "Person_Event"),
    )
    lines = [record("users", ADA), stream_state("users", 1)]
    done = run_connector("write", config_for(api.url), catalog, lines)
    message = done.failure("config_error")
    for words in (
        "stream shop.invoices has none",
        "stream orders is mapped to Person_Event, which does not exist",
        *DESTINATION_OBJECTS,
    ):
        assert words in message
    assert done.states == []
    assert api.report()["requests"].get("batch", 0) == 0


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a key wrong": ({"credentials": {"siteId": "site", "apiKey": "wrong"}}, "Tracking API Keys"),
    "another region": ({"region": "eu"}, "this Customer.io account is in the region US"),
    "too many lanes": ({"max_concurrent_requests": 65}, "max_concurrent_requests must be at most 64"),
}


def test_a_wrong_configuration_fails_the_sync_before_its_first_row(api: LocalTrackApi) -> None:
    """As a config_error, so that the platform doesn't retry in vain."""
    lines = [record("users", ADA), stream_state("users", 1)]
    catalog = catalog_of(stream("users", "person_identify"))
    done = run_at_once(
        {
            name: partial(run_connector, "write", {**config_for(api.url), **config}, catalog, lines)
            for name, (config, _) in WRONG.items()
        }
    )
    for name, (_, words) in WRONG.items():
        assert words in done[name].failure("config_error"), name
        assert done[name].states == []
    assert api.report()["requests"].get("batch", 0) == 0


def test_a_server_that_does_not_answer_fails_the_sync_as_transient() -> None:
    """The platform tries again by itself; the message says what to check if that does not help."""
    config = config_for("http://127.0.0.1:1", retry_timeout_seconds=1)
    lines = [record("users", ADA), stream_state("users", 1)]
    done = run_connector("write", config, catalog_of(stream("users", "person_identify")), lines)
    message = done.failure("transient_error")
    assert "http://127.0.0.1:1" in message
    assert "firewall" in message
    assert done.states == []


def test_an_invalid_catalog_is_a_system_error(api: LocalTrackApi) -> None:
    """Airbyte writes it, not the user."""
    done = run_connector("write", config_for(api.url), {"streams": [{"stream": {}}]}, [record("users", ADA)])
    assert "catalog" in done.failure("system_error")
    assert api.report()["requests"].get("batch", 0) == 0


def test_a_configuration_that_cannot_be_read_is_one_trace(tmp_path: Path) -> None:
    """Where `check` answers with a status, `write` has only its trace."""
    missing = str(tmp_path / "none.json")
    command = [str(SCRIPT), "write", "--config", missing, "--catalog", missing]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert done.stdout.count(b"\n") == 1
    assert b'"failure_type":"config_error"' in done.stdout
    assert b"--config" in done.stdout
    assert done.stderr == b""
