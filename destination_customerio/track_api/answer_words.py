"""What the body of an answer says: which rows failed, why a request did, and whether it speaks of a failure at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import encode, parse, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from destination_customerio.exact_json.codec import JsonObject

# Reasons are counted and logged, so they must be single words, not sentences that may quote a row.
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
# A server may send megabytes about one row; they are kept in memory until the row is stored.
_MAX_MESSAGE_CHARACTERS = 2_000
_NO_REASON = "Customer.io refused the row without giving a reason."
# What a `status` or a `message` beside a 200 may say without taking the success back.
_SUCCESS_WORDS = frozenset(
    [
        "ok",
        "okay",
        "success",
        "successful",
        "succeeded",
        "accepted",
        "created",
        "complete",
        "completed",
        "done",
        "processed",
        "queued",
        "received",
    ]
)
SUCCESS_CODES = range(200, 300)
# Names of members in lower case, without `_` and `-`.
_FAILURE_NAME = re.compile(r"(is|has)?error.*|exceptions?|faults?|failures?|failed|rejected")
_SUCCESS_NAMES = frozenset({"success", "succeeded", "successful", "ok", "accepted"})
_STATUS_NAMES = frozenset({"status", "code", "statuscode"})
_MESSAGE_NAMES = frozenset({"message", "msg", "detail", "reason"})
_DENIALS = frozenset({"false", "no", "0"})
_UNAUTHORIZED = re.compile(r"unauthori[sz]ed( request)?\W*", re.IGNORECASE)


def attributed(errors: list[Any], entries: int) -> tuple[dict[int, Rejection], list[Rejection]]:
    """The errors by the row that they name, and those that name none of the request."""
    by_index: dict[int, list[Rejection]] = {}
    unattributed: list[Rejection] = []
    for error in errors:
        index = error.get("batch_index") if isinstance(error, dict) else None
        if type(index) is int and 0 <= index < entries:
            by_index.setdefault(index, []).append(_rejection(error))
        else:
            unattributed.append(_rejection(error))
    return {index: joined(rejections) for index, rejections in by_index.items()}, unattributed


def joined(rejections: list[Rejection]) -> Rejection:
    """Several errors of one row as one: the reason and field of the first, the messages of all."""
    first = rejections[0]
    messages = dict.fromkeys(rejection.message for rejection in rejections if rejection.message)
    return Rejection(first.reason, first.field, _cut("; ".join(messages)))


def refusal(body: JsonObject, status: int, entries: int) -> tuple[Rejection, dict[int, Rejection]]:
    """Why a request was refused, in any of the envelopes that the API has been seen to use, and the rows that it names."""
    inner = _meta(body)
    for source in (
        *(body.get(name) for name in ("errors", "message", "error")),
        inner.get("errors"),
        inner.get("error"),
    ):
        found = source if isinstance(source, list) else [source]
        if errors := [error for error in found if isinstance(error, str | dict) and error]:
            rejected, unattributed = attributed(errors, entries)
            return joined(unattributed or list(rejected.values())), rejected
    reason = f"Customer.io refused the row with HTTP {status} without giving a reason."
    return Rejection("refused", "", reason), {}


def failure_words(body: JsonObject) -> str:
    """What an object says of a failure; empty if it says nothing of one. The words may quote a row.

    Anywhere in it, a member named for a failure (`error`, `errors`, `errorMessage`) speaks of one unless it is empty, and so
    does one named for a success that is false. At its top, and within `meta`, so does a `status` or `code` that is no word of
    success, and so does a `message`, unless it is such a word or the status is one.
    """
    said: list[str] = []
    for part, is_top in _objects(body):
        members = [(_plain_name(name), value) for name, value in part.items()]
        statuses = [(name, value) for name, value in members if is_top and name in _STATUS_NAMES]
        has_message = is_top and not any(_is_success(value) for _, value in statuses)
        for name, value in members:
            is_message = has_message and name in _MESSAGE_NAMES and not _is_success(value)
            if (is_message or _FAILURE_NAME.fullmatch(name)) and not _is_nothing(value):
                said.append(_text(value) or name)
            elif name in _SUCCESS_NAMES and _is_denial(value):
                said.append(f"{name} false")
        for name, value in statuses:
            if value is False or not (_is_nothing(value) or _is_success(value)):
                said.append(f"{name} {_text(value)}")
    return _cut("; ".join(dict.fromkeys(said)))


def _objects(body: JsonObject) -> Iterator[tuple[JsonObject, bool]]:
    """All objects within one, each with whether it is the whole or its `meta`."""
    pending: list[tuple[Any, bool]] = [(body, True)]
    while pending:
        part, is_top = pending.pop()
        if isinstance(part, dict):
            yield part, is_top
            pending += [
                (value, part is body and _plain_name(name) == "meta")
                for name, value in part.items()
                if isinstance(value, dict | list)
            ]
        else:
            pending += [(item, False) for item in part if isinstance(item, dict | list)]


def _plain_name(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def says_unauthorized(words: str) -> bool:
    """Whether the words are the API's own about wrong credentials, and nothing else."""
    return _UNAUTHORIZED.fullmatch(words) is not None


def has_envelope(text: bytes) -> bool:
    """Whether a refusal comes in one of the forms that the Track API itself uses."""
    body = parse_object(text) or {}
    inner = _meta(body)
    members = (body.get("errors"), body.get("message"), inner.get("errors"), inner.get("error"))
    return any(isinstance(member, str | list | dict) and not _is_nothing(member) for member in members)


def is_page(text: bytes) -> bool:
    """Whether a body is neither blank nor JSON, as the page of a proxy or a portal is."""
    if not text.strip():
        return False
    try:
        parse(text)
    except ValueError:
        return True
    return False


def is_web_page(text: bytes) -> bool:
    """Whether a body is a page for a browser, which the Track API does not send."""
    return text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _meta(body: JsonObject) -> JsonObject:
    meta = body.get("meta")
    return meta if isinstance(meta, dict) else {}


def _is_nothing(value: Any) -> bool:
    """Whether a member holds nothing: null, false, zero, blank or empty."""
    return not value.strip() if isinstance(value, str) else not value


def _is_success(value: Any) -> bool:
    if isinstance(value, bool) or value is None:
        return value is True
    if isinstance(value, int):
        return value in SUCCESS_CODES
    text = value.strip().rstrip(".!").lower() if isinstance(value, str) else ""
    return text in _SUCCESS_WORDS or text in map(str, SUCCESS_CODES)


def _is_denial(value: Any) -> bool:
    """Whether a member that is named for a success says that there is none: false, 0 or "no"."""
    return value in (False, 0) or (isinstance(value, str) and value.strip().lower() in _DENIALS)


def _text(member: Any) -> str:
    """The words of an error in any of its forms."""
    match member:
        case str():
            return member.strip()
        case list():
            texts = (_text(item) for item in member if not (_is_nothing(item) or isinstance(item, list)))
            return "; ".join(dict.fromkeys(filter(None, texts)))
        case dict():
            column, reason, message = (
                value if isinstance(value := member.get(key), str) else ""
                for key in ("field", "reason", "message")
            )
            return message or " ".join(filter(None, (column, reason)))
        case _:
            return encode(member).decode()


def _rejection(error: Any) -> Rejection:
    if not isinstance(error, dict):
        return Rejection("refused", "", _cut(error if isinstance(error, str) else "") or _NO_REASON)
    reason, column = (
        value if isinstance(value := error.get(key), str) else "" for key in ("reason", "field")
    )
    return Rejection(
        reason if _REASON.fullmatch(reason) else "refused", column, _cut(_text(error)) or _NO_REASON
    )


def _cut(message: str) -> str:
    return (
        message if len(message) <= _MAX_MESSAGE_CHARACTERS else message[: _MAX_MESSAGE_CHARACTERS - 1] + "…"
    )
