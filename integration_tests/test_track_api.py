"""The local Track API over real sockets: its answers, its control endpoints, and what it counts."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class Client:
    """One kept-alive connection with the right credentials."""

    def __init__(self, api: LocalTrackApi) -> None:
        self.api = api
        self.session = requests.Session()
        self.session.auth = (api.site_id, api.api_key)

    def post(self, body: bytes, **options: Any) -> requests.Response:
        """Send a batch body as it is."""
        options.setdefault("headers", {"Content-Type": "application/json"})
        return self.session.post(f"{self.api.url}/api/v2/batch", data=body, timeout=10, **options)

    def send(self, *entries: object) -> requests.Response:
        """Send entries as one batch."""
        return self.post(batch(*entries))

    def region(self) -> requests.Response:
        """Ask for the account's region."""
        return self.session.get(f"{self.api.url}/api/v1/accounts/region", timeout=10)

    def control(self, method: str, path: str, payload: Any = None) -> requests.Response:
        """Use a control endpoint, without credentials."""
        return requests.request(method, f"{self.api.url}/_control/{path}", json=payload, timeout=10)


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A server of its own."""
    with LocalTrackApi() as local:
        yield local


@pytest.fixture
def client(api: LocalTrackApi) -> Iterator[Client]:
    """A client of that server."""
    client = Client(api)
    with closing(client.session):
        yield client


def batch(*entries: object) -> bytes:
    """A batch body."""
    return json.dumps({"batch": entries}, separators=(",", ":")).encode()


def identify(email: str, **attributes: Any) -> dict[str, Any]:
    """An identify entry."""
    return {
        "type": "person",
        "action": "identify",
        "identifiers": {"email": email},
        "attributes": attributes,
    }


def event(email: str, **members: Any) -> dict[str, Any]:
    """An event entry."""
    return {"type": "person", "action": "event", "identifiers": {"email": email}, "name": "n", **members}


def sized_body(size: int) -> bytes:
    """A valid batch body of exactly `size` bytes; the last entry but one is filled up to the size."""
    entries = [event("a@x.org", attributes={"x": "x" * 20_000}) for _ in range(size // 20_200)]
    entries.append(event("a@x.org", attributes={"x": ""}))
    entries[-1]["attributes"]["x"] = "x" * (size - len(batch(*entries)))
    return batch(*entries)


def wait_for_bodies(api: LocalTrackApi, count: int) -> None:
    """Wait until the server has begun to work on so many batches."""
    tick = threading.Event()
    while len(api.requests.body_bytes) < count:
        tick.wait(0.005)


def test_a_good_batch_is_answered_with_an_empty_object(api: LocalTrackApi, client: Client) -> None:
    """All entries taken: 200 and `{}`, and the world knows them."""
    answer = client.send(identify("Ada@x.org", plan=None), event("ada@x.org", id=ULID))
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["Content-Type"] == "application/json"
    person = api.world.person(email="ada@x.org")
    assert person is not None
    assert person.attributes == {"plan": None}
    assert [each.id for each in api.world.events] == [ULID]


def test_bad_entries_are_named_and_the_others_are_taken(api: LocalTrackApi, client: Client) -> None:
    """207 names each bad entry by its place, and only those are left out."""
    answer = client.send(identify("a@x.org"), identify(" "), identify("b@x.org"), event("a@x.org", name=""))
    assert answer.status_code == 207
    assert answer.json() == {
        "errors": [
            {
                "batch_index": 1,
                "reason": "required",
                "field": "email",
                "message": "email must not be blank",
            },
            {"batch_index": 3, "reason": "required", "field": "name", "message": "name must not be blank"},
        ]
    }
    assert list(api.world.people) == ["email:a@x.org", "email:b@x.org"]


@pytest.mark.parametrize("auth", [("site", "wrong"), ("wrong", "key"), None])
def test_wrong_credentials_are_refused(api: LocalTrackApi, auth: tuple[str, str] | None) -> None:
    """Both paths answer 401 to anything but the one pair, and nothing is taken."""
    url = f"{api.url}/api/v2/batch"
    headers = {"Content-Type": "application/json"}
    answer = requests.post(url, data=batch(identify("a@x.org")), auth=auth, headers=headers, timeout=10)
    assert answer.status_code == 401
    assert requests.get(f"{api.url}/api/v1/accounts/region", auth=auth, timeout=10).status_code == 401
    assert api.world.people == {}


@pytest.mark.parametrize("region", ["us", "eu"])
def test_the_region_names_the_real_host(region: str) -> None:
    """The answer is the contract's own, for either region."""
    host = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}[region]
    with LocalTrackApi(region=region) as api, closing((client := Client(api)).session):
        answer = client.region()
    assert answer.status_code == 200
    assert answer.json() == {"url": host, "region": region, "environment_id": 3}


def test_an_unknown_region_is_refused_at_the_start() -> None:
    """A server of no region is not made."""
    with pytest.raises(ValueError, match="us or eu"):
        LocalTrackApi(region="mars")


def test_a_body_may_have_half_a_million_bytes_and_not_one_more(api: LocalTrackApi, client: Client) -> None:
    """500,000 bytes pass; 500,001 are answered with 413, and nothing of them is taken."""
    assert len(sized_body(500_001)) == 500_001
    assert client.post(sized_body(500_000)).status_code == 200
    taken = len(api.world.events)
    assert client.post(sized_body(500_001)).status_code == 413
    assert len(api.world.events) == taken


def test_an_entry_is_measured_by_its_bytes_as_sent(client: Client) -> None:
    """Blanks inside an entry count towards its 32,768 bytes."""
    entry = batch(event("a@x.org")).removeprefix(b'{"batch":[').removesuffix(b"]}")
    blanks = b" " * (32_768 - len(entry))
    for extra, status in ((b"", 200), (b" ", 207)):
        body = b'{"batch":[' + entry[:-1] + blanks + extra + b"}]}"
        assert client.post(body).status_code == status


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"{}", b'{"batch":{}}', b'{"batch":[]}'])
def test_a_malformed_body_is_refused_as_a_whole(client: Client, body: bytes) -> None:
    """400 with the list of errors."""
    answer = client.post(body, headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "batch"


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_taken(client: Client, content_type: str) -> None:
    """The media type counts, its parameters do not."""
    answer = client.post(batch(identify("a@x.org")), headers={"Content-Type": content_type})
    assert answer.status_code == 200


def test_other_media_types_are_not_taken(client: Client) -> None:
    """A form is no batch."""
    answer = client.post(batch(identify("a@x.org")), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


def test_a_body_without_a_length_is_not_taken(client: Client) -> None:
    """Chunks are refused with 411."""
    url = f"{client.api.url}/api/v2/batch"
    answer = client.session.post(url, data=iter([batch(identify("a@x.org"))]), timeout=10)
    assert answer.status_code == 411
    assert client.api.requests.statuses == {"411": 1}


def test_other_paths_and_methods_are_refused(client: Client) -> None:
    """404 for an unknown path, 405 for a known one asked in another way."""
    url = client.api.url
    assert client.session.get(f"{url}/api/v2/entity", timeout=10).status_code == 404
    assert client.session.get(f"{url}/api/v2/batch", timeout=10).status_code == 405
    assert client.control("GET", "nothing").status_code == 404


@pytest.mark.parametrize(
    ("wanted", "members"),
    [
        ("errors", {"errors"}),
        ("meta.error", {"meta"}),
        ("meta.errors", {"meta"}),
        ("message", {"message"}),
        (True, {"errors"}),
    ],
)
def test_a_poisonous_row_spoils_its_whole_request(
    api: LocalTrackApi, client: Client, wanted: object, members: set[str]
) -> None:
    """400 in the envelope the row asks for, and none of its neighbours is taken."""
    answer = client.send(identify("a@x.org"), identify("b@x.org", _poison_request=wanted))
    assert answer.status_code == 400
    assert answer.json().keys() == members
    if isinstance(wanted, str) and wanted.startswith("meta"):
        assert answer.json()["meta"].keys() == {wanted.removeprefix("meta.")}
    assert api.world.people == {}


def test_integers_keep_their_digits_from_the_wire_to_the_listing(client: Client) -> None:
    """An integer beyond 64 bits is listed as it was sent."""
    digits = "123456789012345678901234567890"
    client.post(batch(identify("a@x.org", n=0)).replace(b'"n":0', f'"n":{digits}'.encode()))
    assert digits in client.control("GET", "people").text


def test_the_report_counts_what_happened(client: Client) -> None:
    """Requests, sizes, entries, repeats, connections and user agents, all in one place."""
    client.session.headers["User-Agent"] = "tester/1"
    first = batch(identify("a@x.org"), event("a@x.org", id=ULID), identify(" "))
    client.post(first)
    client.send(event("a@x.org", id=ULID))
    client.region()
    client.post(b"nonsense")
    report = client.control("GET", "report").json()
    sizes = [len(first), len(batch(event("a@x.org", id=ULID))), len(b"nonsense")]
    assert report["requests"] == {"batch": 3, "region": 1}
    assert report["requests_by_status"] == {"200": 1, "207": 1, "400": 1}
    assert report["body_bytes"] == {
        "total": sum(sizes),
        "min": min(sizes),
        "max": max(sizes),
        "mean": sum(sizes) / 3,
        "mean_fullness": sum(sizes) / 3 / 500_000,
        "histogram_by_lower_bound": {"0": 3},
    }
    assert (report["entries"], report["accepted"]) == (4, 3)
    assert report["rejected_by_reason"] == {"required": 1}
    assert report["applied_by_action"] == {"person identify": 1, "person event": 2}
    assert (report["people"], report["events"], report["objects"]) == (1, 1, 0)
    assert report["ignored"]["repeated_events"] == 1
    assert report["connections"] == 1
    assert report["max_concurrent_requests"] == 1
    assert report["user_agents"] == {"tester/1": 4}
    assert report["order_violations"] == 0
    assert report["server_failures"] == []
    assert client.api.requests.body_bytes == sizes


def test_the_world_can_be_listed_up_to_a_limit(client: Client) -> None:
    """People, events, objects, relationships and the suppressed, with their totals."""
    acme = {"object_type_id": "1", "object_id": "acme"}
    client.send(
        *[identify(f"p{number}@x.org") for number in range(3)],
        event("p0@x.org", timestamp=5, attributes={"a": 1}),
        {"type": "object", "action": "identify", "identifiers": acme, "attributes": {"a": None}},
        {
            "type": "object",
            "action": "add_relationships",
            "identifiers": acme,
            "cio_relationships": [{"identifiers": {"email": "p0@x.org"}}],
        },
        {"type": "person", "action": "suppress", "identifiers": {"email": "Gone@x.org"}},
    )
    people = client.control("GET", "people?limit=2").json()
    assert people["total"] == 3
    assert people["items"][0] == {"identifiers": {"email": "p0@x.org"}, "attributes": {}, "devices": []}
    assert len(people["items"]) == 2
    assert client.control("GET", "events").json()["items"] == [
        {
            "identifiers": {"email": "p0@x.org"},
            "action": "event",
            "name": "n",
            "id": None,
            "timestamp": 5,
            "attributes": {"a": 1},
        }
    ]
    assert client.control("GET", "objects").json()["items"] == [{**acme, "attributes": {"a": None}}]
    assert client.control("GET", "relationships").json()["items"] == [
        {"person": "email:p0@x.org", **acme, "attributes": {}}
    ]
    assert client.control("GET", "suppressed").json() == {"total": 1, "items": ["email:gone@x.org"]}
    assert client.control("GET", "people?limit=all").status_code == 400


def test_a_reset_forgets_everything(client: Client) -> None:
    """World, counts, numbering, faults and settings start anew."""
    client.control("POST", "settings", {"mode": "count", "latency_seconds": 0.001})
    client.send(identify("a@x.org"))
    client.control("POST", "faults", [{"request": 2, "status": 503}])
    assert client.control("POST", "reset").status_code == 200
    assert client.send(identify("a@x.org")).status_code == 200
    assert client.send(identify("b@x.org")).status_code == 200
    report = client.control("GET", "report").json()
    assert (report["requests"], report["people"]) == ({"batch": 2}, 2)


def test_counting_mode_looks_at_nothing_but_sizes(api: LocalTrackApi, client: Client) -> None:
    """Any body is answered with 200, and its size is counted."""
    assert client.control("POST", "settings", {"mode": "count"}).status_code == 200
    assert client.post(b"nonsense").content == b"{}"
    assert api.requests.body_bytes == [8]
    assert api.requests.entries == 0


@pytest.mark.parametrize("settings", [[], {"mode": "lax"}, {"latency_seconds": -1}, {"speed": 1}])
def test_settings_that_do_not_exist_are_refused(client: Client, settings: object) -> None:
    """A misspelt setting is told, not ignored."""
    assert client.control("POST", "settings", settings).status_code == 400


def test_requests_of_one_person_at_a_time_are_seen_as_an_overlap(api: LocalTrackApi) -> None:
    """Two connections that send entries of one person together are reported, those of two people are not."""
    api.inject({"request": 1, "delay_seconds": 1})
    clients = [Client(api), Client(api)]
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(clients[0].send, identify("a@x.org"))
        wait_for_bodies(api, 1)
        clients[1].send(identify("b@x.org"))
        clients[1].send(identify("A@X.org"))
        slow.result()
    for client in clients:
        client.session.close()
    assert [(each.kind, each.person) for each in api.order_violations] == [("overlap", "email:a@x.org")]
    assert api.requests.max_concurrent_requests == 2
    assert len(api.requests.connections) == 2


def test_a_planted_sequence_out_of_order_is_reported(client: Client) -> None:
    """`_seq` must ascend per person, until a new sync is announced."""
    client.send(identify("a@x.org", _seq=2), identify("b@x.org", _seq=1))
    client.send(event("A@x.org", attributes={"_seq": 1}))
    report = client.control("GET", "report").json()
    assert report["order_violations"] == 1
    assert report["order_violations_listed"] == [
        {
            "kind": "sequence",
            "person": "email:a@x.org",
            "request": 2,
            "earlier_request": 1,
            "detail": "_seq 1 was applied after 2",
        }
    ]
    client.control("POST", "new_sync")
    client.send(identify("a@x.org", _seq=1))
    assert len(client.api.order_violations) == 1


def test_a_repeat_is_flagged_unless_its_answer_was_lost(api: LocalTrackApi, client: Client) -> None:
    """The same request twice passes after an unusable answer, and is a violation after a usable one."""
    body = batch(identify("a@x.org", _seq=1), identify("a@x.org", _seq=2))
    api.inject({"request": 1, "garbage": True})
    client.post(body)
    client.post(body)
    assert api.order_violations == []
    client.post(body)
    assert [each.kind for each in api.order_violations] == ["sequence"]


@pytest.mark.parametrize("noticed", [False, True])
def test_a_retry_after_a_time_out_is_no_violation(api: LocalTrackApi, client: Client, noticed: bool) -> None:
    """A client that gave up waiting, hung up and asked again did nothing wrong, soon or late."""
    body = batch(identify("a@x.org", _seq=1), identify("a@x.org", _seq=2))
    api.inject({"request": [1, 2], "delay_seconds": 5})
    for number in (1, 2):
        with pytest.raises(requests.exceptions.ReadTimeout):
            client.session.post(
                f"{api.url}/api/v2/batch",
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=(5, 0.2),
            )
        while noticed and api.requests.statuses.total() < number:
            threading.Event().wait(0.005)
    assert client.post(body).status_code == 200
    assert api.order_violations == []


def test_a_client_that_hangs_up_within_its_request_takes_no_effect(api: LocalTrackApi) -> None:
    """Half a body is no request, and no failure of the server."""
    with socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2]))) as connection:
        connection.sendall(b"POST /api/v2/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    report = api.report()
    assert report["requests_by_status"] == {"no answer": 1}
    assert report["server_failures"] == []


def test_connections_are_kept_alive(api: LocalTrackApi, client: Client) -> None:
    """Refusals included, one connection serves all requests of a client."""
    client.send(identify("a@x.org"))
    client.post(b"nonsense")
    client.post(sized_body(500_001))
    client.region()
    assert len(api.requests.connections) == 1


def test_the_server_ends_at_once_whatever_it_is_doing() -> None:
    """Leaving the context ends idle connections, hanging answers and all threads."""
    with ThreadPoolExecutor(1) as pool:
        with LocalTrackApi() as api:
            idle, busy = Client(api), Client(api)
            idle.region()
            api.inject({"hang_seconds": 600})
            hanging = pool.submit(busy.send, identify("a@x.org"))
            wait_for_bodies(api, 1)
        assert isinstance(hanging.exception(), requests.exceptions.ConnectionError)
    for client in (idle, busy):
        client.session.close()
    assert not [thread for thread in threading.enumerate() if "local-track-api" in thread.name]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_as_a_process_it_says_where_it_listens_and_ends_quietly(end: signal.Signals) -> None:
    """One line on stdout, then service with the given credentials and region, then exit code 0 and no more words."""
    command = [sys.executable, "-m", "tools.local_track_api", "--port", "0"]
    command += ["--site-id", "s", "--api-key", "k", "--region", "eu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words[:2] == ["listening", "on"]
        answer = requests.get(f"{words[2]}/api/v1/accounts/region", auth=("s", "k"), timeout=10)
        assert answer.json()["region"] == "eu"
        process.send_signal(end)
        assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0
