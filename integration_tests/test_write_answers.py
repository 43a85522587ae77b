"""What the server's answers lead to: delivered, rejected, tried again, or the end of the sync with a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import (
    Finished,
    catalog_of,
    config_for,
    cursors,
    record,
    run_connector,
    stream,
    stream_state,
)
from integration_tests.track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CATALOG = catalog_of(stream("orders", "person_event"))


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API."""
    with LocalTrackApi() as server:
        yield server


def rows(number: int, **columns: Any) -> list[bytes]:
    """So many events of one person, and a state behind them."""
    event = {"person_email": "a@b.c", "event_name": "paid", **columns}
    return [*(record("orders", {**event, "_seq": n}) for n in range(number)), stream_state("orders", number)]


def write(api: LocalTrackApi, lines: Sequence[bytes], **config: Any) -> Finished:
    """One sync, which must keep the order whatever happens."""
    done = run_connector("write", config_for(api.url, **config), CATALOG, lines)
    assert api.order_violations == []
    return done


def counts(done: Finished) -> list[tuple[float, float]]:
    """Delivered and rejected rows of each state."""
    return [
        (state["destinationStats"]["recordCount"], state["destinationStats"]["rejectedRecordCount"])
        for state in done.states
    ]


@pytest.mark.parametrize(
    "fault",
    [
        *({"status": status} for status in (408, 429, 500, 502, 503, 504, 522, 524)),
        {"status": 503, "retry_after": 1},
        {"status": 429, "retry_after": {"http_date": 2}},
        {"status": 500, "apply": True},
        {"garbage": True},
        {"truncate": True},
        {"reset_before": True},
        {"reset_after_apply": True},
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again_without_a_double(api: LocalTrackApi, fault: dict[str, Any]) -> None:
    """The first request fails; the second carries the same bytes, so what was applied already counts once."""
    api.inject({**fault, "request": 1})
    done = write(api, rows(50))
    assert (done.exit_code, counts(done)) == (0, [(50.0, 0.0)])
    assert len(api.world.events) == 50
    assert api.report()["requests"]["batch"] == 2
    assert api.report()["ignored"]["repeated_events_with_other_content"] == 0
    assert "1 retries [" in done.logs[-1]


def test_retry_after_is_the_least_to_wait(api: LocalTrackApi) -> None:
    """No request is sent while the server has said to wait."""
    api.inject({"status": 429, "retry_after": 2, "request": [1, 2]})
    done = write(api, rows(10))
    assert done.exit_code == 0
    report = api.report()
    assert report["requests"]["batch"] == 3
    assert report["requests_during_retry_after"] == 0


def test_a_207_rejects_the_rows_it_names_and_no_others(api: LocalTrackApi) -> None:
    """Several errors of one row are one rejected row."""
    errors = [
        {"batch_index": 3, "reason": "invalid", "field": "name", "message": "bad name"},
        {"batch_index": 3, "message": "and more"},
        {"batch_index": 7},
    ]
    api.inject({"errors207": errors, "request": 1})
    done = write(api, rows(10))
    assert (done.exit_code, counts(done)) == (0, [(8.0, 2.0)])
    assert [event.attributes["_seq"] for event in api.world.events] == [0, 1, 2, 4, 5, 6, 8, 9]
    assert "2 rejected [" in "\n".join(done.logs)
    assert api.report()["requests"]["batch"] == 1


@pytest.mark.parametrize("index", [None, -1, 10, 10**30, "3", 1.5, True])
def test_an_error_that_names_no_row_is_never_success(api: LocalTrackApi, index: Any) -> None:
    """The request is halved until the answers can be tied to rows; nothing is acknowledged on a guess."""
    error = {"reason": "invalid", "message": "somebody is wrong"}
    api.inject({"errors207": [error if index is None else {**error, "batch_index": index}], "request": 1})
    done = write(api, rows(10))
    assert (done.exit_code, counts(done)) == (0, [(10.0, 0.0)])
    assert api.report()["requests"]["batch"] == 3
    assert len(api.world.events) == 10


@pytest.mark.parametrize("envelope", ["errors", "meta.error", "meta.errors", "message"])
def test_a_poisonous_row_is_found_by_halving(api: LocalTrackApi, envelope: str) -> None:
    """A request refused as a whole costs its neighbours nothing, whatever form the refusal has."""
    lines = rows(64)
    lines[20] = record(
        "orders", {"person_email": "a@b.c", "event_name": "paid", "_seq": 20, "_poison_request": envelope}
    )
    done = write(api, lines)
    assert (done.exit_code, counts(done)) == (0, [(63.0, 1.0)])
    assert [event.attributes["_seq"] for event in api.world.events] == [n for n in range(64) if n != 20]
    assert api.report()["requests"]["batch"] <= 1 + 2 * 6


def test_a_request_that_is_too_large_for_the_server_is_halved(api: LocalTrackApi) -> None:
    """A 413 says the same as a 400: not this request as a whole."""
    api.inject({"status": 413, "request": 1})
    done = write(api, rows(10))
    assert (done.exit_code, counts(done)) == (0, [(10.0, 0.0)])
    assert api.report()["requests"]["batch"] == 3


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_end_the_sync_at_once(api: LocalTrackApi, status: int) -> None:
    """No retry, no row marked as rejected, nothing acknowledged."""
    api.inject({"status": status})
    done = write(api, rows(10))
    assert (done.exit_code, done.states) == (1, [])
    assert done.error["failure_type"] == "config_error"
    assert "Tracking API Keys" in done.error["message"]
    assert api.report()["requests"]["batch"] == 1
    assert "0 rejected" in "\n".join(done.logs)


def test_states_before_a_failure_are_acknowledged_and_none_after(api: LocalTrackApi) -> None:
    """What is true goes out, though the sync fails."""
    api.inject({"status": 401, "contains": '"late"'})
    first = [
        record("orders", {"person_email": "a@b.c", "event_name": "early", "x": "y" * 900}) for _ in range(600)
    ]
    lines = [
        *first,
        stream_state("orders", 1),
        record("orders", {"person_email": "a@b.c", "event_name": "late"}),
    ]
    done = write(api, [*lines, stream_state("orders", 2)])
    assert done.exit_code == 1
    assert cursors(done.states) in ([], [1])
    assert len(api.world.events) < 601


def test_an_outage_longer_than_the_budget_is_a_transient_error(api: LocalTrackApi) -> None:
    """Airbyte tries again later, from the last state."""
    api.inject({"status": 503})
    done = write(api, rows(10), retry_timeout_seconds=2)
    assert (done.exit_code, done.states) == (1, [])
    assert done.error["failure_type"] == "transient_error"
    assert "HTTP 503" in done.error["message"]
    assert api.report()["requests"]["batch"] >= 2


def test_an_answer_nobody_knows_is_a_system_error(api: LocalTrackApi) -> None:
    """It may be anybody's fault; the status helps to find out whose."""
    api.inject({"status": 418})
    done = write(api, rows(10))
    assert (done.exit_code, done.states) == (1, [])
    assert done.error["failure_type"] == "system_error"
    assert "HTTP 418" in done.error["message"]


def test_a_redirect_elsewhere_is_refused(api: LocalTrackApi) -> None:
    """The credentials go to no host that is not Customer.io's."""
    with LocalTrackApi() as elsewhere:
        api.inject({"status": 307, "headers": {"Location": f"{elsewhere.url}/api/v2/batch"}})
        done = write(api, rows(10))
        assert elsewhere.report()["requests"] == {}
    assert (done.exit_code, done.states) == (1, [])
    assert done.error["failure_type"] == "config_error"
    assert "redirect" in done.error["message"]


def test_rows_of_many_people_go_in_many_requests_at_once(api: LocalTrackApi) -> None:
    """As many as configured, and never two with rows of one person."""
    api.configure(latency_seconds=0.2)
    event = {"event_name": "paid", "x": "y" * 900}
    lines = [record("orders", {**event, "person_email": f"u{n % 500}@b.c", "_seq": n}) for n in range(6_000)]
    done = write(api, lines, max_concurrent_requests=4)
    assert done.exit_code == 0
    assert api.report()["max_concurrent_requests"] == 4
    assert len(api.world.events) == 6_000
