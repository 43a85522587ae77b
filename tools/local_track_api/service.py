"""The Track API without HTTP: what a request means, and what is answered to it.

One lock guards all state. Bodies are parsed and checked outside of it, applied inside. Entries are applied before
any delay, so that a request whose client has given up can never be applied after a newer one.
"""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from tools.local_track_api.answers import ENVELOPES, JSON_TYPE, Answer, answer, refusal
from tools.local_track_api.body import Malformed, SentEntry, parse_batch
from tools.local_track_api.contract import MAX_BODY_BYTES, check_entry
from tools.local_track_api.faults import FaultPlan, Rule
from tools.local_track_api.order import SEQUENCE_ATTRIBUTE, OrderWatch, RequestInFlight
from tools.local_track_api.profiles import person_key, subjects_of
from tools.local_track_api.segments import RefusedSegment, SegmentRequest, ids_of
from tools.local_track_api.traffic import Traffic
from tools.local_track_api.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

JsonObject = dict[str, Any]

POISON_ATTRIBUTE = "_poison_request"
# The members of an answer to the question for the region, by the age of the API.
REGION_ANSWERS = {
    "current": ("url", "region", "environment_id"),
    "older": ("url", "data_center", "environment_id"),
}
REGION_URLS = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}


@dataclass(slots=True)
class State:
    """Everything that a reset clears. A request in flight during a reset ends in the state it started in."""

    world: World
    traffic: Traffic = field(default_factory=Traffic)
    order: OrderWatch = field(default_factory=OrderWatch)
    faults: FaultPlan = field(default_factory=lambda: FaultPlan([]))
    failures: list[str] = field(default_factory=list)
    mode: Literal["strict", "count"] = "strict"
    latency_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Head:
    """The head of one request, as far as it counts; `content_type` and `authorization` as sent."""

    path: str
    connection: int
    authorization: str
    content_type: str
    user_agent: str
    arrived_at: float
    client_is_gone: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request from its head to its answer."""

    head: Head
    number: int
    state: State
    under_way: RequestInFlight


class TrackService:
    """One account's Track API. Thread-safe.

    site_id, api_key  the only credentials that are accepted
    region            `us` or `eu`: the account's own
    region_answer     a key of REGION_ANSWERS
    """

    def __init__(self, site_id: str, api_key: str, region: str, region_answer: str = "current") -> None:
        if region not in REGION_URLS:
            raise ValueError("region must be us or eu")
        values = {
            "url": REGION_URLS[region],
            "region": region,
            "data_center": region,
            "environment_id": 3,
        }
        self._region_answer = {name: values[name] for name in REGION_ANSWERS[region_answer]}
        self.lock = threading.Lock()
        self.state = State(World(time.time))
        self._authorization = "Basic " + base64.b64encode(f"{site_id}:{api_key}".encode()).decode()

    def reset(self) -> None:
        """Forget everything, faults and settings included."""
        with self.lock:
            self.state = State(World(time.time))

    def configure(
        self, mode: Literal["strict", "count"] | None = None, latency_seconds: float | None = None
    ) -> None:
        """Change the mode, the latency of batch answers, or both; see `control` for the modes."""
        with self.lock:
            if mode is not None:
                self.state.mode = mode
            if latency_seconds is not None:
                self.state.latency_seconds = latency_seconds

    def inject(self, rules: list[Rule]) -> None:
        """Put these fault rules in force, replacing any others."""
        with self.lock:
            self.state.faults = FaultPlan(rules)

    def begin(self, head: Head) -> Exchange:
        """A request's head has come: count and number it."""
        with self.lock:
            traffic = self.state.traffic
            number = traffic.arrived(head.path, head.connection, head.user_agent, time.time())
            under_way = RequestInFlight(number, head.arrived_at, head.client_is_gone)
            return Exchange(head, number, self.state, under_way)

    def fault_before_body(self, exchange: Exchange) -> Rule | None:
        """The fault that strikes before the body is read, if any."""
        with self.lock:
            return exchange.state.faults.before_body(exchange.head.path, exchange.number)

    def fault(self, exchange: Exchange, body: bytes) -> Rule | None:
        """The fault that strikes a request, if any."""
        with self.lock:
            return exchange.state.faults.after_body(exchange.head.path, exchange.number, body)

    def region_answer(self, exchange: Exchange, rule: Rule | None) -> Answer:
        """The answer to the question for the account's region."""
        own = self._unauthorized(exchange.head) or answer(200, self._region_answer)
        return (rule and rule.answer_instead(time.time())) or own

    def batch_answer(self, exchange: Exchange, body: bytes, rule: Rule | None) -> Answer:
        """Take one batch, as far as its fault lets it; returns the answer, fault included."""
        with self.lock:
            exchange.state.traffic.body_bytes.append(len(body))
        if rule is None or rule.applies:
            own = self._take(exchange, body, rule)
        else:
            own = Answer(200, b"{}")
            self._watch_only(exchange, body)
        return (rule and rule.answer_instead(time.time())) or own

    def segment_answer(
        self, call: SegmentRequest, exchange: Exchange, body: bytes, rule: Rule | None
    ) -> Answer:
        """Take one call of a segment, as far as its fault lets it; returns the answer, fault included."""
        own = self._unauthorized(exchange.head) or self._take_members(call, exchange, body, rule)
        return (rule and rule.answer_instead(time.time())) or own

    def _take_members(
        self, call: SegmentRequest, exchange: Exchange, body: bytes, rule: Rule | None
    ) -> Answer:
        try:
            ids = ids_of(call, body)
        except RefusedSegment as refused:
            return refusal(400, "invalid", "ids", str(refused), "meta.error")
        keys = [person_key({call.id_type: name}) for name in ids]
        with self.lock:
            state = exchange.state
            state.order.begin(exchange.under_way, keys)
            if rule is not None and not rule.applies:
                return Answer(200, b"{}")
            state.traffic.segment_ids.append(len(ids))
            if not state.world.change_members(call.segment_id, call.action, keys):
                return refusal(400, "not_found", "segment", "no manual segment has this id", "meta.errors")
        return Answer(200, b"{}")

    def create_segment(self, segment_id: str) -> None:
        """Create an empty manual segment."""
        with self.lock:
            self.state.world.segments.setdefault(segment_id, set())

    def end(self, exchange: Exchange, sent: Answer | None, rule: Rule | None) -> None:
        """The answer is about to leave, or (None) none will.

        This must come before the first byte of the answer: the client's next request may follow at once.
        """
        if exchange.head.path == "region":
            return
        with self.lock:
            state = exchange.state
            if exchange.head.path == "batch":
                state.traffic.left(None if sent is None else sent.status)
            state.order.end(
                exchange.under_way,
                time.monotonic(),
                answered=sent is not None,
                settled=sent is not None and not (rule and rule.loses_answer),
            )
            if sent is not None and sent.status == HTTPStatus.TOO_MANY_REQUESTS:
                now = time.time()
                state.traffic.paused(now, _retry_after(sent, now))

    def report(self) -> JsonObject:
        """All counts."""
        with self.lock:
            state = self.state
            return {
                **state.traffic.to_json(),
                "ignored": asdict(state.world.ignored),
                "order_violations": len(state.order.violations),
                "server_failures": list(state.failures),
            }

    def _take(self, exchange: Exchange, body: bytes, rule: Rule | None) -> Answer:
        if exchange.state.mode == "count":
            return Answer(200, b"{}")
        head = exchange.head
        if refused := self._unauthorized(head):
            return refused
        if head.content_type.partition(";")[0].strip().lower() != JSON_TYPE:
            return refusal(415, "invalid", "Content-Type", f"Content-Type must be {JSON_TYPE}")
        if len(body) > MAX_BODY_BYTES:
            return refusal(413, "too_large", "batch", f"the body is over {MAX_BODY_BYTES} bytes")
        try:
            entries = parse_batch(body)
        except Malformed as malformed:
            return refusal(400, "invalid", "batch", str(malformed))
        self._begin_order(exchange, entries)
        if (envelope := _poison(entries)) is not None:
            return refusal(400, "invalid", "batch", "an entry spoils the whole request", envelope)
        broken = _errors(entries)
        errors = broken if rule is None or rule.errors207 is None else _injected_errors(rule, len(entries))
        reasons = _reasons_by_index([*broken, *errors], len(entries))
        with self.lock:
            self._apply(exchange, [entry for index, entry in enumerate(entries) if index not in reasons])
            traffic = exchange.state.traffic
            traffic.entries += len(entries)
            traffic.accepted += len(entries) - len(reasons)
            traffic.rejected.update(reasons.values())
        if len(broken) == len(entries):
            # As the live API does when it accepts none of the entries.
            return answer(400, {"errors": errors})
        is_injected = rule is not None and rule.errors207 is not None
        return answer(207, {"errors": errors}) if errors or is_injected else Answer(200, b"{}")

    def _watch_only(self, exchange: Exchange, body: bytes) -> None:
        """A request that is not applied is in flight all the same."""
        if exchange.state.mode == "count":
            return
        try:
            self._begin_order(exchange, parse_batch(body))
        except Malformed:
            return

    def _begin_order(self, exchange: Exchange, entries: list[SentEntry]) -> None:
        persons = {
            person for entry in entries if type(entry.value) is dict for person in subjects_of(entry.value)
        }
        with self.lock:
            exchange.state.order.begin(exchange.under_way, persons)

    def _apply(self, exchange: Exchange, entries: list[SentEntry]) -> None:
        state = exchange.state
        for sent in entries:
            entry = sent.value
            digest = hash(sent.raw)
            state.world.apply(entry, digest)
            sequence = entry.get("attributes", {}).get(SEQUENCE_ATTRIBUTE)
            if type(sequence) is int and entry["type"] == "person":
                state.order.apply(exchange.under_way, person_key(entry["identifiers"]), sequence, digest)

    def _unauthorized(self, head: Head) -> Answer | None:
        if head.authorization == self._authorization:
            return None
        return refusal(401, "unauthorized", "", "Unauthorized request", "meta.error")


def _errors(entries: list[SentEntry]) -> list[JsonObject]:
    return [
        {"batch_index": index, **error.to_json()}
        for index, entry in enumerate(entries)
        if (error := check_entry(entry.value, len(entry.raw)))
    ]


def _injected_errors(rule: Rule, entries: int) -> list[Any]:
    """What a rule wants a 207 to say, whatever that is."""
    if isinstance(rule.errors207, list):
        return rule.errors207
    return [
        {"batch_index": index, "reason": "injected", "field": "", "message": "an injected fault"}
        for index in range(entries)
    ]


def _reasons_by_index(errors: list[Any], entries: int) -> dict[int, str]:
    """The reason of each entry that the errors name; errors that name none are passed over."""
    return {
        error["batch_index"]: str(error.get("reason", ""))
        for error in errors
        if isinstance(error, dict)
        and type(error.get("batch_index")) is int
        and 0 <= error["batch_index"] < entries
    }


def _poison(entries: list[SentEntry]) -> str | None:
    """The envelope that the first poisonous entry asks for, if there is one."""
    for entry in entries:
        attributes = entry.value.get("attributes") if type(entry.value) is dict else None
        if type(attributes) is dict and POISON_ATTRIBUTE in attributes:
            envelope = attributes[POISON_ATTRIBUTE]
            return envelope if envelope in ENVELOPES else ENVELOPES[0]
    return None


def _retry_after(sent: Answer, now: float) -> float:
    """When the pause that an answer asks for is over, in unix seconds."""
    header = next((value for name, value in sent.headers.items() if name.lower() == "retry-after"), "0")
    if header.isdigit():
        return now + int(header)
    try:
        return parsedate_to_datetime(header).timestamp()
    except ValueError:
        return now
