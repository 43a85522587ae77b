"""The lease of a replay: who holds it, for how long, and who may take it over."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from destination_customerio.errors import ConfigError, TransientError
from destination_customerio.replay import lease
from destination_customerio.replay.lease import Lease
from integration_tests.connector import wait_until

if TYPE_CHECKING:
    from integration_tests.conftest import Bucket

KEY = "customerio/rejected/_replay_claim"


def put(bucket: Bucket, content: bytes) -> None:
    """Put a lease into the bucket."""
    bucket.client.put_object(Bucket=bucket.name, Key=KEY, Body=content)


def held_by(host: str, process: int) -> bytes:
    """The content of a lease."""
    return json.dumps({"host": host, "process": process, "token": "another"}).encode()


def test_a_lease_is_held_and_released(bucket: Bucket) -> None:
    """A released lease can be acquired again."""
    for _ in range(2):
        with Lease(bucket.storage()):
            assert bucket.keys() == [KEY]
            assert json.loads(bucket.read(KEY))["process"] == os.getpid()
        assert bucket.keys() == []


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_the_lease_of_a_running_replay_is_respected(bucket: Bucket, host: str) -> None:
    """Whether it runs on this machine or on another."""
    foreign = held_by(host, os.getppid())
    put(bucket, foreign)
    with (
        pytest.raises(TransientError, match="Another replay of these rejected rows is running"),
        Lease(bucket.storage()),
    ):
        pass
    assert bucket.read(KEY) == foreign


def test_a_lease_of_a_process_that_is_gone_is_taken_over(bucket: Bucket) -> None:
    """That process was killed, or it would have released the lease."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    put(bucket, held_by(socket.gethostname(), gone.pid))
    with Lease(bucket.storage()):
        assert b"another" not in bucket.read(KEY)


def test_a_lease_that_is_not_renewed_lapses(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever held it, and whatever its content."""
    monkeypatch.setattr(lease, "_LAPSE_SECONDS", -2.0)
    for content in (held_by("elsewhere", 1), b"nonsense", b"[]"):
        put(bucket, content)
        with Lease(bucket.storage()):
            assert bucket.read(KEY) != content


def test_a_lease_is_renewed_while_it_is_held(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it lapses only after its process has ended."""
    monkeypatch.setattr(lease, "_RENEW_SECONDS", 0.01)
    with Lease(bucket.storage()):
        bucket.client.delete_object(Bucket=bucket.name, Key=KEY)
        wait_until(lambda: bucket.keys() == [KEY])


def test_a_lease_that_was_taken_over_is_not_released(bucket: Bucket) -> None:
    """By then it belongs to another replay."""
    other = held_by("elsewhere", 1)
    with Lease(bucket.storage()):
        put(bucket, other)
    assert bucket.read(KEY) == other


def test_a_missing_bucket_is_a_configuration_error(bucket: Bucket) -> None:
    """The message says that nothing was sent."""
    storage = bucket.storage(s3_bucket_name="never-made")
    with (
        pytest.raises(ConfigError, match="could not be acquired, so nothing was sent: there is no bucket"),
        Lease(storage),
    ):
        pass
