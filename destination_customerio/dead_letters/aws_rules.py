"""Which values are valid of the settings of this machine that boto3 reads, and in which step it reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from destination_customerio.dead_letters.s3_steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable


class Rule(NamedTuple):
    """Which values of some variables, and of an option in the AWS config file, are valid, and in which steps they are read."""

    steps: tuple[Step, ...]
    names: tuple[str, ...]
    option: str
    words: str
    is_valid: Callable[[str], bool]


# Credentials are often fetched with a client of their own, which has the same settings.
_ANY_CLIENT = (Step.SETTINGS, Step.CREDENTIALS)
_FOR_CREDENTIALS = (Step.CREDENTIALS,)


def _one_of(steps: tuple[Step, ...], name: str, *choices: str) -> Rule:
    return Rule(
        steps,
        (name,),
        name.removeprefix("AWS_").lower(),
        f"must be {' or '.join(choices)}",
        lambda value: value.lower() in choices,
    )


def _key(name: str, option: str) -> Rule:
    return Rule(
        _FOR_CREDENTIALS,
        (name,),
        option,
        "contains a line break, a space or another character that no key has",
        is_key,
    )


def is_key(value: str) -> bool:
    """Whether a part of an access key can be sent: ASCII characters without spaces and line breaks."""
    return all("!" <= character <= "~" for character in value)


def is_url(value: str) -> bool:
    """Whether boto3 can send requests to this URL."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return (
        not re.search(r"\s", value)
        and parts.scheme in ("http", "https")
        and re.fullmatch(r"[:0-9a-z]([-.:0-9a-z]*[:0-9a-z])?", host) is not None
    )


def _is_url_or_empty(value: str) -> bool:
    return not value or is_url(value)  # boto3 ignores one that is set but empty


def _is_positive(value: str) -> bool:
    return value.strip().isdecimal() and int(value) > 0


def _is_compressible_size(value: str) -> bool:
    return value.strip().isdecimal() and int(value) <= 1_048_576


def _text_of(path: str) -> str:
    """The text of a file; empty if it has none, or can't be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _has_token(path: str) -> bool:
    return len(_text_of(path).split()) == 1


def _is_token(path: str) -> bool:
    return _has_token(path) and _text_of(path).splitlines(keepends=True) == [_text_of(path).rstrip("\r\n")]


def _is_role(value: str) -> bool:
    return re.fullmatch(r"arn:[^:\s]+:iam:[^:\s]*:[^:\s]*:role/\S+", value) is not None


_A_NUMBER = "must be a whole number of at least 1"
_A_URL = "must be a URL such as https://host:port"
_ONE_WORD = "must name a file that the connector can read, with a token in it and nothing else"
RULES = (
    Rule(_ANY_CLIENT, ("AWS_MAX_ATTEMPTS",), "max_attempts", _A_NUMBER, _is_positive),
    Rule(
        _ANY_CLIENT,
        ("AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",),
        "request_min_compression_size_bytes",
        "must be a whole number from 0 to 1048576",
        _is_compressible_size,
    ),
    _one_of(_ANY_CLIENT, "AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported", "when_required"),
    _one_of(_ANY_CLIENT, "AWS_RESPONSE_CHECKSUM_VALIDATION", "when_supported", "when_required"),
    _one_of(_ANY_CLIENT, "AWS_STS_REGIONAL_ENDPOINTS", "regional", "legacy"),
    _one_of(_ANY_CLIENT, "AWS_ACCOUNT_ID_ENDPOINT_MODE", "preferred", "disabled", "required"),
    _one_of(_ANY_CLIENT, "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH", "true", "false"),
    Rule(
        _ANY_CLIENT,
        ("AWS_S3_US_EAST_1_REGIONAL_ENDPOINT",),
        "s3.us_east_1_regional_endpoint",
        "must be regional or legacy",
        lambda value: value.lower() in ("regional", "legacy"),
    ),
    _one_of(
        _ANY_CLIENT,
        "AWS_DEFAULTS_MODE",
        "legacy",
        "standard",
        "auto",
        "in-region",
        "cross-region",
        "mobile",
    ),
    _one_of(_FOR_CREDENTIALS, "AWS_RETRY_MODE", "legacy", "standard", "adaptive"),
    _key("AWS_ACCESS_KEY_ID", "aws_access_key_id"),
    _key("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"),
    _key("AWS_SESSION_TOKEN", "aws_session_token"),
    _key("AWS_SECURITY_TOKEN", "aws_security_token"),
    Rule(_FOR_CREDENTIALS, ("AWS_ROLE_ARN",), "role_arn", "is not the ARN of a role", _is_role),
    Rule(
        _FOR_CREDENTIALS,
        ("AWS_ROLE_SESSION_NAME",),
        "role_session_name",
        "must have 2 to 64 letters, digits or _+=,.@-",
        lambda value: re.fullmatch(r"[\w+=,.@-]{2,64}", value, re.ASCII) is not None,
    ),
    Rule(
        _FOR_CREDENTIALS,
        ("AWS_ASSUME_ROLE_EXTERNAL_ID",),
        "external_id",
        "must have 2 to 1224 letters, digits or _+=,.@:/-",
        lambda value: re.fullmatch(r"[\w+=,.@:/-]{2,1224}", value, re.ASCII) is not None,
    ),
    Rule(
        _FOR_CREDENTIALS,
        ("AWS_WEB_IDENTITY_TOKEN_FILE",),
        "web_identity_token_file",
        _ONE_WORD,
        _has_token,
    ),
    Rule(
        _FOR_CREDENTIALS,
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",),
        "",
        f"{_ONE_WORD}, not even a line break",
        _is_token,
    ),
    Rule(
        _FOR_CREDENTIALS,
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN",),
        "",
        "must not contain a line break",
        lambda value: not {"\r", "\n"} & set(value),
    ),
    Rule(
        _FOR_CREDENTIALS,
        ("AWS_METADATA_SERVICE_TIMEOUT",),
        "metadata_service_timeout",
        _A_NUMBER,
        _is_positive,
    ),
    Rule(
        _FOR_CREDENTIALS,
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS",),
        "metadata_service_num_attempts",
        _A_NUMBER,
        _is_positive,
    ),
    _one_of(_FOR_CREDENTIALS, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv4", "ipv6"),
    Rule(
        _FOR_CREDENTIALS,
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT",),
        "ec2_metadata_service_endpoint",
        _A_URL,
        _is_url_or_empty,
    ),
    Rule(
        _FOR_CREDENTIALS,
        ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"),
        "endpoint_url",
        _A_URL,
        _is_url_or_empty,
    ),
    # Not valid, whatever they are: nothing else was found that could have failed.
    Rule(
        _FOR_CREDENTIALS,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        "",
        "must be the address that the platform gave the container",
        lambda _: False,
    ),
)
# Names of options in the AWS config file that may be shown; any other may be a secret without its option.
KNOWN_OPTIONS = frozenset({rule.option.partition(".")[0] for rule in RULES if rule.option}) | {
    "ca_bundle",
    "credential_process",
    "credential_source",
    "duration_seconds",
    "ignore_configured_endpoint_urls",
    "login_session",
    "mfa_serial",
    "output",
    "parameter_validation",
    "region",
    "s3",
    "services",
    "sigv4a_signing_region_set",
    "source_profile",
    "sso_account_id",
    "sso_region",
    "sso_registration_scopes",
    "sso_role_name",
    "sso_session",
    "sso_start_url",
    "tcp_keepalive",
    "use_dualstack_endpoint",
    "use_fips_endpoint",
}
