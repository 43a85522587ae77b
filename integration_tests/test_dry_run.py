"""`write --dry-run`: the whole way of a row but the last step."""

from __future__ import annotations

from integration_tests.connector import catalog_of, config_for, record, run_connector, stream, stream_state
from tools.local_track_api import LocalTrackApi

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


def test_a_dry_run_needs_neither_network_nor_bucket() -> None:
    """A mapping can be tried before there are credentials that work."""
    config = config_for("http://127.0.0.1:1")
    assert run_connector("write", config, CATALOG, LINES[-1:], arguments=["--dry-run"]).exit_code == 0


def test_a_dry_run_fails_as_the_sync_would_before_its_first_row() -> None:
    """A stream without an object is found out."""
    done = run_connector(
        "write", config_for("http://127.0.0.1:1"), catalog_of(stream("users")), arguments=["--dry-run"]
    )
    assert done.exit_code == 1
    assert done.error["failure_type"] == "config_error"
