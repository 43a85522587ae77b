"""What an answer of the Track API means for the rows that were sent.

| answer                                                     | verdict                                              |
|------------------------------------------------------------|------------------------------------------------------|
| none                                                       | `Retry`                                              |
| 200, empty or an object without words of failure           | `Accepted`                                           |
| 200 or 207 with `errors` that name rows                    | `Accepted`, except these rows                        |
| 200 or 207 with `errors` that name none                    | `Refused`                                            |
| 200 or 207 with other words of failure                     | `Doubtful`, or `Unauthorized` if that is what it says |
| 200 or 207 with anything else                              | `Retry`                                              |
| 400, 413, 422, and any status whose errors name rows       | `Refused`                                            |
| 404, 410 where the path has a value of the rows            | `Refused`, or `Doubtful` with a web page             |
| 401, unless with a page of somebody else's                 | `Unauthorized`                                       |
| 403 in one of the API's own envelopes                      | `Unauthorized`                                       |
| 403 in any other form: a firewall or a proxy               | `Blocked`                                            |
| 402                                                        | `PaymentRequired`                                    |
| 408, 425, 429, 5xx except 511                              | `Retry`                                              |
| any other status                                           | `Doubtful`                                           |

Acknowledged must mean accepted: only what is known to mean success is taken for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.codec import parse_object
from destination_customerio.track_api.answer_words import (
    SUCCESS_CODES,
    attributed,
    failure_words,
    has_envelope,
    is_page,
    is_web_page,
    joined,
    refusal,
    says_unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from destination_customerio.errors import Rejection
    from destination_customerio.exact_json.codec import JsonObject

_OK, _PARTIAL = 200, 207
_UNAUTHORIZED, _PAYMENT_REQUIRED, _FORBIDDEN = 401, 402, 403
_PROXY_LOGIN = frozenset({407, 511})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REFUSED = frozenset({400, 413, 422})
_NO_SUCH_PLACE = frozenset({404, 405, 410})
_NO_SUCH_VALUE = frozenset({404, 410})
_TOO_MANY_REQUESTS = 429
_LATER = frozenset({408, 425, _TOO_MANY_REQUESTS})
_SERVER_ERROR = 500


def _do_nothing() -> None:
    """A small answer has reserved no memory."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    retry_after, date  the texts of these headers
    sending_seconds    how long the request took to leave
    release            gives back the memory that a large answer has reserved; called once it has been judged
    """

    status: int
    body: bytes
    retry_after: str | None = None
    date: str | None = field(default=None, compare=False)
    sending_seconds: float = field(default=0.0, compare=False)
    release: Callable[[], None] = field(default=_do_nothing, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing usable came back.

    kind             the cause, for logs (`no answer in time`)
    timed_out        whether the request, or the answer, was under way for too long
    sending_seconds  how long the request took to leave, or was on its way
    """

    kind: str
    timed_out: bool = field(default=False, compare=False)
    sending_seconds: float = field(default=0.0, compare=False)

    def release(self) -> None:
        """Do nothing; see `Answer`."""


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
class Blocked:
    """A firewall or proxy forbids the request; Customer.io has not seen it."""


@dataclass(frozen=True, slots=True)
class PaymentRequired:
    """The account may send nothing until somebody pays. `words` are the server's, and may quote a row."""

    words: str


class Doubt(Enum):
    """Why an answer is not one that the Track API is known to give."""

    NO_SUCCESS = auto()  # a 2xx other than 200 and 207
    ERROR_IN_SUCCESS = auto()  # a 200 or 207 that reports an error
    WRONG_ADDRESS = auto()
    PROXY_LOGIN = auto()
    REDIRECT = auto()  # one that leads to no host of Customer.io's, or in a circle
    UNKNOWN_STATUS = auto()


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Somebody else may have answered once, so a few more attempts are worth it. `words` may quote a row."""

    doubt: Doubt
    status: int
    words: str = ""


Verdict = Accepted | Refused | Retry | Unauthorized | Blocked | PaymentRequired | Doubtful


def judge(
    answer: Answer | NoAnswer, entries: int, wall_clock: Callable[[], float], column: str = ""
) -> Verdict:
    """What an answer means; see the table above.

    Args:
        answer: the answer
        entries: how many entries the request has
        wall_clock: the time, for pauses that end at a date
        column: the column that the request's path has a value of; "" for none
    """
    if isinstance(answer, NoAnswer):
        return Retry(answer.kind)
    status = answer.status
    if status in (_OK, _PARTIAL):
        return _judge_success(answer, entries)
    if status in _LATER or (status >= _SERVER_ERROR and status not in _PROXY_LOGIN):
        return Retry(
            f"HTTP {status}", _pause_seconds(answer, wall_clock), everyone=status == _TOO_MANY_REQUESTS
        )
    if status == _UNAUTHORIZED:
        return Doubtful(Doubt.PROXY_LOGIN, status) if is_page(answer.body) else Unauthorized()
    if status == _FORBIDDEN:
        return Unauthorized() if has_envelope(answer.body) else Blocked()
    body = parse_object(answer.body) or {}
    rejection, rejected = refusal(body, status, entries)
    # An error that names a row is a verdict on it whatever the status.
    if status in _REFUSED or rejected:
        return Refused(rejection, rejected)
    if column and status in _NO_SUCH_VALUE and not is_web_page(answer.body):
        return Refused(rejection)
    words = failure_words(body)
    return PaymentRequired(words) if status == _PAYMENT_REQUIRED else Doubtful(_doubt(status), status, words)


def _doubt(status: int) -> Doubt:
    if status in SUCCESS_CODES:
        return Doubt.NO_SUCCESS
    if status in _NO_SUCH_PLACE:
        return Doubt.WRONG_ADDRESS
    if status in REDIRECTS:
        return Doubt.REDIRECT
    return Doubt.PROXY_LOGIN if status in _PROXY_LOGIN else Doubt.UNKNOWN_STATUS


def _pause_seconds(answer: Answer, wall_clock: Callable[[], float]) -> float:
    """What Retry-After asks for; a date is measured against the answer's own, as the clock of this machine may be wrong."""
    sent_at = _moment(answer.date)
    return retry_after_seconds(answer.retry_after, wall_clock() if sent_at is None else sent_at.timestamp())


def retry_after_seconds(header: str | None, now: float) -> float:
    """The seconds that a Retry-After header asks for, as seconds or as an HTTP date; 0 if it can't be read."""
    if header is None:
        return 0.0
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    moment = _moment(text)
    return 0.0 if moment is None else max(0.0, moment.timestamp() - now)


def _moment(header: str | None) -> datetime | None:
    """The moment that an HTTP date names; None if it can't be read."""
    if header is None:
        return None
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # OverflowError: a year out of range
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _judge_success(answer: Answer, entries: int) -> Verdict:
    is_partial = answer.status == _PARTIAL
    if not answer.body.strip():
        return Retry("an empty 207") if is_partial else Accepted()
    body = parse_object(answer.body)
    if body is None:
        return Retry("a web page" if is_web_page(answer.body) else "an unreadable body")
    errors = body.get("errors")
    if isinstance(errors, list) and errors:
        return _judge_errors(body, errors, entries)
    if words := failure_words(body):
        is_about_keys = says_unauthorized(words)
        return Unauthorized() if is_about_keys else Doubtful(Doubt.ERROR_IN_SUCCESS, answer.status, words)
    return Retry("a 207 that names no error") if is_partial else Accepted()


def _judge_errors(body: JsonObject, errors: list[Any], entries: int) -> Verdict:
    """A success that lists errors."""
    rejected, unattributed = attributed(errors, entries)
    if unattributed:
        # Some row failed, and the answer doesn't say which.
        why = joined(unattributed)
        return Unauthorized() if says_unauthorized(why.message) else Refused(why, rejected)
    # A message beside them only sums them up; other words of failure put the rest of the request in doubt.
    if failure_words({**body, "errors": None, "message": None}):
        return Refused(joined(list(rejected.values())), rejected)
    return Accepted(rejected)
