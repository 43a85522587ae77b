"""The local Track API enforces Customer.io's contract: each rule at its edge, accepted and refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tools.local_track_api import LocalTrackApi
from tools.local_track_api.body import Malformed, encode, parse_batch
from tools.local_track_api.contract import check_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
EMAIL = {"email": "ada@example.com"}
THING = {"object_type_id": "1", "object_id": "acme"}


def person(action: str, **members: Any) -> dict[str, Any]:
    """An entry about a person; `identifiers` unless others are given."""
    return {"type": "person", "action": action, "identifiers": EMAIL, **members}


def thing(action: str, **members: Any) -> dict[str, Any]:
    """An entry about an object."""
    return {"type": "object", "action": action, "identifiers": THING, **members}


def merge(primary: Any, secondary: Any) -> dict[str, Any]:
    """A merge of two people."""
    return {"type": "person", "action": "merge", "primary": primary, "secondary": secondary}


def verdict(entry: object) -> tuple[str, str] | None:
    """Reason and field of the rule that an entry breaks."""
    error = check_entry(entry, len(encode(entry)))
    return (error.reason, error.field) if error else None


def padded(entry: dict[str, Any], size: int) -> dict[str, Any]:
    """An event entry that takes exactly `size` bytes."""
    entry = {**entry, "attributes": {"x": ""}}
    entry["attributes"]["x"] = "x" * (size - len(encode(entry)))
    return entry


ACCEPTED = [
    person("identify"),
    person("identify", attributes={"a": None, "b": [1, {"c": True}], "_update": True}),
    person("identify", attributes={"cio_subscription_preferences": {"topics": {"topic_1": False}}}),
    person("identify", attributes={"unsubscribed": True, "cio_subscription_preferences.topics.t": False}),
    person("identify", attributes={"unsubscribed": None, "cio_subscription_preferences": None}),
    person("identify", attributes={}, timestamp=1_700_000_000),
    person("identify", timestamp=-1),
    person("identify", timestamp=99_999_999_999),
    person("identify", identifiers={"id": "x" * 150}),
    person("identify", identifiers={"id": "é" * 75}),
    person("identify", identifiers={"cio_id": "a3000001"}),
    person("identify", identifiers={"phone": "+1"}),
    person("identify", identifiers={"phone": "+" + "1" * 15}),
    person("identify", attributes={f"a{n}": n for n in range(300)}),
    person("identify", attributes={"n" * 150: 1}),
    person("identify", attributes={"é" * 75: 1}),
    person("identify", attributes={"v": "x" * 1000}),
    person("identify", attributes={"v": "é" * 500}),
    person("identify", attributes={"v": '"' * 1000}),
    person("identify", attributes={"v": ["x" * 996]}),
    person("identify", attributes={"v": int("9" * 1000)}),
    person("event", name="n"),
    person("event", name="n" * 100, id=ULID, timestamp=0, attributes={"v": "x" * 2000}),
    person("event", name="é" * 50, id=ULID.lower()),
    person("event", name="n", attributes={f"a{n}": n for n in range(301)}),
    person("event", name="n", id="7" + ULID[1:]),
    padded(person("event", name="n"), 32_768),
    person("page", name="https://example.com/", id=ULID, timestamp=1, attributes={"a": 1}),
    person("screen", name="home"),
    person("delete"),
    person("suppress"),
    person("unsuppress"),
    merge({"id": "1"}, {"email": "a@example.com"}),
    merge({"cio_id": "a"}, {"id": "2"}),
    person("add_device", device={"token": "t", "platform": "ios"}),
    person(
        "add_device",
        device={"token": "t", "platform": "android", "last_used": 1, "attributes": {"a": 1}},
    ),
    person("delete_device", device={"token": "t"}),
    person(
        "add_relationships",
        cio_relationships=[{"identifiers": THING, "relationship_attributes": {"role": "x"}}],
    ),
    person("delete_relationships", cio_relationships=[{"identifiers": THING}]),
    thing("identify"),
    thing("identify", attributes={"v": "x" * 1000, "null": None}),
    thing("identify", attributes={f"a{n}": n for n in range(300)}),
    thing("delete"),
    thing("add_relationships", cio_relationships=[{"identifiers": EMAIL, "relationship_attributes": {}}]),
    thing("delete_relationships", cio_relationships=[{"identifiers": {"id": "1"}}]),
]

REFUSED: list[tuple[object, str, str]] = [
    ([], "invalid", "entry"),
    ({"action": "identify", "identifiers": EMAIL}, "required", "type"),
    ({"type": 1, "action": "identify", "identifiers": EMAIL}, "invalid", "type"),
    ({"type": "animal", "action": "identify", "identifiers": EMAIL}, "invalid", "type"),
    ({"type": "person", "identifiers": EMAIL}, "required", "action"),
    (person("explode"), "invalid", "action"),
    (thing("event", name="n"), "invalid", "action"),
    ({"type": "person", "action": "identify"}, "required", "identifiers"),
    (person("identify", identifiers=None), "invalid", "identifiers"),
    (person("identify", identifiers={}), "invalid", "identifiers"),
    (person("identify", identifiers={"email": "a@b.c", "id": "1"}), "invalid", "identifiers"),
    (person("identify", identifiers={"name": "ada"}), "invalid", "identifiers"),
    (person("identify", identifiers={"email": " "}), "required", "email"),
    (person("identify", identifiers={"id": 1}), "invalid", "id"),
    (person("identify", identifiers={"id": None}), "invalid", "id"),
    (person("identify", identifiers={"id": "x" * 151}), "too_large", "id"),
    (person("identify", identifiers={"id": "é" * 76}), "too_large", "id"),
    (person("identify", identifiers={"phone": "+" + "1" * 16}), "invalid", "phone"),
    (person("identify", identifiers={"phone": "+"}), "invalid", "phone"),
    (person("identify", identifiers={"phone": "4420"}), "invalid", "phone"),
    (person("identify", identifiers={"phone": "+44 20"}), "invalid", "phone"),
    (person("identify", attributes=None), "invalid", "attributes"),
    (person("identify", attributes=[]), "invalid", "attributes"),
    (person("identify", attributes={f"a{n}": n for n in range(301)}), "too_many", "attributes"),
    (person("identify", attributes={"n" * 151: 1}), "too_large", "n" * 151),
    (person("identify", attributes={"é" * 76: 1}), "too_large", "é" * 76),
    (person("identify", attributes={"v": "x" * 1001}), "too_large", "v"),
    (person("identify", attributes={"v": "é" * 501}), "too_large", "v"),
    (person("identify", attributes={"v": ["x" * 997]}), "too_large", "v"),
    (person("identify", attributes={"v": {"w": '"' * 500}}), "too_large", "v"),
    (person("identify", attributes={"v": int("9" * 1001)}), "too_large", "v"),
    (person("identify", timestamp="1700000000"), "invalid", "timestamp"),
    (person("identify", timestamp=1.5), "invalid", "timestamp"),
    (person("identify", timestamp=True), "invalid", "timestamp"),
    (person("identify", timestamp=None), "invalid", "timestamp"),
    (person("identify", timestamp=100_000_000_000), "invalid", "timestamp"),
    (person("identify", name="n"), "unknown", "name"),
    (person("event"), "required", "name"),
    (person("event", name=""), "required", "name"),
    (person("event", name=1), "invalid", "name"),
    (person("event", name="n" * 101), "too_large", "name"),
    (person("event", name="é" * 51), "too_large", "name"),
    (person("event", name="n", id="1"), "invalid", "id"),
    (person("event", name="n", id="8" + ULID[1:]), "invalid", "id"),
    (person("event", name="n", id=ULID[:-1] + "U"), "invalid", "id"),
    (person("event", name="n", id=ULID + "0"), "invalid", "id"),
    (person("event", name="n", id=None), "invalid", "id"),
    (person("event", name="n", timestamp="2024-01-01"), "invalid", "timestamp"),
    (person("event", name="n", timestamp=1_700_000_000_000), "invalid", "timestamp"),
    (person("event", name="n", attributes="x"), "invalid", "attributes"),
    (person("event", name="n", data={}), "unknown", "data"),
    (padded(person("event", name="n"), 32_769), "too_large", "entry"),
    (person("event", name="n", attributes={"v": "x" * 99_992}), "too_large", "entry"),
    (person("event", name="n", attributes={"v": "x" * 99_993}), "too_large", "attributes"),
    (person("page", name="n" * 101), "too_large", "name"),
    (person("screen"), "required", "name"),
    (person("delete", attributes={}), "unknown", "attributes"),
    (person("suppress", identifiers={"id": ""}), "required", "id"),
    (person("unsuppress", identifiers="ada"), "invalid", "identifiers"),
    (merge({"id": "1"}, None), "invalid", "secondary"),
    ({"type": "person", "action": "merge", "primary": EMAIL}, "required", "secondary"),
    (merge({"phone": "+1"}, {"id": "1"}), "invalid", "primary"),
    (merge({"id": "1", "email": "a@b.c"}, {"id": "2"}), "invalid", "primary"),
    ({**merge({"id": "1"}, {"id": "2"}), "identifiers": EMAIL}, "unknown", "identifiers"),
    (person("add_device"), "required", "device"),
    (person("add_device", device={"platform": "ios"}), "required", "token"),
    (person("add_device", device={"token": "t"}), "required", "platform"),
    (person("add_device", device={"token": "t", "platform": "web"}), "invalid", "platform"),
    (
        person("add_device", device={"token": "t", "platform": "ios", "last_used": "1"}),
        "invalid",
        "last_used",
    ),
    (
        person("add_device", device={"token": "t", "platform": "ios", "attributes": 1}),
        "invalid",
        "attributes",
    ),
    *(
        (
            person("add_device", device={"token": "t", "platform": "ios", "attributes": {name: "x"}}),
            "invalid",
            f"device.attributes.{name}",
        )
        for name in ("token", "platform")
    ),
    *(
        (person("identify", attributes={name: value}), "invalid", name)
        for name in ("unsubscribed", "_update", "cio_subscription_preferences.topics.topic_1")
        for value in ("true", "", 1, 0.0)
    ),
    (
        person("identify", attributes={"cio_subscription_preferences": {"topics": {"topic_1": "t"}}}),
        "invalid",
        "cio_subscription_preferences.topics.topic_1",
    ),
    (
        person("identify", attributes={"cio_subscription_preferences": "{}"}),
        "invalid",
        "cio_subscription_preferences",
    ),
    (person("add_device", device={"token": "t", "platform": "ios", "model": "x"}), "unknown", "model"),
    (person("delete_device", device={"token": "t", "platform": "ios"}), "unknown", "platform"),
    (person("add_relationships"), "required", "cio_relationships"),
    (person("add_relationships", cio_relationships=[]), "invalid", "cio_relationships"),
    (person("add_relationships", cio_relationships=[1]), "invalid", "cio_relationships"),
    (person("add_relationships", cio_relationships=[{"identifiers": EMAIL}]), "invalid", "identifiers"),
    (
        person("delete_relationships", cio_relationships=[{"identifiers": {**THING, "object_id": 1}}]),
        "invalid",
        "object_id",
    ),
    (
        person(
            "add_relationships", cio_relationships=[{"identifiers": THING, "relationship_attributes": None}]
        ),
        "invalid",
        "relationship_attributes",
    ),
    (person("add_relationships", cio_relationships=[{"identifiers": THING, "x": 1}]), "unknown", "x"),
    (thing("identify", identifiers={"object_type_id": "1"}), "invalid", "identifiers"),
    (thing("identify", identifiers={"object_type_id": 1, "object_id": "a"}), "invalid", "object_type_id"),
    (thing("identify", identifiers={"object_type_id": "1", "object_id": ""}), "required", "object_id"),
    (thing("identify", attributes={"v": "x" * 1001}), "too_large", "v"),
    (thing("identify", attributes={f"a{n}": n for n in range(301)}), "too_many", "attributes"),
    (thing("delete", attributes={}), "unknown", "attributes"),
    (thing("add_relationships", cio_relationships=[{"identifiers": THING}]), "invalid", "identifiers"),
    (thing("delete_relationships", cio_relationships={}), "invalid", "cio_relationships"),
]


@pytest.mark.parametrize("entry", ACCEPTED)
def test_an_entry_within_the_contract_is_accepted(entry: object) -> None:
    """Each action, and each limit at its last allowed value, passes."""
    assert verdict(entry) is None


@pytest.mark.parametrize(("entry", "reason", "field"), REFUSED)
def test_an_entry_outside_the_contract_is_refused(entry: object, reason: str, field: str) -> None:
    """One step past each limit, or malformed, the entry is refused, and the answer names the member."""
    assert verdict(entry) == (reason, field)


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API."""
    with LocalTrackApi() as server:
        yield server


def post(api: LocalTrackApi, body: bytes, api_key: str = "key") -> requests.Response:
    """Send a batch."""
    headers = {"Content-Type": "application/json"}
    url = f"{api.url}/api/v2/batch"
    return requests.post(url, data=body, auth=(api.site_id, api_key), headers=headers, timeout=10)


def batch(*entries: object) -> bytes:
    """A batch body."""
    return encode({"batch": entries})


def test_a_batch_is_answered_with_the_errors_of_its_bad_entries(api: LocalTrackApi) -> None:
    """200 and `{}` when there are none; otherwise 207, and all other entries are applied."""
    good, bad = person("event", name="a"), person("event", name=" ")
    assert (answer := post(api, batch(good))).status_code == 200
    assert answer.content == b"{}"
    answer = post(api, batch(good, bad, good))
    assert answer.status_code == 207
    message = "name must not be blank"
    assert answer.json() == {
        "errors": [{"batch_index": 1, "reason": "required", "field": "name", "message": message}]
    }
    assert len(api.world.events) == 3


def test_wrong_credentials_are_refused(api: LocalTrackApi) -> None:
    """401, and nothing is applied."""
    assert post(api, batch(person("identify")), api_key="wrong").status_code == 401
    region = f"{api.url}/api/v1/accounts/region"
    assert requests.get(region, auth=("site", "wrong"), timeout=10).status_code == 401
    assert api.world.people == {}


def test_a_body_over_the_limit_is_refused(api: LocalTrackApi) -> None:
    """500,000 bytes pass; 500,001 are answered with 413, and nothing of them is applied."""
    entries = [padded(person("event", name="n"), 20_000)] * 24
    entries.append(padded(person("event", name="n"), 500_000 - len(batch(*entries)) - 1))
    body = batch(*entries)
    assert len(body) == 500_000
    assert post(api, body + b" ").status_code == 413
    assert api.world.events == []
    assert post(api, body).status_code == 200


def test_an_entry_is_measured_by_its_bytes_as_sent(api: LocalTrackApi) -> None:
    """Spaces inside an entry count towards its 32,768 bytes."""
    entry = encode(person("event", name="n"))
    padding = b" " * (32_768 - len(entry))
    for extra, status in ((b"", 200), (b" ", 400)):
        body = b'{"batch":[' + entry[:-1] + padding + extra + b"}]}"
        assert post(api, body).status_code == status


def test_a_repeated_event_id_is_ignored(api: LocalTrackApi) -> None:
    """With success, which is what makes a retry after a lost answer safe; other bytes are counted separately."""
    for entry in (person("event", name="a", id=ULID), person("event", name="a", id=ULID.lower())):
        assert post(api, batch(entry)).status_code == 200
    assert len(api.world.events) == 1
    assert api.world.ignored.repeated_events == 1
    assert api.world.ignored.repeated_events_with_other_content == 1


def test_an_outdated_identify_is_ignored(api: LocalTrackApi) -> None:
    """An older `timestamp` is dropped with success, as Customer.io drops it."""
    for timestamp, plan in ((200, "pro"), (199, "free")):
        post(api, batch(person("identify", timestamp=timestamp, attributes={"plan": plan})))
    assert [each.attributes for each in api.world.profiles()] == [{"plan": "pro"}]
    assert api.world.ignored.stale_updates == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"batch":{}}',
        b'{"batch":[]}',
        b'{"batch":[NaN]}',
        b'{"batch":[NaN,12345678901234567890]}',
        b'{"batch":[1e999,12345678901234567890]}',
        b'{"batch":["\\ud800"]}',
        b'{"batch":["\\ud800",12345678901234567890]}',
        b'{"batch":["\xff"]}',
        b'{"batch":["\xff",12345678901234567890]}',
        b'{"batch":[1]} x',
    ],
)
def test_a_body_that_is_not_strict_json_is_malformed(body: bytes) -> None:
    """On both paths through the parser: the quick one, and the scan that long integers need."""
    with pytest.raises(Malformed):
        parse_batch(body)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON_VALUES, min_size=1, max_size=5), st.booleans(), st.sampled_from([None, 1]))
def test_any_batch_is_cut_into_its_entries(values: list[Any], ascii_only: bool, indent: int | None) -> None:
    """However the client writes its JSON, each entry keeps its exact bytes and its digits."""
    body = json.dumps({"batch": values}, ensure_ascii=ascii_only, indent=indent).encode()
    entries = parse_batch(body)
    assert [entry.value for entry in entries] == values
    assert all(json.loads(entry.raw) == entry.value for entry in entries)
    assert all(entry.raw == entry.raw.strip() and entry.raw in body for entry in entries)
