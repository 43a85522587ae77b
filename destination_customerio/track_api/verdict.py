"""What an answer of the Track API means for the rows that were sent.

Three questions are kept separate: did anything come back (`NoAnswer`), does the answer ask for a retry (`Retry`), and does
an answer that looks like success contain errors (`Accepted`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CREDENTIALS = frozenset({401, 403})
_REFUSED = frozenset({400, 413})
_TOO_MANY_REQUESTS = 429
_LATER = frozenset({408, 425, _TOO_MANY_REQUESTS})
_SERVER_ERROR = 500
_OK = range(200, 300)
_PARTIAL = 207
# Reasons are counted and logged, so they must be single words, not sentences that may quote a row.
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `retry_after` is the text of the header."""

    status: int
    body: bytes
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing usable came back; `kind` is the cause, for logs (`no answer in time`)."""

    kind: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Customer.io accepted all rows but these, by their index in the request."""

    rejected: Mapping[int, Rejection] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The request was refused, or an error can't be attributed to a row: no row of it counts as accepted.

    rejection  why, in the words that name no row
    rejected   rows that the answer names all the same, by their index in the request: for these it is a verdict
    """

    rejection: Rejection
    rejected: Mapping[int, Rejection] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retry:
    """The same bytes may succeed later.

    reason            for logs
    at_least_seconds  what the server asked for
    everyone          whether all lanes should wait, not only this one
    """

    reason: str
    at_least_seconds: float = 0.0
    everyone: bool = False


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """The credentials are wrong or lack permission."""


@dataclass(frozen=True, slots=True)
class Unexpected:
    """A status that the Track API is not known to return."""

    status: int


Verdict = Accepted | Refused | Retry | Unauthorized | Unexpected


def judge(answer: Answer | NoAnswer, entries: int, wall_clock: Callable[[], float]) -> Verdict:
    """What an answer to a request of `entries` rows means."""
    if isinstance(answer, NoAnswer):
        return Retry(answer.kind)
    status = answer.status
    if status in _OK:
        return _judge_success(answer, entries)
    if status in _REFUSED:
        return _judge_refusal(answer, entries)
    if status in _CREDENTIALS:
        return Unauthorized()
    if status in _LATER or status >= _SERVER_ERROR:
        seconds = retry_after_seconds(answer.retry_after, wall_clock())
        return Retry(f"HTTP {status}", seconds, everyone=status == _TOO_MANY_REQUESTS)
    # An error that names a row is a verdict on it whatever the status.
    refusal = _judge_refusal(answer, entries)
    return refusal if refusal.rejected else Unexpected(status)


def retry_after_seconds(header: str | None, now: float) -> float:
    """The seconds that a Retry-After header asks for, as seconds or as an HTTP date; 0 if it can't be read."""
    if header is None:
        return 0.0
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # OverflowError: a year out of range
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now, UTC)).total_seconds())


def _judge_success(answer: Answer, entries: int) -> Verdict:
    if not answer.body.strip():
        return Retry("an empty 207") if answer.status == _PARTIAL else Accepted()
    try:
        body = parse(answer.body)
    except ValueError:
        return Retry("an unreadable body")
    if not isinstance(body, dict):
        return Retry("an unreadable body")
    errors = body.get("errors")
    if errors is None or errors == []:
        return Retry("a 207 that names no error") if answer.status == _PARTIAL else Accepted()
    if not isinstance(errors, list):
        return Retry("an unreadable body")
    rejected, unattributed = _attributed(errors, entries)
    if unattributed:
        # Some row failed, and the answer doesn't say which.
        return Refused(_joined(unattributed), rejected)
    return Accepted(rejected)


def _attributed(errors: list[Any], entries: int) -> tuple[dict[int, Rejection], list[Rejection]]:
    """The errors by the row that they name, and those that name none of the request."""
    by_index: dict[int, list[Rejection]] = {}
    unattributed: list[Rejection] = []
    for error in errors:
        index = error.get("batch_index") if isinstance(error, dict) else None
        if type(index) is int and 0 <= index < entries:
            by_index.setdefault(index, []).append(_rejection(error))
        else:
            unattributed.append(_rejection(error))
    return {index: _joined(rejections) for index, rejections in by_index.items()}, unattributed


def _joined(rejections: list[Rejection]) -> Rejection:
    """Several errors of one row as one: the reason and field of the first, the messages of all."""
    first = rejections[0]
    messages = dict.fromkeys(rejection.message for rejection in rejections if rejection.message)
    return Rejection(first.reason, first.field, "; ".join(messages))


def _judge_refusal(answer: Answer, entries: int) -> Refused:
    """A refused request, in any of the envelopes that the API has been seen to use."""
    try:
        body = parse(answer.body)
    except ValueError:
        body = None
    if isinstance(body, dict):
        meta = body.get("meta")
        sources = [body.get("errors"), body.get("message"), body.get("error")]
        if isinstance(meta, dict):
            sources += [meta.get("errors"), meta.get("error")]
        for source in sources:
            found = source if isinstance(source, list) else [source]
            if errors := [error for error in found if isinstance(error, str | dict) and error]:
                rejected, unattributed = _attributed(errors, entries)
                return Refused(_joined(unattributed or list(rejected.values())), rejected)
    return Refused(
        Rejection(
            "refused", "", f"Customer.io refused the row with HTTP {answer.status} without giving a reason."
        )
    )


def _rejection(error: Any) -> Rejection:
    if isinstance(error, str):
        return Rejection("refused", "", error)
    if not isinstance(error, dict):
        return Rejection("refused", "", "Customer.io refused the row without giving a reason.")
    reason, column, message = (
        value if isinstance(value := error.get(key), str) else "" for key in ("reason", "field", "message")
    )
    return Rejection(
        reason if _REASON.fullmatch(reason) else "refused",
        column,
        message
        or " ".join(filter(None, (column, reason)))
        or "Customer.io refused the row without giving a reason.",
    )
