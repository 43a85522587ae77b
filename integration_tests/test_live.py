"""A smoke test of a real workspace, for whoever has one: docs/live-test.md says what it touches.

It runs where `secrets/config.json` (which git ignores) holds a configuration, and is skipped without.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from integration_tests.connector import catalog_of, record, run_connector, stream, stream_state

SECRETS = Path(__file__).parent.parent / "secrets" / "config.json"
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


def live_config() -> dict[str, Any]:
    """The configuration of the workspace."""
    config: dict[str, Any] = json.loads(SECRETS.read_text())
    return config


def test_the_workspace_accepts_the_keys_and_the_bucket() -> None:
    """As the form's check does."""
    assert run_connector("check", live_config()).of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]


def test_a_person_and_an_event_are_delivered_and_a_broken_row_is_not() -> None:
    """Three rows of one made-up person, who is removed where the configuration allows it."""
    config = live_config()
    kind = config.get("identifierType", "email")
    if kind not in PERSON:
        pytest.skip("A cio_id names only people who exist already: use another identifierType here.")
    person = {f"person_{kind}": PERSON[kind]}
    streams = [stream("people", "person_identify"), stream("events", "person_event")]
    lines = [
        record("people", {**person, "airbyte_live_test": True, "ran_at": int(time.time())}),
        record("people", {f"person_{kind}": None}),
        stream_state("people", 1),
        record("events", {**person, "event_name": "airbyte_live_test", "event_id": str(time.time_ns())}),
        stream_state("events", 1),
    ]
    if config.get("allow_destructive_operations"):
        streams.append(stream("cleanup", "person_delete"))
        lines += [record("cleanup", person), stream_state("cleanup", 1)]
    done = run_connector("write", config, catalog_of(*streams), lines)
    assert (done.exit_code, done.errors, done.stderr) == (0, [], "")
    stats = {state["stream"]["stream_descriptor"]["name"]: state["destinationStats"] for state in done.states}
    assert stats["people"] == {"recordCount": 1.0, "rejectedRecordCount": 1.0}
    assert {counts["recordCount"] for counts in stats.values()} == {1.0}
