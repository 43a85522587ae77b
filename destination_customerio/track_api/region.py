"""Looks up the account's region, which checks the credentials and determines the host for all batches."""

from __future__ import annotations

import math
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, assert_never

from destination_customerio.config.model import EU_TRACK_URL, US_TRACK_URL
from destination_customerio.errors import ConfigError, ProtocolError, SyncError, TransientError
from destination_customerio.exact_json.codec import parse_object
from destination_customerio.track_api.client import READ_TIMEOUT_SECONDS, TrackClient
from destination_customerio.track_api.failures import Ending, failure
from destination_customerio.track_api.verdict import (
    Accepted,
    Answer,
    Blocked,
    Doubtful,
    NoAnswer,
    PaymentRequired,
    Refused,
    Retry,
    Unauthorized,
    judge,
)
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.config.model import Config

# After each of the attempts but the last one.
_PAUSES_SECONDS = {1: 1.0, 2: 3.0}
_HOST_OF_REGION = {"us": US_TRACK_URL, "eu": EU_TRACK_URL}


def read_timeout_seconds(config: Config) -> float:
    """The timeout of one request: never longer than the retry budget."""
    return min(READ_TIMEOUT_SECONDS, config.retry_timeout_seconds)


def resolve_track_url(
    config: Config, wait: Callable[[float], object], wall_clock: Callable[[], float]
) -> str:
    """Ask for the account's region, which also checks the credentials; returns the base URL for all batches.

    `wait` sleeps between the few attempts. The request carries no row, so with region `auto` it may go to the US host
    even for an EU account; the rows go to the account's own host.

    Raises:
        ConfigError: bad credentials, or a region other than the account's.
        TransientError: the host can't be reached, or does not answer.
    """
    asked = config.track_api_url or _HOST_OF_REGION.get(config.region, US_TRACK_URL)
    region, url = _ask(asked, config, wait, wall_clock)
    if config.region not in ("auto", region):
        raise ConfigError(
            f"The configuration sets the region {config.region.upper()}, but this Customer.io account is in the region "
            f"{region.upper()}. Nothing was written. Set Region (region) to {region} or auto."
        )
    return config.track_api_url or url


def _ask(
    asked: str, config: Config, wait: Callable[[float], object], wall_clock: Callable[[], float]
) -> tuple[str, str]:
    client = TrackClient(asked, config.credentials, read_timeout_seconds(config))
    try:
        for attempt in count(1):
            answer = client.get_region()
            verdict = judge(answer, 0, wall_clock)
            answer.release()
            match verdict:
                case Accepted() | Refused():
                    break
                case Unauthorized() | PaymentRequired():
                    raise _failure(verdict, config.region)
                case Retry() | Blocked() | Doubtful():
                    pause_seconds = _PAUSES_SECONDS.get(attempt, math.inf)
                    if pause_seconds >= config.retry_timeout_seconds:
                        raise _exhausted(verdict, asked, config.region, attempt)
                    asked_seconds = verdict.at_least_seconds if isinstance(verdict, Retry) else 0.0
                    wait(max(pause_seconds, min(asked_seconds, 10.0)))
                case _:
                    assert_never(verdict)
    finally:
        client.close()
    return _region(answer, asked)


def _region(answer: Answer | NoAnswer, asked: str) -> tuple[str, str]:
    """The region and its host, accepted only if the answer names the region, the host it is known to have, or both.

    Older answers have no `region`, but a `data_center`; their `url` is enough.
    """
    body = (
        parse_object(answer.body) if isinstance(answer, Answer) and answer.status == HTTPStatus.OK else None
    )
    content = body or {}
    named, url = content.get("region"), content.get("url")
    for region, host in _HOST_OF_REGION.items():
        names_host = url in (host, host + "/")
        if (named == region and (names_host or url is None)) or (named is None and names_host):
            return region, host
    raise _not_the_track_api(asked)


def _exhausted(verdict: Retry | Blocked | Doubtful, asked: str, region: str, attempts: int) -> SyncError:
    return _unreachable(asked, verdict, attempts) if isinstance(verdict, Retry) else _failure(verdict, region)


def _failure(verdict: Ending, region: str) -> SyncError:
    return failure(verdict, "Nothing was written.", region)


def _unreachable(asked: str, verdict: Retry, attempts: int) -> SyncError:
    return TransientError(
        f"The Track API at {asked} gave no usable answer after {counted(attempts, 'attempt')} ({verdict.reason}). Nothing "
        "was written. Check that Airbyte can connect to this host on port 443 (firewall, proxy, DNS), and Customer.io's "
        "status page; then retry."
    )


def _not_the_track_api(asked: str) -> SyncError:
    return ProtocolError(
        f"Unexpected answer from {asked} to the request for the account's region; this may not be the Track API. Nothing "
        "was written. Check the Track API URL (track_api_url) if one is set, and any proxy in between."
    )
