"""What the integration tests share: a Track API, an S3 (and STS) on loopback, and buckets in it.

moto is one reading of S3. The tests of some modules run against s3rver too, which reads it differently (it checks
signatures, for example), where `make second-store` has installed it.
"""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import pytest
from moto.server import ThreadedMotoServer

from integration_tests import s3rver
from integration_tests.buckets import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Bucket, client_of
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator

_bucket_numbers = count(1)
_IN_BOTH_STORES = frozenset(
    f"integration_tests.{name}"
    for name in (
        "test_rejected",
        "test_replay",
        "test_replay_left_alone",
        "test_stores",
        "test_write_dead_letters",
    )
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that uses a bucket in both stores, unless it says in which."""
    says = any(mark.args[0] == "bucket" for mark in metafunc.definition.iter_markers("parametrize"))
    if "bucket" in metafunc.fixturenames and metafunc.module.__name__ in _IN_BOTH_STORES and not says:
        metafunc.parametrize("bucket", ["moto", "s3rver"], indirect=True)


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


@pytest.fixture(scope="session")
def s3rver_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a local s3rver."""
    if not s3rver.is_installed():
        pytest.skip(
            "s3rver, the second S3 server, is not installed: `make second-store` does it, if npm is there."
        )
    with s3rver.serve(tmp_path_factory.mktemp("s3rver")) as url:
        yield url


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """An empty bucket that no other test knows."""
    name = f"rejected-{next(_bucket_numbers)}"
    if getattr(request, "param", "moto") == "s3rver":
        endpoint: str = request.getfixturevalue("s3rver_url")
        key = s3rver.ACCESS_KEY_ID, s3rver.SECRET_ACCESS_KEY
    else:
        endpoint = request.getfixturevalue("moto_url")
        key = ACCESS_KEY_ID, SECRET_ACCESS_KEY
    client = client_of(endpoint, *key)
    client.create_bucket(Bucket=name)
    yield Bucket(name, endpoint, client, *key)
    client.close()
