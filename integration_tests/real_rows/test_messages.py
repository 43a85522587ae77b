"""Messages as platforms and programs in between really send them: each failure leads to its cause."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from functools import partial
from typing import TYPE_CHECKING

import pytest

from integration_tests.command_line import run_command
from integration_tests.connector import (
    Connector,
    catalog_of,
    config_for,
    cursors,
    record,
    run_at_once,
    run_connector,
    stream,
    stream_state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(
    stream("users", "person_identify"),
    stream("orders", "person_event", namespace="shop"),
    stream("visits", "person_page", namespace="web"),
    stream("visits", "person_page", namespace="app"),
)
CANARY = "canary-7f3a"
USER = record("users", {"person_email": "ada@example.com"})


def failure_after_one_row(api: LocalTrackApi, line: bytes) -> str:
    """The error of a sync whose fourth line is `line`."""
    lines = [USER, stream_state("users", 1), b"", line, record("users", {"person_email": "late@example.com"})]
    done = run_connector("write", config_for(api.url), CATALOG, lines)
    message = done.failure("system_error")
    assert message.startswith("Line 4 of the input is ")
    assert cursors(done.states) == [1]
    assert CANARY not in b"".join(done.lines).decode()
    return message


def test_the_error_of_a_line_names_its_cause(api: LocalTrackApi) -> None:
    """An unknown stream with the candidates, a row without data, a line that is no message: all differ."""
    null = json.dumps(
        {"type": "RECORD", "record": {"stream": "users", "data": None, "note": CANARY}}
    ).encode()
    expected = {
        record("strangers", {"x": CANARY}): "is a row of stream strangers, which is not a stream of the",
        stream_state("orders", CANARY, namespace="eu"): "Candidates in the catalog: shop.orders. Rows before",
        record("visits", {"x": CANARY}): "Candidates in the catalog: web.visits, app.visits. Rows before",
        null: "is a row without data: its `data` is null. It belongs to stream users.",
        f"INFO {CANARY}".encode(): "is not a message of the Airbyte protocol: it is not valid JSON.",
        json.dumps({"type": "Record", "record": {"stream": CANARY}}).encode(): "not spelled RECORD or STATE",
    }
    messages = {line: failure_after_one_row(api, line) for line in expected}
    for line, words in expected.items():
        assert words in messages[line]
    assert not api.world.person(email="late@example.com")


def test_a_missing_namespace_is_matched(api: LocalTrackApi) -> None:
    """As PyAirbyte's cache leaves it out, and the reverse; the state comes back as it was sent."""
    lines = [
        record("orders", {"person_email": "ada@example.com", "event_name": "paid"}),
        stream_state("orders", 1),
        record("users", {"person_email": "ada@example.com"}, namespace="main"),
        stream_state("users", 2, namespace="main"),
    ]
    done = run_connector("write", config_for(api.url), CATALOG, lines)
    assert (done.exit_code, done.errors) == (0, [])
    assert [state["destinationStats"]["recordCount"] for state in done.states] == [1.0, 1.0]
    descriptors = [state["stream"]["stream_descriptor"] for state in done.states]
    assert sorted(descriptors, key=str) == [{"name": "orders"}, {"name": "users", "namespace": "main"}]
    assert [event.name for event in api.world.events] == ["paid"]


def test_a_message_of_an_unknown_type_is_skipped(api: LocalTrackApi) -> None:
    """The rows around it are delivered; the log names the type once."""
    new = json.dumps({"type": "SOMETHING_NEW", "new": CANARY}).encode()
    odd = json.dumps({"type": CANARY, "new": CANARY}).encode()
    done = run_connector(
        "write", config_for(api.url), CATALOG, [new, USER, new, odd, new, stream_state("users", 1)]
    )
    assert (done.exit_code, cursors(done.states)) == (0, [1])
    named = [log for log in done.of_type("LOG") if "unknown type" in log["message"]]
    assert [log["level"] for log in named] == ["WARN", "WARN"]
    assert "unknown type SOMETHING_NEW are skipped" in named[0]["message"]
    assert CANARY not in b"".join(done.lines).decode()


def test_byte_order_marks_are_ignored(api: LocalTrackApi, tmp_path: Path) -> None:
    """Before the config, the catalog and the first line of the input, also in `check` and in a dry run."""
    config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
    config.write_text(json.dumps(config_for(api.url)), encoding="utf-8-sig")
    catalog.write_text(json.dumps(CATALOG), encoding="utf-8-sig")
    arguments = ["--config", str(config)]
    files = [*arguments, "--catalog", str(catalog)]
    lines = [BOM_UTF8 + USER, stream_state("users", 1)]
    done = run_at_once(
        {
            "check": partial(run_connector, "check", arguments=arguments),
            "write": partial(run_connector, "write", lines=lines, arguments=files),
            "dry run": partial(run_connector, "write", lines=lines, arguments=[*files, "--dry-run"]),
        }
    )
    assert done["check"].of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
    assert (done["write"].exit_code, cursors(done["write"].states)) == (0, [1])
    assert api.world.person(email="ada@example.com")
    assert "Stream users: 1 row read, 1 would be sent, 0 rejected." in done["dry run"].logs


def test_a_mark_that_comes_in_pieces_is_ignored(api: LocalTrackApi) -> None:
    """A pipe may cut it anywhere."""
    with Connector("write", config_for(api.url), CATALOG) as connector:
        for piece in (BOM_UTF8[:1], BOM_UTF8[1:], USER + b"\n"):
            connector.send_piece(piece)
        assert connector.finish().exit_code == 0
    assert api.world.person(email="ada@example.com")


@pytest.mark.parametrize("object_name", ["person_delete", "person_suppress", "person_device_delete"])
def test_a_row_with_20_000_ignored_columns_logs_a_hundred_names(api: LocalTrackApi, object_name: str) -> None:
    """Each cut, and none again for the next row."""
    columns = {f"column-{number}-{'x' * 1_000}": number for number in range(20_000)}
    more = {f"other-{number}": number for number in range(20_000)}
    identity = {"person_email": "ada@example.com", "device_token": "t"}
    rows = [record("wide", identity | columns), record("wide", identity | more)]
    config = config_for(api.url, allow_destructive_operations=True)
    done = run_connector("write", config, catalog_of(stream("wide", object_name)), rows)
    assert (done.exit_code, done.errors) == (0, [])
    (line,) = (log for log in done.logs if f"{object_name} ignores " in log)
    names = [word.rstrip(",.") for word in line.split() if word.startswith(("column-", "other-", "device_"))]
    assert 99 <= len(names) <= 100
    assert max(map(len, names)) == 200
    assert "Further columns may be ignored; they are not listed." in line
    assert max(map(len, done.lines)) < 30_000


def test_emitted_at_is_read_by_size(api: LocalTrackApi, bucket: Bucket) -> None:
    """Seconds, milliseconds and microseconds come out as milliseconds, and `--since` compares them as such."""
    moments = [1_764_000_000, 1_764_000_000_000, 1_764_000_000_000_000]
    rows = [record("users", {"person_email": None, "n": number}, emitted_at=number) for number in moments]
    lone = {"format_type": "JSONL", "flattening": "No flattening"}
    config = config_for(api.url, object_storage_config=bucket.config(format=lone))
    done = run_connector("write", config, CATALOG, rows)
    assert (done.exit_code, done.errors) == (0, [])
    (key,) = bucket.keys()
    stored = [json.loads(line) for line in bucket.read(key).splitlines()]
    assert [row["_airbyte_extracted_at"] for row in stored] == [1_764_000_000_000] * 3
    assert [row["_airbyte_data"]["n"] for row in stored] == moments
    for since, selected in (("2025-11-24T16:00:00Z", 3), ("2025-11-24T16:00:01Z", 0)):
        found = run_command("rejected", config, None, "--json", "--since", since)
        assert json.loads(found.stdout)["rows"] == selected
