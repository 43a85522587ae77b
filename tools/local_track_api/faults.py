"""Fault injection: rules that say which requests fail, and how.

All conditions of a rule must hold; a rule without any holds for every request of its path. The first rule that holds
decides, except that `reset_before` and `early` are asked first, as they act before the body is read.

Conditions
    path          "batch" (default), "segments" or "region"
    request       n, or [first, last]: the number of the request on its path, from 1
    every         n: every nth request
    probability   0 to 1, drawn from the rule's own generator, seeded with `seed` (default 0)
    contains      text that the request's body holds
    times         how often the rule may act at most

Actions, exactly one; `delay_seconds` and `early_hints` also alone, or with any other
    status        this answer instead of the API's own, with `headers` and `body` (text, or JSON), and with
                  `retry_after`: seconds, or {"http_date": seconds from now}. Nothing is applied, unless `apply` is true
    errors207     a 207 with this list of errors; entries it names are not applied, all others are. "every entry"
                  names each of them, and applies none
    garbage       applied; 200 with a body that is not JSON
    truncate      applied; the connection ends before the promised length of the answer
    raw           applied; this text in latin-1 is all that is sent, then the connection ends
    early         not applied; the same before the body is read
    hang_seconds  not applied; silence, then the connection ends without an answer
    reset_before  not applied; the connection is reset before the body is read
    reset_after_apply   applied; the connection is reset instead of an answer
    endless       applied; the answer never ends: "interim", 100 Continue again and again, or "drip", a byte now and then
    delay_seconds the answer leaves late; the entries are applied at once
    early_hints   so many interim answers (103) come before the answer
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal

from tools.local_track_api.answers import Answer
from tools.local_track_api.body import encode

JsonObject = dict[str, Any]

_EXCLUSIVE = (
    "status",
    "errors207",
    "garbage",
    "truncate",
    "raw",
    "early",
    "hang_seconds",
    "reset_before",
    "reset_after_apply",
    "endless",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as the module's docstring describes it."""

    path: str = "batch"
    request: int | list[int] | None = None
    every: int | None = None
    probability: float | None = None
    seed: int = 0
    contains: str | None = None
    times: int | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = ""
    retry_after: int | dict[str, int] | None = None
    apply: bool = False
    errors207: list[JsonObject] | Literal["every entry"] | None = None
    garbage: bool = False
    truncate: bool = False
    raw: str | None = None
    early: str | None = None
    hang_seconds: float | None = None
    reset_before: bool = False
    reset_after_apply: bool = False
    endless: Literal["interim", "drip"] | None = None
    delay_seconds: float = 0.0
    early_hints: int = 0

    def __post_init__(self) -> None:
        """Refuse a rule that would fail nothing, or in two ways at once."""
        actions = [name for name in _EXCLUSIVE if _is_set(getattr(self, name))]
        if len(actions) > 1 or not (actions or self.delay_seconds or self.early_hints):
            raise ValueError(f"a rule has exactly one action, a delay or hints, not {actions}")

    @property
    def is_before_body(self) -> bool:
        """Whether it acts before the request's body is read."""
        return self.reset_before or self.early is not None

    @property
    def applies(self) -> bool:
        """Whether the request's entries are applied all the same."""
        if self.status is not None:
            return self.apply
        return self.hang_seconds is None and not self.is_before_body

    @property
    def loses_answer(self) -> bool:
        """Whether the client can't know from the answer what became of its entries, and must send them again."""
        return any(_is_set(getattr(self, name)) for name in _EXCLUSIVE)

    def answer_instead(self, now: float) -> Answer | None:
        """The answer that takes the place of the API's own, if it does; `now` in unix seconds."""
        if self.garbage:
            return Answer(200, b"<html>this is not JSON", {"Content-Type": "text/html"})
        if self.status is None:
            return None
        headers = dict(self.headers)
        if isinstance(self.retry_after, dict):
            headers["Retry-After"] = formatdate(now + self.retry_after["http_date"], usegmt=True)
        elif self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        body = self.body.encode() if isinstance(self.body, str) else encode(self.body)
        return Answer(self.status, body, headers)


class FaultPlan:
    """The rules in force. Not thread-safe: the server's lock guards it."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules
        self.fired = [0] * len(rules)
        self._generators = [random.Random(rule.seed) for rule in rules]  # noqa: S311 - repeatable, not secret

    def before_body(self, path: str, number: int) -> Rule | None:
        """The rule that holds for a request whose body is still unread."""
        return self._first(path, number, b"", before_body=True)

    def after_body(self, path: str, number: int, body: bytes) -> Rule | None:
        """Any other rule that holds for a request."""
        return self._first(path, number, body, before_body=False)

    def _first(self, path: str, number: int, body: bytes, *, before_body: bool) -> Rule | None:
        for index, rule in enumerate(self.rules):
            if (
                rule.is_before_body is before_body
                and rule.path == path
                and self._holds(index, rule, number, body)
            ):
                self.fired[index] += 1
                return rule
        return None

    def _holds(self, index: int, rule: Rule, number: int, body: bytes) -> bool:
        if rule.times is not None and self.fired[index] >= rule.times:
            return False
        if rule.request is not None:
            first, last = rule.request if isinstance(rule.request, list) else (rule.request, rule.request)
            if not first <= number <= last:
                return False
        if rule.every is not None and number % rule.every:
            return False
        if rule.contains is not None and rule.contains.encode() not in body:
            return False
        return rule.probability is None or self._generators[index].random() < rule.probability


def _is_set(value: object) -> bool:
    return value is not None and value is not False
