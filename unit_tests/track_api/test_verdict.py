"""The verdict on each kind of answer; an answer that can't be understood is never success."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.track_api.verdict import (
    Accepted,
    Answer,
    NoAnswer,
    Refused,
    Retry,
    Unauthorized,
    Unexpected,
    Verdict,
    judge,
    retry_after_seconds,
)
from unit_tests.exact_json import json_values

NOW = 1_767_225_599.0  # 2025-12-31T23:59:59Z


def verdict(status: int, body: Any = b"", *, entries: int = 3, retry_after: str | None = None) -> Verdict:
    """The verdict on an answer; a body that is not bytes is encoded as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(Answer(status, raw, retry_after), entries, lambda: NOW)


def details(verdict: Verdict, index: int = 0) -> tuple[str, str, str]:
    """Reason, field and message of a rejection."""
    assert isinstance(verdict, Accepted | Refused)
    rejection = verdict.rejected[index] if isinstance(verdict, Accepted) else verdict.rejection
    return rejection.reason, rejection.field, rejection.message


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", [b"", b" \r\n", {}, {"errors": []}, {"errors": None}, {"other": 1}])
def test_a_2xx_without_errors_accepts_every_row(status: int, body: Any) -> None:
    """The body may be empty."""
    assert verdict(status, body) == Accepted()


@pytest.mark.parametrize("status", [200, 202, 207])
def test_errors_of_any_2xx_reject_only_the_rows_they_name(status: int) -> None:
    """All other rows of the request were accepted."""
    error = {"batch_index": 1, "reason": "required", "field": "name", "message": "name is required"}
    found = verdict(status, {"errors": [error]})
    assert isinstance(found, Accepted)
    assert set(found.rejected) == {1}
    assert details(found, 1) == ("required", "name", "name is required")


def test_several_errors_of_one_row_are_one_rejection() -> None:
    """The first error gives reason and field, and each distinct message is kept."""
    errors = [
        {"batch_index": 2, "reason": "required", "field": "name", "message": "first"},
        {"batch_index": 0, "reason": "invalid", "field": "id", "message": "other"},
        {"batch_index": 2, "reason": "invalid", "field": "timestamp", "message": "second"},
        {"batch_index": 2, "message": "first"},
    ]
    found = verdict(207, {"errors": errors})
    assert isinstance(found, Accepted)
    assert set(found.rejected) == {0, 2}
    assert details(found, 2) == ("required", "name", "first; second")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"reason": "invalid", "field": "id"}, ("invalid", "id", "id invalid")),
        ({"reason": "invalid"}, ("invalid", "", "invalid")),
        ({"message": "no"}, ("refused", "", "no")),
        ({}, ("refused", "", "Customer.io refused the row without giving a reason.")),
        (
            {"reason": None, "field": 7, "message": []},
            ("refused", "", "Customer.io refused the row without giving a reason."),
        ),
    ],
)
def test_any_part_of_an_error_may_be_missing(error: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """A row is rejected with the information that there is."""
    assert details(verdict(207, {"errors": [{"batch_index": 0, **error}]})) == expected


def test_a_reason_that_is_a_sentence_becomes_the_message() -> None:
    """Reasons are logged, and a sentence might quote the row, so only the dead letter keeps it."""
    reason = "ada@example.com is not known"
    assert details(verdict(207, {"errors": [{"batch_index": 0, "reason": reason}]})) == (
        "refused",
        "",
        reason,
    )


@pytest.mark.parametrize("index", [None, -1, 3, 10**30, "0", 0.0, True, [], {}])
@pytest.mark.parametrize("status", [200, 207])
def test_an_error_without_a_usable_index_refuses_the_request(index: Any, status: int) -> None:
    """It is unknown which row failed, so no row of the request may count as accepted."""
    good = {"batch_index": 0, "message": "this one"}
    found = verdict(status, {"errors": [good, {"batch_index": index, "message": "which?"}]})
    assert isinstance(found, Refused)
    assert details(found) == ("refused", "", "which?")
    assert isinstance(verdict(status, {"errors": [{"message": "which?"}]}), Refused)
    assert isinstance(verdict(status, {"errors": ["a text"]}), Refused)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b'{"errors":', b"[]", b"null", b'"ok"', b"7", b"\xff", b"[" * 100_000],
    ids=lambda body: repr(body[:10]),
)
@pytest.mark.parametrize("status", [200, 207])
def test_an_unreadable_body_is_retried(status: int, body: bytes) -> None:
    """The same bytes are sent again, and the server drops what it has already accepted."""
    assert verdict(status, body) == Retry("an unreadable body")


@pytest.mark.parametrize("errors", [{}, "required", 1, True])
def test_errors_that_are_not_a_list_are_retried(errors: Any) -> None:
    """Something failed, but the answer does not say what."""
    assert verdict(200, {"errors": errors}) == Retry("an unreadable body")


@pytest.mark.parametrize("body", [b"", {}, {"errors": []}])
def test_a_207_without_errors_is_retried(body: Any) -> None:
    """The status says that something failed."""
    assert isinstance(verdict(207, body), Retry)


@pytest.mark.parametrize("status", [400, 413])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"errors": [{"reason": "invalid", "field": "id", "message": "bad id"}]},
            ("invalid", "id", "bad id"),
        ),
        ({"errors": [{"message": "one"}, {"message": "two"}]}, ("refused", "", "one; two")),
        ({"errors": ["one", "two"]}, ("refused", "", "one; two")),
        ({"meta": {"error": "bad"}}, ("refused", "", "bad")),
        ({"meta": {"errors": ["bad", "worse"]}}, ("refused", "", "bad; worse")),
        ({"message": "bad"}, ("refused", "", "bad")),
        ({"error": "bad"}, ("refused", "", "bad")),
        ({"errors": [], "meta": {"errors": [], "error": "bad"}}, ("refused", "", "bad")),
    ],
)
def test_the_reason_of_a_refused_request_is_read_from_any_envelope(
    status: int, body: Any, expected: tuple[str, str, str]
) -> None:
    """All error formats that the API has been seen to use are read."""
    found = verdict(status, body)
    assert isinstance(found, Refused)
    assert details(found) == expected


@pytest.mark.parametrize("body", [b"", b"<html>", {}, [], {"meta": 1}, {"errors": [None]}, {"message": ""}])
@pytest.mark.parametrize("status", [400, 413])
def test_a_refused_request_without_a_reason_names_its_status(status: int, body: Any) -> None:
    """The rejection then contains at least the HTTP status."""
    found = verdict(status, body)
    assert isinstance(found, Refused)
    assert str(status) in details(found)[2]


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_not_retried(status: int) -> None:
    """Only the user can fix them."""
    assert verdict(status, {"meta": {"error": "unauthorized"}}, retry_after="1") == Unauthorized()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 522, 524, 599])
def test_temporary_failures_are_retried(status: int) -> None:
    """The server's Retry-After is respected; a 429 pauses every lane, any other status only its own."""
    assert verdict(status, retry_after="7") == Retry(f"HTTP {status}", 7.0, everyone=status == 429)


def test_no_answer_is_retried() -> None:
    """Timeouts and lost connections say nothing about the rows."""
    assert judge(NoAnswer("timed out"), 3, lambda: NOW) == Retry("timed out")


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
def test_an_error_that_names_a_row_is_a_verdict_whatever_the_status(status: int) -> None:
    """On that row only."""
    found = verdict(status, {"errors": [{"batch_index": 1, "reason": "invalid"}]})
    assert isinstance(found, Refused)
    assert list(found.rejected) == [1]


@pytest.mark.parametrize("status", [304, 404, 405, 409, 410, 415, 422, 451])
def test_other_statuses_are_unexpected(status: int) -> None:
    """They are neither success nor a reason to reject rows."""
    assert verdict(status, {"errors": []}) == Unexpected(status)


@given(st.integers(200, 599), json_values.values | json_values.objects.map(lambda value: {"errors": [value]}))
def test_any_answer_has_a_verdict(status: int, body: Any) -> None:
    """No body raises an exception, and no verdict names a row that was not sent."""
    found = verdict(status, body, entries=2)
    if isinstance(found, Accepted):
        assert set(found.rejected) <= {0, 1}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("Thu, 01 Jan 2026 00:00:59 GMT", 60.0),
        ("Thursday, 01-Jan-26 00:00:59 GMT", 60.0),
        ("Thu Jan  1 00:00:59 2026", 60.0),
        ("Thu, 01 Jan 2026 01:00:59 +0100", 60.0),
        ("Thu, 01 Jan 2026 00:00:59 -0000", 60.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("", 0.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("١٢", 0.0),
        ("²", 0.0),
        ("soon", 0.0),
        ("9" * 5_000, 0.0),
        ("Thu, 32 Jan 2026 00:00:59 GMT", 0.0),
        ("Thu, 01 Jan 99999999 00:00:59 GMT", 0.0),
        ("Thu, 01 Jan 99999999999999999999 00:00:59 GMT", 0.0),
        ("Thu, 01 Jan 2026 00:00:59 +9999", 0.0),
        ("Thu, 01 Jan 2026 00:00:59 +99999999999999999999", 0.0),
        ("Thu, 01 Jan 2026 99999999999999999999:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float) -> None:
    """All three HTTP date formats are read, and an invalid value counts as no pause."""
    assert retry_after_seconds(header, NOW) == seconds


@given(st.text() | st.from_regex(r"[A-Za-z]{3}, [0-9]{1,25} Jan [0-9]{1,25} [0-9:]{1,30} [+-][0-9]{1,30}"))
def test_any_retry_after_gives_a_pause(header: str) -> None:
    """No header raises an exception, and no pause is negative."""
    assert retry_after_seconds(header, NOW) >= 0.0
