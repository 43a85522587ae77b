"""The variables of the environment that boto3 reads: which one is at fault when a client can't be made.

Used only after a failure, so that a value that boto3 accepts, or never reads, is never refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from destination_customerio.dead_letters.s3_faults import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class _Rule(NamedTuple):
    """Which values of some variables are valid, in the step that reads them."""

    step: Step
    names: tuple[str, ...]
    words: str
    is_valid: Callable[[str], bool]


def _one_of(step: Step, name: str, *choices: str) -> _Rule:
    return _Rule(step, (name,), f"must be {' or '.join(choices)}", lambda value: value.lower() in choices)


def _is_positive(value: str) -> bool:
    return value.strip().isdecimal() and int(value) > 0


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return (
        parts.scheme in ("http", "https")
        and re.fullmatch(r"[0-9a-z]([-.:_0-9a-z]*[0-9a-z])?", host) is not None
    )


def _is_file(value: str) -> bool:
    try:
        with Path(value).open("rb"):
            return True
    except (OSError, ValueError):
        return False


_A_NUMBER = "must be a whole number of at least 1"
_A_URL = "must be a URL such as https://host:port"
_A_FILE = "must name a file that the connector can read"
_RULES = (
    _Rule(Step.SETTINGS, ("AWS_MAX_ATTEMPTS",), _A_NUMBER, _is_positive),
    _Rule(
        Step.SETTINGS,
        ("AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",),
        "must be a whole number from 1 to 1048576",
        _is_positive,
    ),
    _one_of(Step.SETTINGS, "AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported", "when_required"),
    _one_of(Step.SETTINGS, "AWS_RESPONSE_CHECKSUM_VALIDATION", "when_supported", "when_required"),
    _one_of(Step.SETTINGS, "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT", "regional", "legacy"),
    _one_of(Step.SETTINGS, "AWS_STS_REGIONAL_ENDPOINTS", "regional", "legacy"),
    _one_of(Step.SETTINGS, "AWS_ACCOUNT_ID_ENDPOINT_MODE", "preferred", "disabled", "required"),
    _one_of(
        Step.SETTINGS,
        "AWS_DEFAULTS_MODE",
        "legacy",
        "standard",
        "auto",
        "in-region",
        "cross-region",
        "mobile",
    ),
    _Rule(
        Step.CREDENTIALS,
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        _A_FILE,
        _is_file,
    ),
    _Rule(
        Step.CREDENTIALS,
        ("AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS"),
        _A_NUMBER,
        _is_positive,
    ),
    _one_of(Step.CREDENTIALS, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv4", "ipv6"),
    _Rule(
        Step.CREDENTIALS,
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"),
        _A_URL,
        _is_url,
    ),
    _Rule(
        Step.CREDENTIALS,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        "must be the address that the platform gave the container",
        lambda _: False,
    ),
)
# In the order in which boto3 takes the first that is set.
CA_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGIONS = ("AWS_DEFAULT_REGION",)


def invalid_variable(step: Step, environment: Mapping[str, str]) -> str | None:
    """The first variable with an invalid value that this step reads, as a clause: its name and what it must be."""
    for rule in _RULES:
        for name in rule.names:
            if rule.step is step and name in environment and not rule.is_valid(environment[name]):
                return f"the environment variable {name} {rule.words}"
    return None


def first_set(names: Iterable[str], environment: Mapping[str, str]) -> str | None:
    """The first of these variables that has a value."""
    return next((name for name in names if environment.get(name)), None)
