"""A test of a real workspace, for whoever has one: docs/live-test.md says how, and what it touches.

It runs where `secrets/config.json` (which git ignores) holds a configuration, and is skipped without. `make test-live` also
writes every request and its answer, scrubbed, to the file that RECORDING names.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from integration_tests.connector import catalog_of, record, run_connector, stream, stream_state
from tools.live_recording.exchange import write_recording
from tools.live_recording.probes import probes
from tools.live_recording.recorder import Recorder
from tools.live_recording.scrub import Scrubber

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
SECRETS = Path(os.environ.get("LIVE_TEST_CONFIG", ROOT / "secrets" / "config.json"))
RECORDING = os.environ.get("RECORDING")
PERSON = {
    "email": "airbyte-live-test@example.com",
    "id": "airbyte-live-test",
    "phone": "+15005550006",
}

pytestmark = [
    pytest.mark.requires_creds,
    pytest.mark.skipif(
        not SECRETS.exists(), reason="There is no secrets/config.json, so no workspace is touched."
    ),
]


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """Between the connector and Customer.io."""
    config = json.loads(SECRETS.read_text())
    keys = config["credentials"]
    upstream = {"upstream": config["track_api_url"]} if config.get("track_api_url") else {}
    with Recorder(Scrubber(keys["siteId"], keys["apiKey"]), **upstream) as server:
        yield server
    if RECORDING:
        write_recording(Path(RECORDING), server.exchanges, datetime.now(UTC).date().isoformat())


@pytest.fixture
def config(recorder: Recorder) -> dict[str, Any]:
    """The configuration of the workspace, by way of the recorder."""
    given: dict[str, Any] = json.loads(SECRETS.read_text())
    return {**given, "track_api_url": recorder.url}


@pytest.fixture
def person(config: dict[str, Any]) -> dict[str, str]:
    """The one identifier of the made-up person."""
    kind = config.get("identifierType", "email")
    if kind not in PERSON:
        pytest.skip("A cio_id only identifies people who already exist: use another identifierType here.")
    return {kind: PERSON[kind]}


def test_the_workspace_accepts_the_keys_and_the_bucket(config: dict[str, Any]) -> None:
    """As the form's check does."""
    assert run_connector("check", config).of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]


def test_broken_entries_get_an_answer(
    config: dict[str, Any], person: dict[str, str], recorder: Recorder
) -> None:
    """The credentials are accepted each time; what else Customer.io says is for the recording."""
    keys = config["credentials"]
    for what, batch in probes(person).items():
        answer = requests.post(
            f"{recorder.url}/api/v2/batch",
            json={"batch": batch},
            auth=(keys["siteId"], keys["apiKey"]),
            timeout=60,
        )
        assert 200 <= answer.status_code < 500, what
        assert answer.status_code not in (401, 403), what


def test_a_person_and_an_event_are_delivered_and_a_broken_row_is_not(
    config: dict[str, Any], person: dict[str, str]
) -> None:
    """Three rows of one made-up person, who is removed where the configuration allows it."""
    ((kind, value),) = person.items()
    columns = {f"person_{kind}": value}
    streams = [stream("people", "person_identify"), stream("events", "person_event")]
    lines = [
        record("people", {**columns, "airbyte_live_test": True, "ran_at": int(time.time())}),
        record("people", {f"person_{kind}": None}),
        stream_state("people", 1),
        record("events", {**columns, "event_name": "airbyte_live_test", "event_id": str(time.time_ns())}),
        stream_state("events", 1),
    ]
    if config.get("allow_destructive_operations"):
        streams.append(stream("cleanup", "person_delete"))
        lines += [record("cleanup", columns), stream_state("cleanup", 1)]
    done = run_connector("write", config, catalog_of(*streams), lines)
    assert (done.exit_code, done.errors, done.stderr) == (0, [], "")
    stats = {state["stream"]["stream_descriptor"]["name"]: state["destinationStats"] for state in done.states}
    assert stats["people"] == {"recordCount": 1.0, "rejectedRecordCount": 1.0}
    assert {counts["recordCount"] for counts in stats.values()} == {1.0}
