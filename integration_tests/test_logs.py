"""The log of a sync: routes, progress and a summary of the rows; counts, never values."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import (
    Finished,
    catalog_of,
    record,
    run_at_once,
    run_connector,
    stream,
    stream_state,
)
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.buckets import Bucket

SITE_ID = "canary-site-7f3a"
API_KEY = "canary-key-7f3a"
# Everything that must never be said contains this.
CANARY = "canary"
CATALOG = catalog_of(
    stream("users", "person_identify", namespace="shop", sync_id=42),
    stream("orders", "person_event", sync_id=42),
)
ADA = {"person_email": f"ada@{CANARY}.example.com"}
LINES = [
    record("users", {**ADA, "plan": CANARY}, namespace="shop"),
    record("users", {"person_email": {CANARY: 1}}, namespace="shop"),
    record("users", {**ADA, "bio": CANARY * 200}, namespace="shop"),
    record("users", {**ADA, "bio": CANARY * 300}, namespace="shop"),
    record("orders", {**ADA, "event_name": CANARY, "reply_to": CANARY}),
    record("orders", {**ADA, "event_name": CANARY, "timestamp": f"{CANARY} Europe/Berlin"}),
    stream_state("users", 1, namespace="shop"),
    stream_state("orders", 1),
]


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API with credentials that can be looked for."""
    with LocalTrackApi(SITE_ID, API_KEY) as server:
        yield server


def config(api: LocalTrackApi, **more: Any) -> dict[str, Any]:
    """A configuration for it."""
    return {"credentials": {"siteId": SITE_ID, "apiKey": API_KEY}, "track_api_url": api.url, **more}


def secret_storage(bucket: Bucket, **more: Any) -> dict[str, Any]:
    """A bucket with keys that can be looked for."""
    return bucket.config(access_key_id="AKIACANARY", secret_access_key=f"{CANARY}-secret", **more)


def said(done: Finished) -> str:
    """Everything that a run wrote, but for the states, which are the source's own."""
    lines = [line for line in done.lines if b'"type": "STATE"' not in line]
    return b"".join(lines).decode() + done.stderr


def commands(settings: dict[str, Any], *names: str) -> dict[str, Callable[[], Finished]]:
    """These commands, to be run with one configuration."""
    return {
        name: partial(run_connector, name, settings, CATALOG if name == "write" else None, LINES)
        for name in names
    }


def assert_tells_no_value(done: Finished) -> None:
    """No credential and no value, in any output, in clear or as they are sent."""
    text = said(done).lower()
    assert text
    assert CANARY not in text
    # base64 of the first letters of `site:key`, as in an Authorization header.
    assert "y2fuyx" not in text


def test_the_log_says_what_goes_where_and_what_became_of_it(api: LocalTrackApi, bucket: Bucket) -> None:
    """Host, lanes, identifiers and bucket first; a line for each stream; at the end the counts, by reason."""
    api.inject({"status": 503, "request": 1})
    storage = secret_storage(bucket)
    done = run_connector(
        "write",
        config(api, object_storage_config=storage, max_concurrent_requests=1),
        CATALOG,
        LINES,
    )
    assert (done.exit_code, done.stderr) == (0, "")
    first, second, third, *others = done.logs
    for words in (
        api.url,
        "up to 1 concurrent request,",
        "identifying people by email",
        f"s3://{bucket.name}/customerio/rejected",
    ):
        assert words in first
    assert (second, third) == (
        "Stream shop.users goes to person_identify.",
        "Stream orders goes to person_event.",
    )
    users = next(line for line in others if line.startswith("Stream shop.users:"))
    assert "4 rows read, 1 delivered, 3 rejected" in users
    assert "invalid (person_email): 1" in users
    assert "too_large (bio): 2" in users
    orders = next(line for line in others if line.startswith("Stream orders:"))
    assert "2 rows read, 1 delivered, 1 rejected [invalid (timestamp): 1]" in orders
    assert others[-2] == "2 requests to Customer.io, 1 retry [HTTP 503: 1]."
    assert others[-1].startswith(
        f"4 rejected rows stored in 2 files under s3://{bucket.name}/customerio/rejected. "
    )
    # Logged once, as a warning: it changes the addressees of emails.
    warning, *rejected = [log["message"] for log in done.of_type("LOG") if log["level"] == "WARN"]
    assert rejected == [users, orders]
    assert "reply_to" in warning
    assert "orders" in warning
    assert_tells_no_value(done)


FAILURES: dict[str, dict[str, Any]] = {
    "refused credentials": {"status": 401, "body": CANARY},
    "an outage": {"status": 503, "body": {"message": CANARY}},
    "an answer nobody knows": {"status": 418, "body": CANARY},
    "a redirect": {"status": 307, "headers": {"Location": f"http://{CANARY}:{CANARY}@127.0.0.1:1/{CANARY}"}},
    "a reset": {"reset_before": True},
}


def test_a_failed_sync_logs_no_value() -> None:
    """Whatever the server says, and whatever a library's exception holds; the counts are there all the same."""

    def write(fault: dict[str, Any]) -> Finished:
        with LocalTrackApi(SITE_ID, API_KEY) as api:
            api.inject(fault)
            return run_connector("write", config(api, retry_timeout_seconds=1), CATALOG, LINES)

    done = run_at_once({name: partial(write, fault) for name, fault in FAILURES.items()})
    orders = "Stream orders: 2 rows read, 0 delivered, 1 rejected [invalid (timestamp): 1], 1 not settled."
    for name in FAILURES:
        assert (done[name].exit_code, len(done[name].errors)) == (1, 1), name
        assert orders in done[name].logs
        assert_tells_no_value(done[name])


def test_a_wrong_configuration_is_named_by_its_keys_and_not_its_values(api: LocalTrackApi) -> None:
    """A secret that was put into the wrong field is still a secret."""
    wrong = config(api, identifierType=CANARY, region=CANARY, max_concurrent_requests=CANARY)
    wrong["track_api_url"] = f"https://{CANARY}@example.com"
    for done in run_at_once(commands(wrong, "check", "write")).values():
        for key in ("identifierType", "region", "max_concurrent_requests", "track_api_url"):
            assert key in said(done)
        assert_tells_no_value(done)
