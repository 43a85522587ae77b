"""Everything in a row, and in a server's message about it, is secret: none of it is logged, whatever goes wrong.

The other files of this folder look for their rows' values too, after every fault (see `conftest.py`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from integration_tests.connector import (
    Finished,
    catalog_of,
    record,
    run_at_once,
    run_connector,
    stream,
    stream_state,
)
from integration_tests.faults.storms import API_KEY, SITE_ID, config_of
from integration_tests.s3_proxy import proxy_to
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.buckets import Bucket

SECRET = "c4nary"
CATALOG = catalog_of(stream("users", "person_identify"), stream("orders", "person_event"))
EMAIL = f"Ada.{SECRET}@Example.com"
PLAN = f"gold {SECRET} plan"
WORD = f"word-{SECRET}"
# What a server may quote of a row, in every way.
QUOTES = (EMAIL, EMAIL.lower(), WORD, WORD.upper(), f"{PLAN} is bad", f"attributes.{WORD}")
ADA = {"person_email": EMAIL, "plan": PLAN, "tags": [WORD, {"deep": f"deep {SECRET}"}]}
LINES = [
    *[record("users", ADA) for _ in QUOTES],
    record("users", {"person_email": None, "plan": PLAN}),
    record("orders", {"person_email": EMAIL, "event_name": WORD, "event_id": f"id {SECRET}", "amount": PLAN}),
    record("orders", {"person_email": EMAIL, "event_name": WORD, "timestamp": f"time {SECRET}"}),
    stream_state("users", 1),
    stream_state("orders", 1),
]


def quotes(key: str) -> list[dict[str, Any]]:
    """A server's errors for the first rows that quote them in one of their members."""
    return [
        {"batch_index": index, "reason": "invalid", "field": "plan", key: text}
        for index, text in enumerate(QUOTES)
    ]


# Each quotes a value of the rows.
ANSWERS: dict[str, dict[str, Any]] = {
    **{f"a 207 with a {key}": {"errors207": quotes(key)} for key in ("reason", "field", "message")},
    "a 400 in quotes": {"status": 400, "body": {"meta": {"error": f"{EMAIL.lower()} and {PLAN}: {WORD}"}}},
    "a 400 for a field": {"status": 400, "body": {"errors": quotes("field")}},
    "a 400 for a reason": {"status": 400, "body": {"errors": quotes("reason")}},
    "a 400 in words": {"status": 400, "body": {"message": f"no {WORD}!"}},
    "a 401": {"status": 401, "body": {"meta": {"error": f"{SITE_ID}:{API_KEY} {EMAIL}"}}},
    "a 503": {"status": 503, "body": f"{EMAIL} {PLAN}"},
    "a 418": {"status": 418, "body": f"{EMAIL} {PLAN}"},
    "a page": {"status": 200, "body": f"<html>{EMAIL}"},
    "a redirect": {"status": 302, "headers": {"Location": f"http://{SECRET}.example.com/?{SECRET}"}},
}


def output_of(done: Finished) -> str:
    """The output of a run, except states, which are the source's."""
    lines = [line for line in done.lines if b'"type":"STATE"' not in line.replace(b'": "', b'":"')]
    return (b"".join(lines).decode() + done.stderr).lower()


def test_no_answer_of_the_server_makes_the_connector_quote_a_row() -> None:
    """In a message, a reason, a field or a header, in upper or lower case: it stays between the server and the bucket."""

    def write(fault: dict[str, Any]) -> Finished:
        with LocalTrackApi(SITE_ID, API_KEY) as api:
            api.inject(fault)
            return run_connector("write", config_of(api, retry_timeout_seconds=1), CATALOG, LINES)

    for name, done in run_at_once({name: partial(write, fault) for name, fault in ANSWERS.items()}).items():
        assert "rows read" in output_of(done), name
        assert SECRET not in output_of(done), name
        assert len(done.errors) == done.exit_code, name


def test_a_tripped_circuit_breaker_reports_no_row_value(api: LocalTrackApi) -> None:
    """The server's message is in the trace, without the rows' values."""
    api.inject(
        {"status": 400, "body": {"meta": {"error": f"Locked. {EMAIL.lower()} {PLAN.upper()} '{WORD}'"}}}
    )
    lines = [
        record("users", {"person_email": EMAIL, "plan": PLAN, "tag": WORD, "n": number})
        for number in range(6_000)
    ]
    done = run_connector("write", config_of(api), CATALOG, lines)
    assert "Locked. …" in done.failure("config_error")
    assert SECRET not in output_of(done)


def test_no_answer_of_the_store_makes_the_connector_quote_a_key(api: LocalTrackApi, bucket: Bucket) -> None:
    """Stores put keys and names of objects into their errors."""
    keys = {"access_key_id": f"AKIA{SECRET.upper()}", "secret_access_key": f"secret {SECRET}"}
    with proxy_to(bucket.endpoint) as proxy:
        proxy.refuse = lambda _: f"AccessDenied</Code><Message>{SECRET} AKIA{SECRET.upper()}</Message><Code>"
        storage = bucket.config(**keys, s3_endpoint=proxy.url)
        config = config_of(api, object_storage_config=storage)
        runs: dict[str, Callable[[], Finished]] = {
            "write": partial(run_connector, "write", config, CATALOG, LINES),
            "check": partial(run_connector, "check", config),
        }
        for done in run_at_once(runs).values():
            assert "bucket" in output_of(done)
            assert SECRET not in output_of(done)


def test_broken_input_is_reported_by_its_line_number(api: LocalTrackApi) -> None:
    """A line that can't be read is a row's line, and so a secret."""
    broken = {
        "half a line": b'{"type":"RECORD","record":{"stream":"users","data":{"plan":"' + SECRET.encode(),
        "no object": b'{"type":"RECORD","record":{"stream":"users","data":"' + SECRET.encode() + b'"}}',
        "no type": b'{"' + SECRET.encode() + b'":1}',
    }
    config = config_of(api)
    runs = {
        name: partial(run_connector, "write", config, CATALOG, [*LINES[:-2], line])
        for name, line in broken.items()
    }
    for name, done in run_at_once(runs).items():
        assert done.exit_code == 1, name
        assert SECRET not in output_of(done), name
