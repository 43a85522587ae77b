"""The lease of a replay: who holds it, for how long, and who may take it over."""

from __future__ import annotations

import json
import os
import socket
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from destination_customerio.errors import ConfigError, TransientError
from destination_customerio.replay.lease import Lease
from integration_tests.connector import wait_until
from integration_tests.rejected_rows import LEASE_KEY
from integration_tests.s3_proxy import Request, proxy_to

if TYPE_CHECKING:
    from destination_customerio.errors import SyncError
    from integration_tests.buckets import Bucket


def put(bucket: Bucket, content: bytes) -> None:
    """Put a lease into the bucket."""
    bucket.client.put_object(Bucket=bucket.name, Key=LEASE_KEY, Body=content)


def held_by(host: str, process: int) -> bytes:
    """The content of a lease."""
    return json.dumps({"host": host, "process": process, "token": "another"}).encode()


def test_a_lease_is_held_and_released(bucket: Bucket) -> None:
    """A released lease can be acquired again."""
    for _ in range(2):
        with Lease(bucket.storage()):
            assert bucket.keys() == [LEASE_KEY]
            content = json.loads(bucket.read(LEASE_KEY))
            assert (content["host"], content["process"]) == (socket.gethostname(), os.getpid())
        assert bucket.keys() == []


@pytest.mark.parametrize(
    "content",
    [
        held_by("elsewhere", 1),
        # Containers may share a host name, and in each the process has the number 1.
        held_by(socket.gethostname(), os.getpid()),
        # No process has this number here, but one may in another container.
        held_by(socket.gethostname(), 2**30),
        b"nonsense",
    ],
    ids=["another host", "same host and process", "same host, unknown process", "unknown holder"],
)
def test_a_fresh_lease_is_respected_whoever_holds_it(bucket: Bucket, content: bytes) -> None:
    """Whether its holder is alive can't be known from here; only its age decides."""
    put(bucket, content)
    with (
        pytest.raises(TransientError, match="Another replay of these rejected rows is running"),
        Lease(bucket.storage()),
    ):
        pass
    assert bucket.read(LEASE_KEY) == content


@pytest.mark.parametrize("content", [held_by("elsewhere", 1), b"nonsense", b"[]"])
def test_a_lease_that_is_not_renewed_lapses(bucket: Bucket, content: bytes) -> None:
    """Whoever held it, and whatever its content."""
    put(bucket, content)
    with Lease(bucket.storage(), lapse_seconds=0):
        assert bucket.read(LEASE_KEY) != content


def test_the_message_names_the_holder_and_the_time_to_wait(bucket: Bucket) -> None:
    """So that the operator can look for the other replay, or knows when to try again."""
    put(bucket, held_by("worker-7", 31))
    with pytest.raises(TransientError) as caught, Lease(bucket.storage(), lapse_seconds=3_600):
        pass
    assert "(host worker-7, process 31, lease renewed " in str(caught.value)
    assert "if it was killed, its lease expires in 3," in str(caught.value)


def test_a_lease_is_renewed_while_it_is_held(bucket: Bucket) -> None:
    """So it lapses only after its process has ended."""
    with Lease(bucket.storage(), renew_seconds=0.01):
        bucket.client.delete_object(Bucket=bucket.name, Key=LEASE_KEY)
        wait_until(lambda: bucket.keys() == [LEASE_KEY])


def test_a_lease_that_was_taken_over_is_left_to_the_other_replay(bucket: Bucket) -> None:
    """It is not renewed, and the replay that lost it is notified once."""
    other = held_by("elsewhere", 1)
    lost: list[SyncError] = []
    with proxy_to(bucket.endpoint) as proxy:

        def take_over(request: Request) -> None:
            if request.method == "GET":
                put(bucket, other)

        with Lease(bucket.storage(s3_endpoint=proxy.url), renew_seconds=0.01, on_lost=lost.append):
            proxy.refuse = take_over
            wait_until(lambda: bool(lost))
        assert bucket.read(LEASE_KEY) == other
    assert [type(error) for error in lost] == [TransientError]
    assert "Another replay of these rejected rows has started" in str(lost[0])


@pytest.mark.parametrize("seconds", [59, 60])
def test_a_lease_that_is_gone_is_lost_if_it_may_have_lapsed(bucket: Bucket, seconds: int) -> None:
    """Another replay may have taken it over and ended meanwhile; before that, somebody has deleted it."""
    lost: list[SyncError] = []
    now = [0.0]
    with proxy_to(bucket.endpoint) as proxy:

        def suspend(request: Request) -> None:
            if request.method == "GET":
                bucket.client.delete_object(Bucket=bucket.name, Key=LEASE_KEY)
                now[0] += seconds

        with Lease(
            bucket.storage(s3_endpoint=proxy.url),
            renew_seconds=0.01,
            on_lost=lost.append,
            clock=lambda: now[0],
        ):
            proxy.refuse = suspend
            wait_until(lambda: bool(lost) or len(proxy.requests) > 12)
    assert len(lost) == (1 if seconds == 60 else 0)


def test_a_machine_suspended_during_a_renewal_may_have_lost_its_lease(bucket: Bucket) -> None:
    """What counts is when the renewal was sent, not when its answer was read."""
    lost: list[SyncError] = []
    now = [0.0]
    with proxy_to(bucket.endpoint) as proxy:

        def suspend(request: Request, body: bytes) -> bytes:
            if request.method == "PUT":
                bucket.client.delete_object(Bucket=bucket.name, Key=LEASE_KEY)
                now[0] += 60
            return body

        with Lease(
            bucket.storage(s3_endpoint=proxy.url),
            renew_seconds=0.01,
            on_lost=lost.append,
            clock=lambda: now[0],
        ):
            proxy.change = suspend
            wait_until(lambda: bool(lost) or len(proxy.requests) > 12)
    assert len(lost) == 1


@pytest.mark.parametrize("content", [b"\x00" * 1_000_000, b"[" * 100_000, held_by("h" * 100_000, 1)], ids=len)
def test_an_object_in_place_of_a_lease_is_respected_and_not_shown(bucket: Bucket, content: bytes) -> None:
    """Anybody can put one there, of any size."""
    put(bucket, content)
    with pytest.raises(TransientError) as caught, Lease(bucket.storage()):
        pass
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("header", ["etag", "last-modified"])
def test_a_store_that_hides_the_version_of_a_lease_is_named(bucket: Bucket, header: str) -> None:
    """Proxies remove headers of answers."""
    with proxy_to(bucket.endpoint) as proxy:
        proxy.headers = lambda request, headers: {
            name: value
            for name, value in headers.items()
            if name.lower() != header or request.method == "PUT"
        }
        with (
            pytest.raises(ConfigError, match="_replay_claim without its"),
            Lease(bucket.storage(s3_endpoint=proxy.url)),
        ):
            pass


@pytest.mark.parametrize("date", ["garbled", formatdate()], ids=["garbled", "without a zone"])
def test_a_store_without_a_readable_clock_is_asked_by_the_clock_of_this_machine(
    bucket: Bucket, date: str
) -> None:
    """A fresh lease is respected all the same."""
    put(bucket, held_by("elsewhere", 1))
    with proxy_to(bucket.endpoint) as proxy:
        proxy.date = date
        with (
            pytest.raises(TransientError, match="host elsewhere, process 1"),
            Lease(bucket.storage(s3_endpoint=proxy.url)),
        ):
            pass


def test_a_lease_that_was_taken_over_is_not_released(bucket: Bucket) -> None:
    """By then it belongs to another replay."""
    other = held_by("elsewhere", 1)
    with Lease(bucket.storage()):
        put(bucket, other)
    assert bucket.read(LEASE_KEY) == other


def test_a_missing_bucket_is_a_configuration_error(bucket: Bucket) -> None:
    """The message says that nothing was sent."""
    storage = bucket.storage(s3_bucket_name="never-made")
    with (
        pytest.raises(ConfigError, match="could not be acquired, so nothing was sent: there is no bucket"),
        Lease(storage),
    ):
        pass
