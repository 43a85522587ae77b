"""Clients of the Track API for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio.config.model import Credentials
from destination_customerio.track_api.client import TrackClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CREDENTIALS = Credentials.model_validate({"siteId": "site", "apiKey": "schlüssel"})
LONG_TIMEOUT_SECONDS = 20.0


@pytest.fixture
def connect() -> Iterator[Callable[..., TrackClient]]:
    """A factory of clients, which are closed after the test."""
    clients = []

    def make(url: str, read_timeout_seconds: float = LONG_TIMEOUT_SECONDS, **more: Any) -> TrackClient:
        clients.append(TrackClient(url, CREDENTIALS, read_timeout_seconds, **more))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
