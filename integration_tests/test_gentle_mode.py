"""`max_rows_per_second`: the whole command sends no faster, whatever happens on the way."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from integration_tests.command_line import run_command
from integration_tests.connector import (
    Connector,
    config_for,
    cursors,
    record,
    run_connector,
    stream_state,
    wait_until,
)
from integration_tests.rejected_rows import CATALOG as REJECTED_CATALOG
from integration_tests.rejected_rows import config as config_with_bucket
from integration_tests.rejected_rows import fill
from integration_tests.ways import WAYS, Target, configured, write

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

RATE = 100
ROWS = 300
# The first batch may leave at once, the last one starts with its first row.
LEAST_SECONDS = (ROWS - 2 * RATE / 4) / RATE


USERS = Target("users", "person_identify", {"person_email": "mail"})
CATALOG = configured("data activation", [USERS])[1]


def lines(way: str = "data activation") -> list[bytes]:
    """A stream of people, and its state."""
    column = USERS.column(way, "person_email")
    rows = [record("users", {column: f"u{number}@example.com", "_seq": number}) for number in range(ROWS)]
    return [*rows, stream_state("users", 1)]


@pytest.mark.parametrize("way", WAYS)
def test_a_sync_keeps_the_pace_through_lost_and_refused_requests(api: LocalTrackApi, way: str) -> None:
    """Retries and halves of a refused request count as well, and each row arrives."""
    api.inject({"request": 2, "reset_after_apply": True}, {"request": 4, "status": 400})
    began_at = time.monotonic()
    done = write(way, api.url, [USERS], lines(way), max_rows_per_second=RATE)
    assert time.monotonic() - began_at > LEAST_SECONDS
    assert (done.exit_code, done.errors, cursors(done.states)) == (0, [], [1])
    assert len(api.world.profiles()) == ROWS
    assert api.order_violations == []
    assert any(f"Throttled on purpose: at most {RATE} rows per second are sent" in line for line in done.logs)


def test_lanes_that_were_held_up_together_resume_at_the_pace(api: LocalTrackApi) -> None:
    """A 429 stops all lanes, each with a batch; afterwards they do not send these all at once."""
    seconds_held = 4
    api.inject({"request": 1, "status": 429, "retry_after": seconds_held})
    config = config_for(api.url, max_rows_per_second=RATE, max_concurrent_requests=64)
    began_at = time.monotonic()
    done = run_connector("write", config, CATALOG, lines())
    assert time.monotonic() - began_at > seconds_held + LEAST_SECONDS
    assert (done.exit_code, done.errors, cursors(done.states)) == (0, [], [1])
    assert len(api.world.profiles()) == ROWS


def test_states_leave_while_the_sync_is_throttled_and_a_signal_ends_it(api: LocalTrackApi) -> None:
    """Each state as soon as its rows are delivered, although later rows wait; then nothing more is acknowledged."""
    rows = lines()[:-1]
    input_lines = [line for number, row in enumerate(rows) for line in (row, stream_state("users", number))]
    with Connector("write", config_for(api.url, max_rows_per_second=4), CATALOG) as connector:
        connector.send(input_lines)
        for _ in range(3):
            connector.next_message("STATE")
        connector.signal(signal.SIGTERM)
        signalled_at = time.monotonic()
        done = connector.wait()
    assert time.monotonic() - signalled_at < 10
    assert done.exit_code == 128 + signal.SIGTERM
    acknowledged = cursors(done.states)
    assert acknowledged == [*range(len(acknowledged))]
    assert len(acknowledged) <= len(api.world.profiles()) < ROWS


def test_the_source_waits_instead_of_rows_in_memory(api: LocalTrackApi) -> None:
    """Back-pressure: most of a large input is still unread while the sync sends slowly, and a kill acknowledges nothing."""
    rows = [
        record("users", {"person_email": f"u{number}@example.com", "bio": "x" * 900})
        for number in range(20_000)
    ]
    content = memoryview(b"\n".join(rows))
    written = 0

    def enough_arrived() -> bool:
        nonlocal written
        with contextlib.suppress(BlockingIOError):
            written += os.write(stdin.fileno(), content[written : written + 65_536])
        return bool(api.report()["accepted"] > 20)

    with Connector("write", config_for(api.url, max_rows_per_second=20), CATALOG) as connector:
        assert connector.process.stdin is not None
        stdin = connector.process.stdin
        os.set_blocking(stdin.fileno(), False)
        wait_until(enough_arrived)
        connector.process.kill()
        done = connector.wait()
    assert written < len(content) / 4
    assert done.states == []


def test_a_dry_run_keeps_no_pace_and_counts_the_requests_of_the_real_sync(api: LocalTrackApi) -> None:
    """Batches are small, so there are many."""
    config = config_for(api.url, max_rows_per_second=4)
    began_at = time.monotonic()
    done = run_connector("write", config, CATALOG, lines(), arguments=["--dry-run"])
    assert time.monotonic() - began_at < ROWS / 4
    assert any(f"the sync would make {ROWS} requests" in line for line in done.logs)


def test_a_replay_keeps_the_pace(api: LocalTrackApi, bucket: Bucket) -> None:
    """Rows of the bucket reach Customer.io no faster than rows of a source."""
    storage = bucket.config()
    fill(api, storage)
    config = config_with_bucket(api, storage, max_rows_per_second=4)
    began_at = time.monotonic()
    done = run_command("replay", config, REJECTED_CATALOG)
    # 11 rows are accepted, one in each batch.
    assert time.monotonic() - began_at > 10 / 4
    assert (done.exit_code, len(api.world.profiles())) == (0, 5)
    assert "Throttled on purpose: at most 4 rows per second are sent" in done.stdout


@pytest.mark.parametrize("value", [-1, 0.5, "fast"])
def test_a_limit_that_is_no_number_of_rows_is_refused(api: LocalTrackApi, value: object) -> None:
    """Before the first row, with the key named."""
    done = run_connector("write", config_for(api.url, max_rows_per_second=value), CATALOG, lines())
    assert "max_rows_per_second" in done.failure("config_error")
    assert api.report()["requests"] == {}
