"""Graceful shutdown on a signal or a closed stdout: rows in flight are finished and acknowledged, without a trace."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import (
    SCRIPT,
    Connector,
    catalog_of,
    config_for,
    cursors,
    record,
    run_connector,
    stream,
    stream_state,
    wait_until,
)
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from pathlib import Path

CATALOG = catalog_of(stream("users", "person_identify"), stream("orders", "person_event"))
# Longer than any process may take to end.
FOR_EVER_SECONDS = 1_000


def events(first: int, number: int, person: str = "ada@example.com") -> list[bytes]:
    """So many rows of one person, sixteen of which fill a request."""
    event = {"person_email": person, "event_name": "paid", "x": "x" * 30_000}
    return [record("orders", {**event, "n": n}) for n in range(first, first + number)]


def batches(api: LocalTrackApi) -> int:
    """How many requests have begun to come in."""
    return api.requests.requests["batch"]


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_finishes_rows_in_flight_and_acknowledges_them(
    api: LocalTrackApi, number: signal.Signals, exit_code: int
) -> None:
    """A request in flight is finished, an open batch is sent, and both states are emitted; this is not a failure."""
    api.inject({"request": 1, "delay_seconds": 2})
    with Connector("write", config_for(api.url), CATALOG) as connector:
        connector.send(
            [*events(0, 10), stream_state("orders", 1), *events(10, 10), stream_state("orders", 2)]
        )
        # It waits for no row, so it comes back as soon as all before it is read.
        connector.send([stream_state("users", 0)])
        assert cursors([connector.next_message("STATE")]) == [0]
        wait_until(lambda: batches(api) == 1)
        connector.signal(number)
        done = connector.wait()
    assert (done.exit_code, done.errors, done.stderr) == (exit_code, [], "")
    assert cursors(done.states) == [0, 1, 2]
    assert [event.attributes["n"] for event in api.world.events] == list(range(20))
    assert "Stream orders: 20 rows read, 20 delivered, 0 rejected." in done.logs


def test_a_signal_ends_a_sync_whose_server_is_silent_or_down(api: LocalTrackApi) -> None:
    """In time, with the state that is true, and without the one that is not; two syncs at once, as both take seconds."""
    lines = [
        *events(0, 10),
        stream_state("orders", 1),
        *events(10, 10),
        *events(0, 20, "stuck@example.com"),
        stream_state("orders", 2),
    ]
    with LocalTrackApi() as down, Connector("write", config_for(api.url), CATALOG) as waiting:
        api.inject({"contains": "stuck@", "hang_seconds": FOR_EVER_SECONDS})
        down.inject({"contains": "stuck@", "status": 503, "retry_after": FOR_EVER_SECONDS})
        config = config_for(down.url, retry_timeout_seconds=10 * FOR_EVER_SECONDS)
        with Connector("write", config, CATALOG) as retrying:
            for connector in (waiting, retrying):
                connector.send(lines)
                assert cursors([connector.next_message("STATE")]) == [1]
            wait_until(lambda: batches(api) >= 2 and batches(down) >= 2)
            for connector in (waiting, retrying):
                connector.signal(signal.SIGTERM)
            for connector in (waiting, retrying):
                done = connector.wait()
                assert (done.exit_code, done.errors, done.stderr) == (143, [], "")
                assert cursors(done.states) == [1]
                assert any("not settled" in line for line in done.logs)


def test_a_signal_before_any_row_ends_the_process_quietly(api: LocalTrackApi) -> None:
    """While it waits for input, and already while it asks for the region."""
    with Connector("write", config_for(api.url), CATALOG) as connector:
        next(text for text in connector.messages("LOG") if "goes to person_event" in text["message"])
        connector.signal(signal.SIGTERM)
        done = connector.wait()
    assert (done.exit_code, done.errors, done.states, done.stderr) == (143, [], [], "")

    api.inject({"path": "region", "hang_seconds": FOR_EVER_SECONDS})
    with Connector("write", config_for(api.url), CATALOG) as connector:
        wait_until(lambda: api.requests.requests["region"] == 2)
        connector.signal(signal.SIGTERM)
        done = connector.wait()
    assert (done.exit_code, done.lines, done.stderr) == (143, [], "")


def test_a_killed_sync_is_made_good_by_the_next(api: LocalTrackApi) -> None:
    """SIGKILL may double what was not acknowledged, and loses nothing: ids of the rows' own keep even doubles out."""

    def order(number: int) -> bytes:
        event = {"person_email": "ada@example.com", "event_name": "paid", "x": "x" * 30_000}
        return record("orders", {**event, "event_id": f"order-{number}"})

    lines = [order(number) for number in range(40)]
    lines[10:10] = [stream_state("orders", 1)]
    with Connector("write", config_for(api.url, max_concurrent_requests=1), CATALOG) as connector:
        connector.send(lines)
        acknowledged = cursors([connector.next_message("STATE")])
        connector.signal(signal.SIGKILL)
        connector.wait()
    assert acknowledged == [1]
    assert len(api.world.events) < 40
    done = run_connector("write", config_for(api.url), CATALOG, [*lines[11:], stream_state("orders", 2)])
    assert (done.exit_code, cursors(done.states)) == (0, [2])
    assert len(api.world.events) == len({event.id for event in api.world.events}) == 40


def test_a_closed_stdout_ends_the_sync_silently(api: LocalTrackApi, tmp_path: Path) -> None:
    """There is no reader for an error; a traceback would only hide why the platform closed the pipe."""
    (tmp_path / "config.json").write_text(json.dumps(config_for(api.url)))
    (tmp_path / "catalog.json").write_text(json.dumps(CATALOG))
    command = [str(SCRIPT), "write", "--config", "config.json", "--catalog", "catalog.json"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        while b"goes to person_event" not in process.stdout.readline():
            pass
        process.stdout.close()
        process.stdin.write(b"\n".join([*events(0, 20), stream_state("orders", 1), b""]))
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
