"""What the integration tests share: a Track API, an S3 (and STS) on loopback, and buckets in it."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import pytest
from moto.server import ThreadedMotoServer

from integration_tests.buckets import Bucket, client_of
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator

_bucket_numbers = count(1)


@pytest.fixture(autouse=True)
def _no_aws_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on the machine that runs the tests may decide how boto3 behaves, here or in the connector's process."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    # Two attempts: enough to see a retry, and a permanent failure takes less than a second.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API."""
    with LocalTrackApi() as server:
        yield server


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The base URL of a local S3 and STS."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(moto_url: str) -> Iterator[Bucket]:
    """An empty bucket that no other test knows."""
    client = client_of(moto_url)
    name = f"rejected-{next(_bucket_numbers)}"
    client.create_bucket(Bucket=name)
    yield Bucket(name, moto_url, client)
    client.close()
