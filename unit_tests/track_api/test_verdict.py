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
    Blocked,
    Doubt,
    Doubtful,
    NoAnswer,
    PaymentRequired,
    Refused,
    Retry,
    Unauthorized,
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


NOTHING: list[Any] = [None, "", "  ", [], {}, False, 0]
PAGE = b"<html>Sign in</html>"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        {},
        {"other": 1},
        {"meta": None},
        {"meta": "v2"},
        {"meta": {}},
        {"success": True},
        {"ok": "yes", "accepted": 3, "rejected": 0, "failed": [], "error_count": 0},
        {"code": 0},
        {"code": "OK", "message": "3 rows"},
        {"data": {"status": "processing", "message": "3 rows"}, "results": [{"error": None}, 1]},
    ],
)
def test_a_200_without_words_of_failure_accepts_every_row(body: Any) -> None:
    """The body may be empty."""
    assert verdict(200, body) == Accepted()


@pytest.mark.parametrize("nothing", NOTHING)
@pytest.mark.parametrize("member", ["error", "errors", "message"])
def test_an_empty_member_is_no_word_of_failure(member: str, nothing: Any) -> None:
    """Some servers always send these members."""
    assert verdict(200, {member: nothing}) == Accepted()
    assert verdict(200, {"meta": {member: nothing}}) == Accepted()


@pytest.mark.parametrize(
    "status", [None, "", [], 0, "success", "OK", " Ok ", "accepted", "queued", True, 200, "200", 204]
)
def test_a_status_that_says_success_is_believed(status: Any) -> None:
    """In any spelling; then a message is no word of failure either."""
    assert verdict(200, {"status": status}) == Accepted()
    assert verdict(200, {"status": "success", "message": "3 rows"}) == Accepted()
    assert verdict(200, {"message": "Success."}) == Accepted()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "x"}, "x"),
        ({"error": True}, "true"),
        ({"error": {"message": "x"}}, "x"),
        ({"errors": "x"}, "x"),
        ({"errors": {"reason": "x"}}, "x"),
        (b'{"errors":' + b"1" * 5_000 + b"}", "1"),
        ({"meta": {"error": "x"}}, "x"),
        ({"meta": {"errors": ["x", None, "y", "x"]}}, "x; y"),
        ({"message": "x"}, "x"),
        ({"status": "error", "message": "not taken"}, "not taken; status error"),
        ({"status": "failed"}, "status failed"),
        ({"status": "unknown"}, "status unknown"),
        ({"status": False}, "status false"),
        ({"status": 500}, "status 500"),
        ({"status": {"code": 1}}, "status "),
        ({"status": "success", "error": "x"}, "x"),
        ({"Error": "x"}, "x"),
        ({"Errors": [{"batch_index": 0}]}, "errors"),
        ({"Message": "x"}, "x"),
        ({"detail": "x"}, "x"),
        ({"errorMessage": "x", "errorType": "y"}, "x; y"),
        ({"isError": True}, "true"),
        ({"has_errors": True}, "true"),
        ({"error_description": "x"}, "x"),
        ({"errors": {"x": "y"}}, "errors"),
        ({"error": [[1]]}, "error"),
        ({"fault": {"faultstring": "x"}}, "fault"),
        ({"exception": "x"}, "x"),
        ({"failed": 3}, "3"),
        ({"accepted": 0, "rejected": 3}, "accepted false; 3"),
        ({"success": False}, "success false"),
        ({"success": " False "}, "success false"),
        ({"ok": 0}, "ok false"),
        ({"success": False, "message": "x"}, "success false; x"),
        ({"code": 500}, "code 500"),
        ({"statusCode": 503}, "statuscode 503"),
        ({"meta": {"message": "x"}}, "x"),
        ({"META": {"status": "error"}}, "status error"),
        ({"result": {"success": False}}, "success false"),
        ({"data": {"errors": ["x"]}}, "x"),
        ({"results": [{}, [{"error": "x"}]]}, "x"),
        (b'{"error":' + b"[" * 900 + b"]" * 900 + b"}", "error"),
        (b'{"a":' * 900 + b'{"error":"x"}' + b"}" * 900, "x"),
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("status", [200, 207])
def test_a_success_with_words_of_failure_is_doubtful(status: int, body: Any, words: str) -> None:
    """No row counts as accepted or rejected."""
    found = verdict(status, body)
    assert isinstance(found, Doubtful)
    assert (found.doubt, found.status) == (Doubt.ERROR_IN_SUCCESS, status)
    assert found.words.startswith(words)


@pytest.mark.parametrize(
    "body",
    [
        {"meta": {"error": "Unauthorized request"}},
        {"error": "unauthorised"},
        {"errors": [{"reason": "unauthorized", "message": "Unauthorized request."}]},
    ],
)
@pytest.mark.parametrize("status", [200, 207])
def test_a_success_that_only_says_unauthorized_refuses_the_credentials(status: int, body: Any) -> None:
    """The status of an answer may be lost on its way through a gateway."""
    assert verdict(status, body) == Unauthorized()


@pytest.mark.parametrize("status", [201, 202, 203, 204, 205, 206, 226, 299])
@pytest.mark.parametrize("body", [b"", {}, {"status": "ok"}, PAGE, {"errors": []}])
def test_any_other_2xx_is_no_success(status: int, body: Any) -> None:
    """The Track API does not use them, so something else has answered."""
    assert verdict(status, body) == Doubtful(Doubt.NO_SUCCESS, status)


@pytest.mark.parametrize("status", [200, 207])
def test_errors_of_a_success_reject_only_the_rows_they_name(status: int) -> None:
    """All other rows of the request were accepted, also if a message sums the errors up."""
    error = {"batch_index": 1, "reason": "required", "field": "name", "message": "name is required"}
    for more in ({}, {"message": "1 row failed"}):
        found = verdict(status, {"errors": [error], **more})
        assert isinstance(found, Accepted)
        assert set(found.rejected) == {1}
        assert details(found, 1) == ("required", "name", "name is required")


@pytest.mark.parametrize(
    ("status", "more"), [(202, {}), (206, {}), (200, {"status": "error"}), (207, {"meta": {"error": "x"}})]
)
def test_errors_of_a_doubtful_success_reject_the_rows_they_name_and_accept_none(
    status: int, more: dict[str, Any]
) -> None:
    """The others will be sent again."""
    found = verdict(status, {"errors": [{"batch_index": 1, "message": "no"}], **more})
    assert isinstance(found, Refused)
    assert set(found.rejected) == {1}


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
    [b"OK", b'{"errors":', b"[]", b"null", b'"ok"', b"7", b"\xff", b"[" * 100_000],
    ids=lambda body: repr(body[:10]),
)
@pytest.mark.parametrize("status", [200, 207])
def test_an_unreadable_body_is_retried(status: int, body: bytes) -> None:
    """The same bytes are sent again, and the server drops what it has already accepted."""
    assert verdict(status, body) == Retry("an unreadable body")


@pytest.mark.parametrize("status", [200, 207])
def test_a_page_instead_of_an_answer_is_named(status: int) -> None:
    """A portal or a gateway may show it for a while."""
    assert verdict(status, b"\r\n" + PAGE) == Retry("a web page")


@pytest.mark.parametrize("body", [b"", {}, {"errors": []}])
def test_a_207_without_errors_is_retried(body: Any) -> None:
    """The status says that something failed."""
    assert isinstance(verdict(207, body), Retry)


@pytest.mark.parametrize("status", [400, 413, 422])
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
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_request_without_a_reason_names_its_status(status: int, body: Any) -> None:
    """The rejection then contains at least the HTTP status."""
    found = verdict(status, body)
    assert isinstance(found, Refused)
    assert str(status) in details(found)[2]


ENVELOPES: list[Any] = [
    {"meta": {"error": "unauthorized"}},
    {"meta": {"errors": ["unauthorized"]}},
    {"errors": [{"reason": "unauthorized"}]},
    {"message": "unauthorized"},
]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", ENVELOPES)
def test_refused_credentials_are_not_retried(status: int, body: Any) -> None:
    """Only the user can fix them."""
    assert verdict(status, body, retry_after="1") == Unauthorized()


@pytest.mark.parametrize(
    "body", [b"", PAGE, b"Forbidden", {}, [], {"error": "x"}, {"meta": {}}, {"errors": []}]
)
def test_a_403_without_the_apis_envelope_is_a_firewall(body: Any) -> None:
    """It says nothing about the credentials."""
    assert verdict(403, body) == Blocked()


@pytest.mark.parametrize(("body", "is_page"), [(b"", False), ({}, False), (PAGE, True), (b"Log in", True)])
def test_a_401_with_a_page_is_the_login_of_a_proxy(body: Any, is_page: bool) -> None:
    """An empty body may be the API's own."""
    expected = Doubtful(Doubt.PROXY_LOGIN, 401) if is_page else Unauthorized()
    assert verdict(401, body) == expected


def test_a_required_payment_is_reported_in_the_servers_words() -> None:
    """Whatever the envelope."""
    assert verdict(402, {"meta": {"error": "plan limit"}}) == PaymentRequired("plan limit")
    assert verdict(402, PAGE) == PaymentRequired("")


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


@pytest.mark.parametrize(
    ("status", "doubt"),
    [
        *((status, Doubt.WRONG_ADDRESS) for status in (404, 405, 410)),
        *((status, Doubt.PROXY_LOGIN) for status in (407, 511)),
        *((status, Doubt.REDIRECT) for status in (301, 302, 303, 307, 308)),
        *((status, Doubt.UNKNOWN_STATUS) for status in (304, 406, 409, 411, 415, 418, 421, 451, 499)),
    ],
)
def test_other_statuses_are_doubtful(status: int, doubt: Doubt) -> None:
    """They are neither success nor a reason to reject rows."""
    assert verdict(status, {"errors": []}) == Doubtful(doubt, status)
    assert verdict(status, PAGE) == Doubtful(doubt, status)


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


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Thu, 01 Jan 2026 00:00:29 GMT", 30.0),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 820_540_859.0),
        ("Fri, 02 Jan 2026 00:00:00 GMT", 0.0),
        (None, 60.0),
        ("yesterday", 60.0),
    ],
)
def test_a_retry_after_date_is_measured_against_the_answers_own(date: str | None, seconds: float) -> None:
    """The clock of this machine may be wrong; it is used only if the answer has no date."""
    answer = Answer(503, b"", "Thu, 01 Jan 2026 00:00:59 GMT", date)
    assert judge(answer, 1, lambda: NOW) == Retry("HTTP 503", seconds)


def test_a_message_of_megabytes_is_cut() -> None:
    """It is kept in memory until its row is stored."""
    errors = [{"batch_index": 0, "message": "x" * 1_999}, {"batch_index": 0, "message": "y" * 9_999_999}]
    message = details(verdict(207, {"errors": errors}))[2]
    assert len(message) == 2_000
    assert message.endswith("…")


@given(st.text() | st.from_regex(r"[A-Za-z]{3}, [0-9]{1,25} Jan [0-9]{1,25} [0-9:]{1,30} [+-][0-9]{1,30}"))
def test_any_retry_after_gives_a_pause(header: str) -> None:
    """No header raises an exception, and no pause is negative."""
    assert retry_after_seconds(header, NOW) >= 0.0
    found = judge(Answer(503, b"", "Thu, 01 Jan 2026 00:00:59 GMT", header), 1, lambda: NOW)
    assert isinstance(found, Retry)
    assert found.at_least_seconds >= 0.0
