"""The local Track API detects broken order of a person's rows, and accepts every retry that a correct client makes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tools.local_track_api import LocalTrackApi
from tools.local_track_api.order import OrderWatch, RequestInFlight

if TYPE_CHECKING:
    from collections.abc import Iterator


class Receiver:
    """Feeds requests of one person, `ada`, to a watch; time is counted in steps."""

    def __init__(self) -> None:
        self.watch = OrderWatch()
        self.time = 0.0
        self.requests = 0

    def start(self, *, abandoned: bool = False, arrived_at: float | None = None) -> RequestInFlight:
        """A request with entries of ada arrives."""
        self.time += 1
        self.requests += 1
        arrived = self.time if arrived_at is None else arrived_at
        request = RequestInFlight(self.requests, arrived, lambda: abandoned)
        self.watch.begin(request, ["ada"])
        return request

    def end(self, request: RequestInFlight, *, answered: bool = True, settled: bool = True) -> None:
        """A request is over."""
        self.time += 1
        self.watch.end(request, self.time, answered=answered, settled=settled)

    def send(self, *sequences: int, lost: bool = False, digest: int = 1) -> None:
        """A whole request with these sequence numbers, its answer delivered or lost."""
        request = self.start()
        for sequence in sequences:
            self.watch.apply(request, "ada", sequence, digest)
        self.end(request, answered=not lost, settled=not lost)

    def kinds(self) -> list[str]:
        """The violations so far, by kind."""
        return [violation.kind for violation in self.watch.violations]


LOST = True
# Each request: the sequence numbers of its entries, and whether its answer is lost.
IN_ORDER: dict[str, list[tuple[list[int], bool]]] = {
    "gaps, as some entries may be rejected": [([1, 2, 5], not LOST), ([6], not LOST), ([9], not LOST)],
    "the same request until its answer arrives": [([1, 2], LOST), ([1, 2], LOST), ([1, 2], not LOST)],
    "the halves of a request whose answer was lost": [
        ([1, 2, 3, 4], LOST),
        ([1, 2], not LOST),
        ([3, 4], LOST),
        ([3, 4], not LOST),
        ([5], not LOST),
    ],
    "a retry with newer entries added": [([1, 2], LOST), ([1, 2, 3], LOST), ([1, 2, 3], not LOST)],
}
OUT_OF_ORDER: dict[str, list[tuple[list[int], bool]]] = {
    "an older entry in a later request": [([2], not LOST), ([1], not LOST)],
    "an older entry later in the same request": [([2, 1], not LOST)],
    "one number twice in a request": [([3, 3], not LOST)],
    "a lost request after a newer one": [([1], LOST), ([2], LOST), ([1], not LOST)],
    "the halves in the wrong order": [([1, 2, 3, 4], LOST), ([3, 4], not LOST), ([1, 2], not LOST)],
    "a request that was answered": [([1, 2], not LOST), ([1, 2], not LOST)],
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_order_that_a_correct_client_produces_passes(name: str) -> None:
    """Ascending numbers, and the same bytes again while no answer was delivered."""
    receiver = Receiver()
    for sequences, lost in IN_ORDER[name]:
        receiver.send(*sequences, lost=lost)
    assert receiver.kinds() == []


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_an_older_row_applied_after_a_newer_one_is_flagged(name: str) -> None:
    """Once, or more often when more rows are out of order."""
    receiver = Receiver()
    for sequences, lost in OUT_OF_ORDER[name]:
        receiver.send(*sequences, lost=lost)
    assert set(receiver.kinds()) == {"sequence"}


def test_a_retry_with_other_bytes_is_flagged() -> None:
    """An old number with other content is an older row after a newer one."""
    receiver = Receiver()
    receiver.send(1, 2, lost=True)
    receiver.send(1, digest=2)
    assert receiver.kinds() == ["sequence"]


def test_a_new_sync_may_start_from_an_earlier_state() -> None:
    """After a crash, rows come again from the last acknowledged state; earlier violations stay."""
    receiver = Receiver()
    receiver.send(2)
    receiver.send(1)
    receiver.watch.new_sync()
    receiver.send(1, 2)
    assert receiver.kinds() == ["sequence"]


def test_two_concurrent_requests_of_one_person_are_flagged() -> None:
    """Also when the second is read only after the first was answered: what counts is when it was sent."""
    receiver = Receiver()
    first = receiver.start()
    second = receiver.start()
    receiver.end(first)
    sent_at = receiver.time - 0.5
    receiver.end(second)
    receiver.start(arrived_at=sent_at)
    assert receiver.kinds() == ["overlap", "overlap"]


def test_consecutive_requests_pass() -> None:
    """A request that comes after the answer is no overlap."""
    receiver = Receiver()
    for _ in range(3):
        receiver.end(receiver.start())
    assert receiver.kinds() == []


def test_a_request_whose_client_has_hung_up_does_not_count() -> None:
    """A client that timed out may retry while the server still works on the first attempt, or just after."""
    receiver = Receiver()
    first = receiver.start(abandoned=True)
    second = receiver.start()
    receiver.end(first, answered=False, settled=False)
    receiver.end(second)
    first = receiver.start(abandoned=True)
    sent_at = receiver.time + 0.5
    receiver.end(first, answered=False, settled=False)
    receiver.end(receiver.start(arrived_at=sent_at))
    assert receiver.kinds() == []


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API."""
    with LocalTrackApi() as server:
        yield server


def send(api: LocalTrackApi, email: str, *sequences: int, timeout: float = 10) -> None:
    """Send one batch of identifies of one person."""
    entries: list[dict[str, Any]] = [
        {
            "type": "person",
            "action": "identify",
            "identifiers": {"email": email},
            "attributes": {"_seq": number},
        }
        for number in sequences
    ]
    url, auth = f"{api.url}/api/v2/batch", (api.site_id, api.api_key)
    requests.post(url, json={"batch": entries}, auth=auth, timeout=timeout).raise_for_status()


def test_violations_are_detected_over_http(api: LocalTrackApi) -> None:
    """Concurrent requests and numbers that go back, per person, emails compared without case."""
    api.inject({"request": 1, "delay_seconds": 1})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(send, api, "a@x.org", 2)
        while not api.requests.body_bytes:
            threading.Event().wait(0.005)
        send(api, "b@x.org", 1)
        send(api, "A@X.org", 3)
        slow.result()
    send(api, "a@x.org", 1)
    found = [(each.kind, each.person) for each in api.order_violations]
    assert found == [("overlap", "email:a@x.org"), ("sequence", "email:a@x.org")]


def test_a_retry_after_a_timeout_is_no_violation(api: LocalTrackApi) -> None:
    """A client that hung up and sends the same bytes again did nothing wrong."""
    api.inject({"request": [1, 2], "delay_seconds": 5})
    for _ in range(2):
        with pytest.raises(requests.exceptions.ReadTimeout):
            send(api, "a@x.org", 1, 2, timeout=0.2)
    send(api, "a@x.org", 1, 2)
    assert api.order_violations == []
