"""Answers that are not Customer.io's, or not what they seem: acknowledged must mean accepted."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import (
    Connector,
    catalog_of,
    record,
    run_at_once,
    run_connector,
    stream,
    stream_state,
)
from integration_tests.faults.sizes import IS_LONG
from integration_tests.faults.storms import API_KEY, SITE_ID, config_of, weather
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.buckets import Bucket
    from integration_tests.connector import Finished

CATALOG = catalog_of(stream("orders", "person_event"))
PAGE = "<html><h1>Access denied</h1></html>"


def lines(rows: int, **columns: Any) -> list[bytes]:
    """Events of many people, then a state."""
    made = [
        record("orders", {"person_email": f"u{n}@b.c", "event_name": "paid", "_seq": n, **columns})
        for n in range(rows)
    ]
    return [*made, stream_state("orders", rows)]


def write(api: LocalTrackApi, rows: int = 40, **config: Any) -> Finished:
    """One sync."""
    return run_connector("write", config_of(api, **config), CATALOG, lines(rows))


NO_SUCCESS: list[tuple[dict[str, Any], str, str]] = [
    *(({"status": status}, "system_error", f"HTTP {status}") for status in (202, 204, 206, 226)),
    ({"status": 200, "body": {"error": "x"}}, "system_error", "does not count as success"),
    (
        {"status": 200, "body": {"status": "error", "message": "not taken"}},
        "system_error",
        "does not count as success",
    ),
    *(
        ({"status": 200, "body": body}, "system_error", "does not count as success")
        for body in (
            {"success": False},
            {"Message": "not taken"},
            {"errorMessage": "Task timed out"},
            {"meta": {"status": "error"}},
            {"result": {"errors": ["not taken"]}},
            {"code": 500},
        )
    ),
    ({"status": 200, "body": {"meta": {"error": "Unauthorized request"}}}, "config_error", "API Key"),
    ({"status": 402, "body": {"meta": {"error": "plan"}}}, "config_error", "billing"),
    *(({"status": status}, "config_error", "track_api_url") for status in (404, 405, 410)),
    ({"status": 407}, "config_error", "A proxy between Airbyte and Customer.io asks for a login"),
    (
        {"status": 401, "body": PAGE},
        "config_error",
        "A proxy between Airbyte and Customer.io asks for a login",
    ),
    ({"status": 403, "body": PAGE}, "config_error", "A firewall or proxy between Airbyte and Customer.io"),
    ({"status": 403, "body": {"meta": {"error": "no"}}}, "config_error", "API Key"),
    (
        {"status": 511, "body": PAGE},
        "config_error",
        "A proxy between Airbyte and Customer.io asks for a login",
    ),
    *(
        (
            {"status": status, "headers": {"Location": location}},
            "config_error",
            "redirect that can't be followed",
        )
        for status, location in (
            (302, "https://login.example/"),
            (307, "http://track.customer.io/"),
            (308, "/login"),
        )
    ),
    ({"status": 418}, "system_error", "HTTP 418"),
]
HALF_A_HEAD = "HTTP/1.1 200 OK\r\nContent-Le"
HALF_A_BODY = gzip.compress(b'{"errors":[{"batch_index":0}]}')[:10].decode("latin-1")
LOST = "the connection was lost"
UNPROVEN: list[tuple[dict[str, Any], list[str]]] = [
    ({"raw": "HTTP/1.1 200"}, [LOST]),
    ({"raw": HALF_A_HEAD}, [LOST]),
    (
        {"raw": f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n{HALF_A_BODY}"},
        ["the answer was cut off"],
    ),
    # A connection that is closed with unread bytes may lose the answer too.
    (
        {"early": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"},
        ["an answer before the whole request had been sent", LOST],
    ),
    ({"status": 200, "body": PAGE}, ["a web page"]),
    ({"status": 200, "body": "null"}, ["an unreadable body"]),
    ({"status": 503, "retry_after": 86_400}, ["a Retry-After of 86400 s"]),
]


@contextlib.contextmanager
def servers_with(path: str) -> Iterator[list[LocalTrackApi]]:
    """A server for each of these answers to all requests of a path."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(LocalTrackApi(SITE_ID, API_KEY)) for _ in NO_SUCCESS]
        for server, (fault, _, _) in zip(servers, NO_SUCCESS, strict=True):
            server.inject({**fault, "path": path})
        yield servers


def test_an_answer_that_is_no_success_acknowledges_nothing(figures: Callable[..., None]) -> None:
    """The sync ends with a sentence about what answered; no row counts as delivered or rejected."""
    with servers_with("batch") as servers:
        runs = {str(n): partial(write, server) for n, server in enumerate(servers)}
        done = run_at_once(runs)
    for number, (_, failure_type, words) in enumerate(NO_SUCCESS):
        run = done[str(number)]
        assert words in run.failure(failure_type)
        assert run.states == []
        assert " 0 rejected" in "\n".join(run.logs)
    figures(faults=f"{len(NO_SUCCESS)} kinds of answers", rows=40 * len(NO_SUCCESS))


def test_an_answer_that_proves_nothing_acknowledges_nothing() -> None:
    """It is cut off, comes before the whole request was sent, or is not the API's; the message names which."""
    rows = lines(40, x="x" * 12_000)
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(LocalTrackApi(SITE_ID, API_KEY)) for _ in UNPROVEN]
        for server, (fault, _) in zip(servers, UNPROVEN, strict=True):
            server.inject(fault)
        runs = {
            str(n): partial(run_connector, "write", config_of(server, retry_timeout_seconds=2), CATALOG, rows)
            for n, server in enumerate(servers)
        }
        done = run_at_once(runs)
    for number, (_, causes) in enumerate(UNPROVEN):
        message = done[str(number)].failure("transient_error")
        assert any(cause in message for cause in causes), message
        assert done[str(number)].states == []


def test_a_check_judges_answers_as_a_sync_does() -> None:
    """It fails with the same sentences."""
    with servers_with("region") as servers:
        runs = {
            str(n): partial(run_connector, "check", config_of(server)) for n, server in enumerate(servers)
        }
        done = run_at_once(runs)
    for number, (_, _, words) in enumerate(NO_SUCCESS):
        (status,) = done[str(number)].of_type("CONNECTION_STATUS")
        assert status["status"] == "FAILED"
        assert words in status["message"]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 202},
        {"status": 204, "apply": True},
        {"status": 200, "body": {"errors": {"x": "y"}}, "apply": True},
        {"status": 404},
        {"status": 407},
        {"status": 401, "body": PAGE},
        {"status": 403, "body": PAGE},
        {"status": 451},
        {"status": 302, "headers": {"Location": "https://login.example/"}},
        {"status": 511, "body": PAGE},
        {"raw": HALF_A_HEAD},
        {"early": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"},
    ],
    ids=str,
)
def test_an_answer_of_somebody_else_costs_nothing_once(api: LocalTrackApi, fault: dict[str, Any]) -> None:
    """The request is sent again, and every row arrives once."""
    api.inject({**fault, "request": 1})
    weather(api, 500)


def test_a_422_is_a_refusal(api: LocalTrackApi) -> None:
    """The row at fault is rejected alone."""
    api.inject({"status": 422, "body": {"message": "cannot be processed"}, "contains": '"_seq":7}'})
    done = write(api, 40)
    assert done.exit_code == 0
    assert done.states[0]["destinationStats"] == {"recordCount": 39.0, "rejectedRecordCount": 1.0}


def test_a_row_that_a_firewall_blocks_is_rejected_alone(api: LocalTrackApi, bucket: Bucket) -> None:
    """The reason names the firewall, next to the row; all other rows arrive, in order."""
    api.inject({"status": 403, "body": PAGE, "contains": '"_seq":7}'})
    storage = bucket.config(format={"format_type": "JSONL"})
    done = write(api, 40, object_storage_config=storage, max_concurrent_requests=1)
    assert done.exit_code == 0
    assert done.states[0]["destinationStats"] == {"recordCount": 39.0, "rejectedRecordCount": 1.0}
    assert [event.attributes["_seq"] for event in api.world.events] == [n for n in range(40) if n != 7]
    assert api.order_violations == []
    assert api.report()["requests"]["batch"] <= 2 + 2 * 7 + 2
    (key,) = bucket.keys()
    row = json.loads(bucket.read(key))["_airbyte_data"]
    assert (row["_seq"], row["rejected_reason"]) == (7, "blocked")
    assert "firewall or proxy" in row["rejected_message"]


@pytest.mark.parametrize("endless", ["interim", "drip"])
def test_an_answer_without_an_end_is_given_up(
    api: LocalTrackApi, endless: str, figures: Callable[..., None]
) -> None:
    """Within the budget of the request; sent again, its events count once."""
    api.inject({"endless": endless, "request": 1})
    done = run_connector("write", config_of(api, retry_timeout_seconds=4), CATALOG, lines(1))
    assert done.error["failure_type"] == "transient_error"
    assert "no answer in time" in done.error["message"]
    if IS_LONG:
        api.reset()
        api.inject({"endless": endless, "request": 1})
        assert len(write(api, 1).states) == 1
    assert len(api.world.events) == 1
    figures(faults=f"an endless answer ({endless})", rows=1)


def test_interim_answers_are_skipped(api: LocalTrackApi) -> None:
    """However many 103s come before the answer."""
    api.inject({"early_hints": 3})
    weather(api, 500)


def test_a_date_to_retry_after_is_measured_by_the_servers_clock(api: LocalTrackApi) -> None:
    """A server whose clock is a day ahead does not stop a sync for a day."""
    ahead = time.time() + 86_400
    headers = {"Date": formatdate(ahead, usegmt=True), "Retry-After": formatdate(ahead + 1, usegmt=True)}
    api.inject({"status": 503, "headers": headers, "request": 1})
    weather(api, 500, retry_timeout_seconds=60)


def test_large_answers_in_all_lanes_at_once_are_bounded(
    api: LocalTrackApi, figures: Callable[..., None]
) -> None:
    """Eight answers of 31 MB do not add up in memory."""
    body = {"padding": ["x" * 24] * (31_000_000 // 27)}
    api.inject({"status": 200, "body": body, "apply": True, "request": [1, 8]})
    with Connector("write", config_of(api), CATALOG) as connector:
        connector.send(lines(400))
        # While stdin is open the command is still there to be measured.
        connector.next_message("STATE")
        peak_kib = connector.peak_memory_kib
        assert api.requests.statuses["200"] == 8
        assert connector.finish().exit_code == 0
    # More than one such answer takes, so that this is not another process's memory.
    assert 100 * 1_024 < peak_kib < 400 * 1_024
    figures(faults="8 answers of 31 MB", rows=400, peak_mib=round(peak_kib / 1_024))
