"""Hypothesis profiles, and loopback fixtures for tests that need a network or a bucket."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.coordinator import Coordinator
from unit_tests.track_api.loopback import Certificate, Reply, Request, Server, make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from unit_tests.dead_letters.bucket_server import Bucket

# No deadlines, as test machines differ in speed. The same inputs in each run, so that a change fails on what it changed.
settings.register_profile(
    "unhurried", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
# The long profile explores, and prints how to reproduce a failure.
settings.register_profile(
    "long",
    parent=settings.get_profile("unhurried"),
    derandomize=False,
    max_examples=5_000,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unhurried"))


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without the developer's proxies, CA bundles and netrc file."""
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "AWS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NETRC", "/dev/null")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A self-signed certificate."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def internet(
    monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> Iterator[Callable[[Callable[[Request], Reply]], Server]]:
    """Simulates Customer.io's hosts: a proxy set in the environment, whose certificate is trusted."""
    servers = []

    def answer(respond: Callable[[Request], Reply]) -> Server:
        server = Server(respond, tls=certificate.context, is_proxy=True).__enter__()
        servers.append(server)
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
        return server

    yield answer
    for server in servers:
        server.__exit__()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A bucket that accepts everything."""
    bucket_server.isolate(monkeypatch)
    yield from bucket_server.serve()


@pytest.fixture
def coordinator() -> Iterator[Coordinator]:
    """A coordinator that closes everything that it opened."""
    made = Coordinator()
    yield made
    made.close()
