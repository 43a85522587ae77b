"""The claim of a replay: who holds it, for how long, and who may take it over."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from destination_customerio.errors import ConfigError, TransientError
from destination_customerio.replay import lease as replay_claim
from destination_customerio.replay.lease import Claim
from integration_tests.connector import wait_until

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket

KEY = "customerio/rejected/_replay_claim"


def put(bucket: Bucket, content: bytes) -> None:
    """Let somebody hold the claim."""
    bucket.client.put_object(Bucket=bucket.name, Key=KEY, Body=content)


def held_by(host: str, process: int) -> bytes:
    """What a claim says."""
    return json.dumps({"host": host, "process": process, "token": "another"}).encode()


def test_a_claim_is_held_and_given_back(bucket: Bucket) -> None:
    """One at a time."""
    for _ in range(2):
        with Claim(bucket.storage()):
            assert bucket.keys() == [KEY]
            assert json.loads(bucket.read(KEY))["process"] == os.getpid()
        assert bucket.keys() == []


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_a_claim_of_somebody_at_work_is_respected(bucket: Bucket, host: str) -> None:
    """On this machine its process runs; of another machine it is new."""
    claim = held_by(host, os.getppid())
    put(bucket, claim)
    with (
        pytest.raises(TransientError, match="Another replay of these rejected rows is at work"),
        Claim(bucket.storage()),
    ):
        pass
    assert bucket.read(KEY) == claim


def test_a_claim_of_a_process_that_is_gone_is_taken_over(bucket: Bucket) -> None:
    """It was killed, as it would have given it back."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    put(bucket, held_by(socket.gethostname(), gone.pid))
    with Claim(bucket.storage()):
        assert b"another" not in bucket.read(KEY)


def test_a_claim_that_is_not_renewed_lapses(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever held it, and whatever it says."""
    monkeypatch.setattr(replay_claim, "_LAPSES_SECONDS", -2.0)
    for content in (held_by("elsewhere", 1), b"nonsense", b"[]"):
        put(bucket, content)
        with Claim(bucket.storage()):
            assert bucket.read(KEY) != content


def test_a_claim_is_renewed_while_it_is_held(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it lapses only when its process is gone."""
    monkeypatch.setattr(replay_claim, "_RENEW_SECONDS", 0.01)
    with Claim(bucket.storage()):
        bucket.client.delete_object(Bucket=bucket.name, Key=KEY)
        wait_until(lambda: bucket.keys() == [KEY])


def test_a_claim_that_was_taken_over_is_not_given_back(bucket: Bucket) -> None:
    """It is another's by then."""
    other = held_by("elsewhere", 1)
    with Claim(bucket.storage()):
        put(bucket, other)
    assert bucket.read(KEY) == other


def test_without_a_bucket_there_is_no_claim(bucket: Bucket) -> None:
    """The person is told, and nothing is sent."""
    storage = bucket.storage(s3_bucket_name="never-made")
    with (
        pytest.raises(ConfigError, match="could not be set, so nothing was sent: there is no bucket"),
        Claim(storage),
    ):
        pass
