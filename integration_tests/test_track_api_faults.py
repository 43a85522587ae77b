"""Faults on order, as a client sees them, and when they strike."""

from __future__ import annotations

import json
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from integration_tests.test_track_api import Client, batch, event, identify
from tools.local_track_api import LocalTrackApi
from tools.local_track_api.faults import BadRule, FaultPlan, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A server of its own."""
    with LocalTrackApi() as local:
        yield local


@pytest.fixture
def client(api: LocalTrackApi) -> Iterator[Client]:
    """A client of that server."""
    client = Client(api)
    with closing(client.session):
        yield client


def plan(*rules: dict[str, Any]) -> FaultPlan:
    """A plan of these rules."""
    return FaultPlan([Rule.from_json(rule) for rule in rules])


def struck(faults: FaultPlan, requests_sent: int, path: str = "batch", body: bytes = b"") -> list[int]:
    """The numbers of the requests that any fault strikes."""
    return [
        number for number in range(1, requests_sent + 1) if faults.after_body(path, number, body) is not None
    ]


@pytest.mark.parametrize(
    ("conditions", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"request": 3}, [3]),
        ({"request": [2, 4]}, [2, 3, 4]),
        ({"every": 3}, [3, 6]),
        ({"times": 2}, [1, 2]),
        ({"every": 2, "times": 2}, [2, 4]),
        ({"request": [2, 5], "every": 2}, [2, 4]),
        ({"probability": 0}, []),
        ({"probability": 1}, [1, 2, 3, 4, 5, 6]),
        ({"contains": "x"}, []),
        ({"contains": ""}, [1, 2, 3, 4, 5, 6]),
        ({"path": "region"}, []),
    ],
)
def test_a_rule_strikes_where_all_its_conditions_hold(conditions: dict[str, Any], numbers: list[int]) -> None:
    """Numbers, steps, chances, content, path and how often are joined by *and*."""
    assert struck(plan({**conditions, "status": 500}), 6) == numbers


def test_chance_is_repeatable() -> None:
    """The same seed strikes the same requests, another seed others."""
    draws = [struck(plan({"probability": 0.5, "seed": seed, "garbage": True}), 64) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert 10 < len(draws[0]) < 54


def test_the_first_rule_that_holds_decides() -> None:
    """Rules are asked in order, and one strikes."""
    faults = plan({"request": 1, "status": 500}, {"status": 503})
    rules = [faults.after_body("batch", number, b"") for number in (1, 2)]
    assert [rule and rule.status for rule in rules] == [500, 503]
    assert faults.fired == [1, 1]


@pytest.mark.parametrize(
    "rule",
    [
        [],
        {},
        {"request": 1},
        {"status": 500, "colour": "red"},
        {"status": "500"},
        {"status": 99},
        {"status": 500, "garbage": True},
        {"status": 500, "request": 0},
        {"status": 500, "request": [1]},
        {"status": 500, "every": 0},
        {"status": 500, "probability": 2},
        {"status": 500, "retry_after": "soon"},
        {"status": 500, "retry_after": {"date": 1}},
        {"status": 500, "headers": {"a": 1}},
        {"status": 500, "path": "entity"},
        {"garbage": True, "body": "x"},
        {"reset_before": True, "contains": "x"},
        {"delay_seconds": -1},
        {"delay_seconds": True},
        {"hang_seconds": None},
        {"errors207": "some"},
    ],
)
def test_a_rule_that_can_not_be_meant_is_refused(client: Client, rule: object) -> None:
    """Mistakes in a rule are told with 400, and the rules in force stay."""
    client.control("POST", "faults", [{"times": 1, "status": 503}])
    with pytest.raises(BadRule):
        Rule.from_json(rule)
    assert client.control("POST", "faults", [rule]).status_code == 400
    assert client.send(identify("a@x.org")).status_code == 503


def test_rules_are_set_listed_and_cleared_over_http(client: Client) -> None:
    """POST replaces, GET shows how often each has acted, DELETE ends them."""
    client.control("POST", "faults", [{"status": 500}])
    client.control("POST", "faults", [{"status": 503, "contains": "b@"}])
    assert client.send(identify("a@x.org")).status_code == 200
    assert client.send(identify("b@x.org")).status_code == 503
    assert client.control("GET", "faults").json() == [{"contains": "b@", "status": 503, "fired": 1}]
    assert client.control("POST", "faults", {}).status_code == 400
    assert client.control("DELETE", "faults").status_code == 200
    assert client.send(identify("b@x.org")).status_code == 200


def test_a_status_comes_with_headers_and_body_and_nothing_is_applied(
    api: LocalTrackApi, client: Client
) -> None:
    """The answer is the rule's own, word for word."""
    api.inject({"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}, "body": {"a": 1}})
    answer = client.post(batch(identify("a@x.org")), allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"], answer.json()) == (
        302,
        "http://127.0.0.1:9/",
        {"a": 1},
    )
    api.inject({"status": 522, "body": "down"})
    answer = client.send(identify("a@x.org"))
    assert (answer.status_code, answer.text) == (522, "down")
    assert api.world.people == {}


def test_a_status_may_come_after_the_entries_were_applied(api: LocalTrackApi, client: Client) -> None:
    """The worst of both: it sounds like failure, and everything was taken."""
    api.inject({"status": 500, "apply": True, "times": 1})
    body = batch(identify("a@x.org", _seq=1), identify("a@x.org", _seq=2))
    assert client.post(body).status_code == 500
    assert list(api.world.people) == ["email:a@x.org"]
    assert client.post(body).status_code == 200
    assert api.order_violations == []


def test_retry_after_is_given_in_seconds_or_as_a_date(api: LocalTrackApi, client: Client) -> None:
    """Both of HTTP's forms, counted from the moment of the answer."""
    api.inject({"status": 429, "retry_after": 7})
    assert client.send(identify("a@x.org")).headers["Retry-After"] == "7"
    api.inject({"status": 503, "retry_after": {"http_date": 100}})
    header = client.send(identify("a@x.org")).headers["Retry-After"]
    assert 95 < parsedate_to_datetime(header).timestamp() - time.time() <= 100


@pytest.mark.parametrize("retry_after", [60, {"http_date": 60}])
def test_requests_during_a_pause_are_counted(
    api: LocalTrackApi, client: Client, retry_after: int | dict[str, int]
) -> None:
    """After a 429 with Retry-After, each request that comes too early is counted, with its time."""
    api.inject({"status": 429, "retry_after": retry_after, "request": 2})
    for _ in range(4):
        client.send(identify("a@x.org"))
    report = api.report()
    assert report["requests_during_retry_after"] == 2
    early = report["requests_during_retry_after_seconds"]
    assert early == sorted(early)
    assert all(0 <= seconds < 60 for seconds in early)


def test_a_pause_ends(api: LocalTrackApi, client: Client) -> None:
    """A 429 that asks for no time, or says nothing of it, pauses nobody."""
    api.inject({"status": 429, "retry_after": 0, "request": 1}, {"status": 429, "request": 2})
    for _ in range(3):
        client.send(identify("a@x.org"))
    assert api.report()["requests_during_retry_after"] == 0


def test_a_reset_before_the_body_applies_nothing(api: LocalTrackApi, client: Client) -> None:
    """The client sees its connection reset, and the server never read the entries."""
    api.inject({"reset_before": True, "times": 1})
    with pytest.raises(requests.exceptions.ConnectionError):
        client.send(identify("a@x.org"))
    assert api.world.people == {}
    assert api.requests.body_bytes == []
    assert client.send(identify("a@x.org")).status_code == 200
    assert api.requests.statuses == {"no answer": 1, "200": 1}


def test_a_reset_after_applying_keeps_the_entries(api: LocalTrackApi, client: Client) -> None:
    """The client sees the same, and everything was taken."""
    api.inject({"reset_after_apply": True, "times": 1})
    with pytest.raises(requests.exceptions.ConnectionError, match="reset by peer"):
        client.send(identify("a@x.org"))
    assert list(api.world.people) == ["email:a@x.org"]


def test_a_hang_is_silence_and_then_the_end(api: LocalTrackApi, client: Client) -> None:
    """No answer comes, nothing is applied, and the connection closes."""
    api.inject({"hang_seconds": 0.05, "times": 1})
    with pytest.raises(requests.exceptions.ConnectionError):
        client.send(identify("a@x.org"))
    assert api.world.people == {}


def test_a_hang_outlasts_a_client_without_patience(api: LocalTrackApi, client: Client) -> None:
    """The client's own time limit ends it."""
    api.inject({"hang_seconds": 600})
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.session.post(f"{api.url}/api/v2/batch", data=batch(identify("a@x.org")), timeout=(5, 0.1))


def test_a_truncated_answer_promises_more_than_comes(api: LocalTrackApi, client: Client) -> None:
    """The body ends early, and the entries were taken."""
    api.inject({"truncate": True, "times": 1})
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.send(identify("a@x.org"))
    assert list(api.world.people) == ["email:a@x.org"]


def test_garbage_is_a_success_that_nobody_can_read(api: LocalTrackApi, client: Client) -> None:
    """200 with a body that is not JSON, and the entries were taken."""
    api.inject({"garbage": True})
    answer = client.send(identify("a@x.org"))
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)
    assert list(api.world.people) == ["email:a@x.org"]


def test_a_delay_applies_at_once_and_answers_late(api: LocalTrackApi, client: Client) -> None:
    """The answer is the ordinary one, after the time asked for, and may be combined with a status."""
    api.inject({"request": 1, "delay_seconds": 0.1}, {"request": 2, "delay_seconds": 0.1, "status": 503})
    started = time.monotonic()
    assert client.send(identify("a@x.org")).status_code == 200
    assert client.send(identify("b@x.org")).status_code == 503
    assert time.monotonic() - started >= 0.2
    assert list(api.world.people) == ["email:a@x.org"]


def test_errors_on_order_are_sent_as_given(api: LocalTrackApi, client: Client) -> None:
    """Entries that are named are left out, all others taken, whatever else the errors say."""
    errors: list[Any] = [
        {"batch_index": 1},
        {"reason": "lost"},
        {"batch_index": 9},
        {"batch_index": [0]},
        "x",
    ]
    api.inject({"errors207": errors})
    answer = client.send(identify("a@x.org"), identify("b@x.org"), identify("c@x.org"), identify(""))
    assert (answer.status_code, answer.json()) == (207, {"errors": errors})
    assert list(api.world.people) == ["email:a@x.org", "email:c@x.org"]
    api.inject({"errors207": []})
    answer = client.send(identify("a@x.org"))
    assert (answer.status_code, answer.json()) == (207, {"errors": []})


def test_every_entry_can_be_refused(api: LocalTrackApi, client: Client) -> None:
    """One error for each entry, and none is taken."""
    api.inject({"errors207": "every entry"})
    answer = client.send(identify("a@x.org"), event("b@x.org"))
    assert answer.status_code == 207
    assert [error["batch_index"] for error in answer.json()["errors"]] == [0, 1]
    assert api.world.people == {}
    assert api.requests.rejected == {"on_order": 2}


def test_the_region_has_faults_and_numbers_of_its_own(api: LocalTrackApi, client: Client) -> None:
    """A rule of the region path leaves batches alone, and counts region requests."""
    api.inject({"path": "region", "request": 2, "status": 500}, {"path": "region", "reset_before": True})
    client.send(identify("a@x.org"))
    with pytest.raises(requests.exceptions.ConnectionError):
        client.region()
    assert client.send(identify("a@x.org")).status_code == 200
    api.inject({"path": "region", "request": 2, "status": 500})
    assert client.region().status_code == 500
    assert client.region().status_code == 200


def test_faults_strike_in_counting_mode_too(api: LocalTrackApi, client: Client) -> None:
    """A benchmark of retries needs both."""
    api.configure(mode="count")
    api.inject({"request": 1, "status": 503}, {"request": 2, "errors207": "every entry"})
    assert [client.post(b"nonsense").status_code for _ in range(3)] == [503, 200, 200]
