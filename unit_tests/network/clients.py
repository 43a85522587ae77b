"""One request by each client, and what became of it: in the same form, so that one table tests both."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from destination_customerio.config.model import Credentials
from destination_customerio.dead_letters.aws_settings import AwsSettings
from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_route import bucket_route
from destination_customerio.errors import ConfigError, SyncError, TransientError
from destination_customerio.network.failures import explain_failure
from destination_customerio.track_api.client import TrackClient
from destination_customerio.track_api.verdict import Answer
from unit_tests.dead_letters import bucket_server

if TYPE_CHECKING:
    from collections.abc import Callable

CREDENTIALS = Credentials.model_validate({"siteId": "site", "apiKey": "key"})
TRACK_API = "the Track API"
STORE = "the store"


class Outcome(NamedTuple):
    """What became of a request: the error to end with and its words, or no error; `peer` is what it was for."""

    kind: type[SyncError] | None
    words: str
    peer: str


def post(url: str, read_timeout_seconds: float = 20.0) -> Outcome:
    """A batch sent by the client of the Track API."""
    try:
        client = TrackClient(url, CREDENTIALS, read_timeout_seconds)
    except ConfigError as error:
        return Outcome(ConfigError, str(error), TRACK_API)
    try:
        answer = client.post_batch(b"{}")
    except ConfigError as error:
        return Outcome(ConfigError, str(error), TRACK_API)
    finally:
        client.close()
    return (
        Outcome(None, str(answer.status), TRACK_API)
        if isinstance(answer, Answer)
        else Outcome(TransientError, answer.kind, TRACK_API)
    )


def head(url: str, **values: str) -> Outcome:
    """A request of the bucket's client."""
    storage = bucket_server.storage(url, **values)
    client = None
    try:
        client = make_client(storage)
        client.head_bucket(Bucket=storage.s3_bucket_name)
    except ConfigError as error:
        return Outcome(ConfigError, str(error), STORE)
    except Exception as error:
        failure = explain_failure(error, bucket_route(storage, AwsSettings(dict(os.environ))), STORE)
        if failure is None:
            raise
        return Outcome(failure.kind, f"{failure.cause}. {failure.remedy}", STORE)
    finally:
        if client:
            client.close()
    return Outcome(None, "200", STORE)


CLIENTS: list[Callable[[str], Outcome]] = [post, head]
