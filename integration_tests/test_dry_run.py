"""`write --dry-run`: the whole way of a row but the last step."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from integration_tests.command_line import on_terminal, run_command
from integration_tests.connector import (
    SCRIPT,
    Connector,
    catalog_of,
    config_for,
    record,
    run_connector,
    stream,
    stream_state,
    wait_until,
)
from tools.local_track_api import LocalTrackApi

# Nothing answers there, and nothing has to.
OFFLINE = config_for("http://127.0.0.1:1")

CATALOG = catalog_of(stream("users", "person_identify"), stream("orders", "person_event"))
LINES = [
    *(
        record("users", {"person_email": f"u{number}@example.com", "bio": "x" * 500})
        for number in range(2_000)
    ),
    record("users", {"person_email": " "}),
    record("users", {"person_email": "long@example.com", "bio": "x" * 1_001}),
    *(
        record("orders", {"person_email": f"u{number}@example.com", "event_name": "paid"})
        for number in range(10)
    ),
    stream_state("users", 1),
]


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing() -> None:
    """Rows, rejections by reason, and as many requests as the real sync makes; no request, no state."""
    with LocalTrackApi() as api:
        done = run_connector("write", config_for(api.url), CATALOG, LINES, arguments=["--dry-run"])
        report = api.report()
        real = run_connector("write", config_for(api.url), CATALOG, LINES)
        requests = api.report()["requests"]["batch"]
    assert real.exit_code == 0
    assert done.exit_code == 0
    assert done.states == []
    assert report["requests"] == {}
    logs = "\n".join(done.logs)
    assert (
        "Stream users: 2,002 rows read, 2,000 would be sent, 2 rejected [required (person_email): 1, too_large (bio): 1]."
        in logs
    )
    assert "Stream orders: 10 rows read, 10 would be sent, 0 rejected." in logs
    assert "Stream users: its rows would be sent in 8 requests." in logs
    assert "Stream orders: its rows would be sent in " in logs
    assert f"Dry run: the sync would make {requests} requests. Nothing was sent" in logs
    assert not any("requests to Customer.io" in line for line in done.logs)


def test_a_dry_run_needs_neither_network_nor_bucket() -> None:
    """A mapping can be tried before there are credentials that work."""
    config = config_for("http://127.0.0.1:1")
    assert run_connector("write", config, CATALOG, LINES[-1:], arguments=["--dry-run"]).exit_code == 0


def test_the_files_shown_in_the_documentation_are_enough() -> None:
    """Somebody without an Airbyte platform can paste them."""
    page = (Path(__file__).parents[1] / "docs" / "dry-run.md").read_text()
    files = dict(re.findall(r"<!-- file: (\S+) -->\n```json\n(.*?)\n```", page, re.DOTALL))
    lines = files["messages.jsonl"].encode().splitlines()
    config, catalog = json.loads(files["config.json"]), json.loads(files["catalog.json"])
    done = run_connector("write", config, catalog, lines, arguments=("--dry-run",))
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Stream users: 1 row read, 1 would be sent, 0 rejected." in done.logs


def test_a_dry_run_fails_as_the_sync_would_before_its_first_row() -> None:
    """A stream without an object is found out."""
    done = run_connector(
        "write", config_for("http://127.0.0.1:1"), catalog_of(stream("users")), arguments=["--dry-run"]
    )
    assert done.exit_code == 1
    assert done.error["failure_type"] == "config_error"


def test_samples_show_rows_beside_their_entries(tmp_path: Path) -> None:
    """What a row becomes, why rows are skipped or rejected; values only if asked for."""
    lines = [
        record("users", {"person_email": "ada@example.com", "plan": "gold", "_ab_cdc_lsn": 7}),
        record("users", {"person_email": "bob@example.com", "_ab_cdc_deleted_at": "2026-01-01T00:00:00Z"}),
        record("orders", {"person_email": "ada@example.com", "event_name": "paid", "timestamp": "soon"}),
    ]
    report = tmp_path / "report.html"
    arguments = ["--dry-run", "--sample", "1", "--report", str(report)]
    masked = "\n".join(run_connector("write", OFFLINE, CATALOG, lines, arguments=arguments).logs)
    assert 'Stream users, sample 1, would be sent: {"person_email":"xxx@xxxxxxx.xxx","plan":"xxxx"' in masked
    assert '"identifiers":{"email":"xxx@xxxxxxx.xxx"},"attributes":{"plan":"xxxx"}' in masked
    assert "_ab_cdc_lsn: left out (a column of Airbyte's own)" in masked
    assert "Stream users, sample 2, would be skipped, deleted in the source" in masked
    assert "Stream orders, sample 1, would be rejected, invalid (timestamp)" in masked
    assert not any(value in masked + report.read_text() for value in ("ada@", "bob@", "gold", "soon"))
    shown = run_connector("write", OFFLINE, CATALOG, lines, arguments=[*arguments, "--show-values"])
    assert '"identifiers":{"email":"ada@example.com"},"attributes":{"plan":"gold"}' in "\n".join(shown.logs)
    assert "ada@example.com" in report.read_text()


def test_a_dry_run_as_json() -> None:
    """One document on stdout, the log on stderr."""
    done = run_command("write", OFFLINE, CATALOG, "--dry-run", "--json", rows=LINES)
    document = json.loads(done.stdout)
    assert done.exit_code == 0
    assert "Stream users: 2,002 rows read" in done.stderr
    assert document["rows"] == {"read": 2_012, "would_be_sent": 2_010, "rejected": 2, "skipped": 0}
    users, orders = document["streams"]
    assert (users["stream"], users["object"], users["requests"]) == ("users", "person_identify", 8)
    assert [(kind["reason"], kind["field"], kind["rows"]) for kind in users["rejected"]] == [
        ("required", "person_email", 1),
        ("too_large", "bio", 1),
    ]
    assert orders["event_ages"] == {"recent": 10, "older": 0, "future": 0}
    assert document["is_complete"] is True
    assert users["samples"] == []
    requests = document["requests"]
    assert requests["fullest_bytes"] <= requests["limit_bytes"] == 500_000
    assert requests["bytes"] > 2_000 * 500


def test_a_limit_ends_the_dry_run_although_the_input_goes_on() -> None:
    """The head of a large table shows what a mapping does; the source need not end."""
    with Connector("write", OFFLINE, CATALOG, arguments=["--dry-run", "--limit-rows", "3"]) as connector:
        connector.send(LINES[:10])
        done = connector.wait()
    assert done.exit_code == 0
    assert "Stream users: 3 rows read, 3 would be sent, 0 rejected." in "\n".join(done.logs)


def test_an_unwritable_report_is_found_before_the_first_row(tmp_path: Path) -> None:
    """Nobody waits for a long run to learn that its report has no place."""
    arguments = ["--dry-run", "--report", str(tmp_path / "missing" / "report.html")]
    with Connector("write", OFFLINE, CATALOG, arguments=arguments) as connector:
        message = connector.wait().failure("config_error")
    assert "The report can't be written to" in message
    assert "No such file or directory" in message


@pytest.mark.parametrize(
    "option", ["--json", "--show-values", "--sample=2", "--limit-rows=5", "--report=x.html"]
)
def test_options_of_the_dry_run_are_refused_without_it(option: str) -> None:
    """Somebody who forgets --dry-run must not send rows."""
    done = run_connector("write", OFFLINE, CATALOG, LINES, arguments=[option])
    assert done.exit_code == 2
    assert f"{option.split('=', maxsplit=1)[0]} needs --dry-run; nothing was read or sent" in done.stderr


def test_a_dry_run_on_a_terminal_prints_tables(tmp_path: Path) -> None:
    """Three rows of each stream without being asked, and no protocol messages."""
    arguments = []
    for name, content in (("config", OFFLINE), ("catalog", CATALOG)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))
        arguments += [f"--{name}", str(path)]
    shown, exit_code = on_terminal("write", "--dry-run", *arguments, rows=LINES)
    assert exit_code == 0
    assert '"LOG"' not in shown
    assert "users to person_identify, sample 3: would be sent" in shown
    assert "users to person_identify, sample 4: would be rejected, required" in shown


def test_a_dry_run_says_that_the_sync_would_stop() -> None:
    """It reads on, as all reasons matter; the sync stops where the share of rejected rows is exceeded."""
    config = {**OFFLINE, "max_rejected_percent": 10}
    rows = [
        record("users", {"person_email": None if number % 2 else "ada@example.com"})
        for number in range(2_000)
    ]
    done = run_command("write", config, CATALOG, "--dry-run", "--json", rows=rows)
    document = json.loads(done.stdout)
    assert document["rows"]["read"] == 2_000
    (warning,) = document["warnings"]
    assert "Stream users: a sync would stop after 1,000 rows, as more than the 10 percent" in warning
    assert warning in done.stderr


def test_a_broken_line_ends_a_dry_run_of_which_nothing_was_delivered() -> None:
    """The error does not say that rows before it were."""
    done = run_command("write", OFFLINE, CATALOG, "--dry-run", "--json", rows=[*LINES[:2], b"no message"])
    assert done.exit_code == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("Line 3 of the input is not a message of the Airbyte protocol")
    assert "Nothing was sent. A sync would fail at this line." in error
    assert "delivered" not in error


def test_an_input_that_can_not_be_read_ends_a_dry_run_of_which_nothing_was_delivered(tmp_path: Path) -> None:
    """The error does not speak of rows that were."""
    for name, content in (("config", OFFLINE), ("catalog", CATALOG)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    line = f"{SCRIPT} write --dry-run --json --config config.json --catalog catalog.json <&-"
    done = subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    error = done.stderr.splitlines()[-1]
    assert error.startswith("The input could not be read to the end (Bad file descriptor). Nothing was sent.")
    assert "delivered" not in error


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux lists the children of a process.")
def test_a_killed_dry_run_prints_nothing_that_is_no_json() -> None:
    """Its parent reports that on stderr."""
    with Connector("write", OFFLINE, CATALOG, arguments=["--dry-run", "--json"]) as connector:
        children = Path(f"/proc/{connector.process.pid}/task/{connector.process.pid}/children")
        wait_until(lambda: bool(children.read_text().split()))
        os.kill(int(children.read_text()), signal.SIGKILL)
        done = connector.wait()
    assert (done.exit_code, done.lines) == (1, [])
    assert "The connector was killed (SIGKILL)" in done.stderr


def test_a_json_document_is_utf_8_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program reads it."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    rows = [record("users", {"person_email": "ada@example.com", "städte": "Köln"})]
    arguments = "--dry-run", "--json", "--sample=1", "--show-values"
    done = run_command("write", OFFLINE, CATALOG, *arguments, rows=rows)
    assert done.exit_code == 0
    (sample,) = json.loads(done.stdout)["streams"][0]["samples"]
    assert sample["row"]["städte"] == "Köln"


def test_members_and_divided_rows_are_shown_and_masked() -> None:
    """With the number of entries, and without a value of the row."""
    related = [{"identifiers": {"object_type_id": "417", "object_id": "secret" * 20}}] * 600
    rows = [
        record("members", {"person_email": "ada@example.com", "segment_id": 417}),
        record("users", {"person_email": "ada@example.com", "cio_relationships": related}),
    ]
    catalog = catalog_of(stream("members", "segment_add"), stream("users", "person_identify"))
    shown = run_command("write", OFFLINE, catalog, "--dry-run", "--sample=1", rows=rows)
    done = run_command("write", OFFLINE, catalog, "--dry-run", "--json", "--sample=1", rows=rows)
    assert (shown.exit_code, done.exit_code) == (0, 0)
    (member,), (user,) = (found["samples"] for found in json.loads(done.stdout)["streams"])
    assert member["entry"].keys() == {"action", "segment_id", "id_type", "ids"}
    assert (member["entry"]["action"], member["entry"]["id_type"]) == ("add_customers", "email")
    assert member["note"] == ""
    assert user["entry"]["cio_relationships"]
    assert user["note"].startswith("The row is too large for one entry. This is the first of ")
    assert "This is the first of" in shown.stdout + shown.stderr
    for output in (shown.stdout, shown.stderr, done.stdout, done.stderr):
        assert not any(value in output for value in ("417", "secret", "ada@"))


@pytest.mark.parametrize(
    ("redirection", "cause"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_a_json_document_that_cannot_be_written_is_an_error(
    tmp_path: Path, redirection: str, cause: str
) -> None:
    """No program takes a document that is missing for an empty one."""
    for name, content in (("config", OFFLINE), ("catalog", CATALOG)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    line = f"{SCRIPT} write --dry-run --json --config config.json --catalog catalog.json {redirection} </dev/null"
    done = subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert cause in done.stderr.splitlines()[-1]
    assert "Unexpected" not in done.stderr


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "²"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    """In words for a person, not in names of functions."""
    done = run_connector("write", OFFLINE, CATALOG, arguments=["--dry-run", f"--sample={number}"])
    assert done.exit_code == 2
    assert "argument --sample: not a whole number above zero" in done.stderr
