"""No form of a row's value or of a credential is shown, whoever quotes it: Customer.io, the store or a proxy.

The full text of what Customer.io says of a row is stored next to the row, and nowhere else.
"""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import pytest

from integration_tests.buckets import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from integration_tests.command_line import run_command
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
from integration_tests.quotations import FORMS, found_in, quotations_of
from integration_tests.refusing_proxy import refusing_proxy
from integration_tests.s3_proxy import proxy_to
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from integration_tests.buckets import Bucket

CATALOG = catalog_of(
    stream("users", "person_identify", properties={"tier": {}, "person_email": {}, "phone": {}})
)
VALUES = (
    "Ada.L0velace@c4nary.example.com",
    "M\u00fcller-Stra\u00dfe 7 c4nary",
    "+44 20 7946 0018",
    "9876543210123",
    "2024-03-18T13:42:21Z",
)
# What a server may derive from them: an event's id, unix seconds.
DERIVED = ("01HZX3Q9W3N9T5R8VJ6KMYPD2A", "1710769341")
STS_TOKEN = "FwoGZXIvYXdzEBYaDK7c4nary/4+9"
PROXY_PASSWORD = "pr0xy-c4nary-pass"
CREDENTIALS = (
    SITE_ID,
    API_KEY,
    base64.b64encode(f"{SITE_ID}:{API_KEY}".encode()).decode(),
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    STS_TOKEN,
    PROXY_PASSWORD,
)
SECRETS = (*VALUES, *DERIVED, *CREDENTIALS)
QUOTATIONS = quotations_of(SECRETS)
ROW = {
    "person_email": VALUES[0],
    "street": VALUES[1],
    "phone": VALUES[2],
    "number": int(VALUES[3]),
    "day": VALUES[4],
}
LINES = [
    record("users", ROW),
    record("users", {**ROW, "person_email": f"b{VALUES[0]}"}),
    stream_state("users", 1),
]
EVERYTHING = "The account is locked: " + " ".join(QUOTATIONS)


def output_of(done: Finished) -> str:
    """The output of a run, except states, which are the source's."""
    lines = [line for line in done.lines if b'"type":"STATE"' not in line.replace(b'": "', b'":"')]
    return b"".join(lines).decode() + done.stderr


def assert_quotes_nothing(output: str, name: str = "") -> None:
    """No secret in any form; and it is not empty."""
    assert output, name
    assert found_in(output, SECRETS) == [], name
    assert "c4nary" not in output.lower(), name
    assert "\\u001b" not in output.lower(), name


@pytest.mark.parametrize("member", ["reason", "field", "message"])
@pytest.mark.parametrize("format_type", ["CSV", "JSONL"])
def test_the_full_text_is_only_stored_next_to_the_row(
    api: LocalTrackApi, bucket: Bucket, member: str, format_type: str
) -> None:
    """A 207 that quotes each secret in each form, in a reason, a field or a message."""
    error = {"reason": "invalid", "field": "tier", "message": "no"}
    api.inject(
        {
            "request": 1,
            "errors207": [
                {"batch_index": number, **error, member: text} for number, text in enumerate(QUOTATIONS)
            ],
        }
    )
    storage = bucket.config(format={"format_type": format_type})
    config = config_of(api, object_storage_config=storage, max_concurrent_requests=1)
    rows = [record("users", {**ROW, "n": number}) for number in range(len(QUOTATIONS))]
    done = run_connector("write", config, CATALOG, [*rows, stream_state("users", 1)])
    assert (done.exit_code, len(done.states)) == (0, 1)
    assert f"{len(QUOTATIONS)} rejected" in output_of(done)
    assert_quotes_nothing(output_of(done))
    (key,) = bucket.keys()
    stored = bucket.read(key).decode()
    if member == "message":
        for text in QUOTATIONS:
            written = json.dumps(text, ensure_ascii=False)
            assert written in stored or written.replace('"', '""') in stored, text

    for command in ("rejected", "replay"):
        ended = run_command(command, config, CATALOG if command == "replay" else None)
        assert_quotes_nothing(ended.stdout + ended.stderr, command)


STATUSES = (200, 202, 207, 302, 400, 401, 402, 403, 404, 409, 413, 418, 422, 429, 451, 500, 503)
ENVELOPES: dict[str, Any] = {
    "meta.error": {"meta": {"error": EVERYTHING}},
    "meta.errors": {"meta": {"errors": QUOTATIONS}},
    "errors": {"errors": [{"reason": text, "field": text, "message": text} for text in QUOTATIONS]},
    "message": {"message": EVERYTHING},
    "page": f"<html><title>{EVERYTHING}</title>{EVERYTHING}",
}
ANSWERS = [
    *(("write", status, "meta.error") for status in STATUSES),
    *(("write", status, envelope) for status in (200, 207, 400, 402, 403) for envelope in ENVELOPES),
    *(
        ("check", status, envelope)
        for status in (200, 302, 401, 403, 500)
        for envelope in ("message", "page")
    ),
]


@pytest.mark.parametrize("share", range(4))
def test_no_answer_of_customer_io_quotes_anything_into_the_output(share: int) -> None:
    """Whatever the status and the envelope, in headers too; for rows, and for the account."""

    def run(command: str, status: int, envelope: str) -> Finished:
        with LocalTrackApi(SITE_ID, API_KEY) as api:
            headers = {
                "Location": f"https://{API_KEY}@c4nary.example.com/?{SITE_ID}",
                "Retry-After": "c4nary",
            }
            answer = {"status": status, "headers": headers, "body": ENVELOPES[envelope]}
            config = config_of(api, retry_timeout_seconds=1)
            if command == "check":
                api.inject({"path": "region", **answer})
                return run_connector("check", config)
            api.inject(answer)
            return run_connector("write", config, CATALOG, LINES)

    runs = {str(answer): partial(run, *answer) for answer in ANSWERS[share::4]}
    for name, done in run_at_once(runs).items():
        assert_quotes_nothing(output_of(done), name)


def test_a_tripped_circuit_breaker_shows_only_known_words(api: LocalTrackApi) -> None:
    """The server's words for what is wrong with the account are in the trace, without anything that they quote."""
    api.inject({"status": 400, "body": {"meta": {"error": EVERYTHING}}})
    lines = [record("users", {**ROW, "n": number}) for number in range(6_000)]
    done = run_connector("write", config_of(api), CATALOG, lines)
    assert "Customer.io's answer: The account is locked: …" in done.failure("config_error")
    assert_quotes_nothing(output_of(done))


def element(text: str, place: str) -> str:
    """An S3 error that quotes a text; the proxy writes it into the element of the code."""
    quoted = escape(text.replace("\x1b", ""))
    if place == "code":
        return quoted
    return f"InternalError</Code><{place}>{quoted}</{place}><Code>InternalError"


STORE_ERRORS = {
    **{f"{place} with everything": element(EVERYTHING, place) for place in ("code", "Message", "Resource")},
    "code with an API key": element(API_KEY, "code"),
    "code with half a secret key": element(FORMS["first half"](SECRET_ACCESS_KEY), "code"),
    "code with an access key id": element(ACCESS_KEY_ID, "code"),
    "code with digits of a row": element(VALUES[3], "code"),
}


@pytest.mark.parametrize("error", STORE_ERRORS)
def test_no_answer_of_the_store_quotes_anything_into_the_output(
    api: LocalTrackApi, bucket: Bucket, error: str
) -> None:
    """In the code, the message or another element of its XML."""
    with proxy_to(bucket.endpoint) as proxy:
        proxy.refuse = lambda _: STORE_ERRORS[error]
        config = config_of(api, object_storage_config=bucket.config(s3_endpoint=proxy.url))
        rejected = record("users", {**ROW, "person_email": None})
        runs: dict[str, Callable[[], Finished]] = {
            "write": partial(run_connector, "write", config, CATALOG, [rejected]),
            "check": partial(run_connector, "check", config),
            "rejected": partial(run_connector, "rejected", config),
        }
        for name, done in run_at_once(runs).items():
            assert "bucket" in output_of(done), name
            assert_quotes_nothing(output_of(done), name)


def environment_with(proxy: str) -> dict[str, str]:
    """The environment of a machine whose requests go through a proxy."""
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": "",
        "no_proxy": "",
        "AWS_MAX_ATTEMPTS": "1",
    }


def proxy_runs(bucket: Bucket, proxy: str) -> dict[str, Callable[[], Finished]]:
    """Commands that need a proxy for Customer.io, and for AWS."""
    credentials = {"siteId": SITE_ID, "apiKey": API_KEY}
    plain: dict[str, Any] = {"credentials": credentials, "region": "us", "retry_timeout_seconds": 1}
    stored = {**plain, "object_storage_config": bucket.config(s3_endpoint="")}
    environment = environment_with(proxy)
    return {
        "check": partial(run_connector, "check", plain, environment=environment),
        "write": partial(run_connector, "write", plain, CATALOG, LINES, environment),
        "write with a bucket": partial(run_connector, "write", stored, CATALOG, LINES, environment),
        "rejected": partial(run_connector, "rejected", stored, environment=environment),
    }


@pytest.mark.parametrize("status", [403, 407, 502])
def test_no_proxy_quotes_anything_into_the_output(bucket: Bucket, status: int) -> None:
    """In the reason of its answer, a header or a page; nor is its own password shown."""
    with refusing_proxy(status, " ".join(QUOTATIONS[:200])) as port:
        proxy = f"http://user:{PROXY_PASSWORD}@127.0.0.1:{port}"
        for name, done in run_at_once(proxy_runs(bucket, proxy)).items():
            assert_quotes_nothing(output_of(done), name)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "127.0.0.1:port", "[::1", "no such host", "c4nary:c4nary"]
)
def test_a_proxy_that_cannot_be_used_does_not_show_its_password(bucket: Bucket, address: str) -> None:
    """Libraries quote the whole URL when they can't read it, or connect to it."""
    for name, done in run_at_once(proxy_runs(bucket, f"http://user:{PROXY_PASSWORD}@{address}")).items():
        assert_quotes_nothing(output_of(done), name)


def keys_of(names: Sequence[str]) -> list[bytes]:
    """Rows whose columns are named like values."""
    return [record("users", {"person_email": VALUES[0], name: "x" * 2_000}) for name in names]


def test_columns_that_are_named_like_values_are_not_shown(api: LocalTrackApi) -> None:
    """Rows made of maps have keys that are people, moments or ids."""
    done = run_connector("write", config_of(api), CATALOG, [*keys_of(QUOTATIONS), stream_state("users", 1)])
    assert f"{len(QUOTATIONS)} rejected [too_large (…): " in output_of(done)
    assert_quotes_nothing(output_of(done))
