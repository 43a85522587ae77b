"""The client for a bucket: its region, and how often it repeats a request."""

from __future__ import annotations

import io

import pytest

from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_upload import upload
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import Bucket, Refusal

pytestmark = pytest.mark.usefixtures("bare_machine")


def test_the_region_may_come_from_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As boto3 finds it there."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    client = make_client(bucket_server.storage("", s3_bucket_region=""))
    assert client.meta.region_name == "eu-west-3"
    client.close()


def test_the_region_of_another_store_is_optional(bucket: Bucket) -> None:
    """Most accept any."""
    client = make_client(bucket_server.storage(bucket.url, s3_bucket_region=""))
    assert client.meta.region_name == "us-east-1"
    client.close()


def test_requests_are_retried_before_they_fail(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """By boto3, as often as its setting says."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    refusals = [Refusal(503, "SlowDown")]
    bucket.refuse = lambda: refusals.pop() if refusals else None
    storage = bucket_server.storage(bucket.url)
    client = make_client(storage)
    upload(client, storage, "rejected/key.csv", io.BytesIO(b"whole"), "text/csv")
    client.close()
    assert bucket.objects == {"rejected/key.csv": b"whole"}


def test_without_that_setting_there_are_eight_attempts(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage of half a minute does not fail a sync."""
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    client = make_client(bucket_server.storage(bucket.url))
    effective = client.meta.config.retries  # type: ignore[attr-defined]
    assert effective == {"mode": "standard", "total_max_attempts": 8}
    client.close()
