"""An invalid configuration is reported in one message that lists every problem."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio.config.loader import parse_config, read_config
from destination_customerio.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

VALID: dict[str, Any] = {"credentials": {"siteId": "site", "apiKey": "key"}}
S3 = {"storage_type": "S3", "s3_bucket_name": "b", "s3_bucket_region": "us-east-1", "bucket_path": "p"}
KEY = {"access_key_id": "AKIA0001", "secret_access_key": "secret"}
CLOUD = {"DEPLOYMENT_MODE": "cloud"}


def config_error(raw: dict[str, Any], environment: dict[str, str] | None = None) -> str:
    """The message of the error that a configuration raises."""
    with pytest.raises(ConfigError) as caught:
        parse_config(raw, environment or {})
    return str(caught.value)


def test_a_valid_file_is_loaded(tmp_path: Path) -> None:
    """A configuration is read from the path passed to --config."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**VALID, "max_concurrent_requests": 3}))
    assert read_config(path, {}).max_concurrent_requests == 3


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """Editors on Windows save one at the start of a file."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(VALID), encoding="utf-8-sig")
    assert read_config(path, {}) == parse_config(VALID, {})


@pytest.mark.parametrize("text", [b"[]", b'"text"', b"\xff", b"null"])
def test_a_file_that_is_not_a_json_object_is_an_error(tmp_path: Path, text: bytes) -> None:
    """The message says so without quoting the file."""
    path = tmp_path / "config.json"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match="is not a JSON object"):
        read_config(path, {})


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"", "line 1, column 1"),
        (b"\xef\xbb\xbf", "line 1, column 1"),
        (b"{", "line 1, column 2"),
        (b'{\n  "credentials" {"siteId": "s3cret"}}', "line 2, column 17"),
        (b"credentials:\n  siteId: s3cret", "line 1, column 1"),
    ],
)
def test_a_file_with_an_error_of_syntax_names_its_place(tmp_path: Path, text: bytes, where: str) -> None:
    """The message quotes nothing of it, as that may be a key."""
    path = tmp_path / "config.json"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=rf"is not valid JSON \({where}\)") as caught:
        read_config(path, {})
    assert "s3cret" not in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """The message names the file, and says what to check."""
    with pytest.raises(ConfigError, match=r"none\.json could not be read.*Check the path passed to --config"):
        read_config(tmp_path / "none.json", {})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, "credentials is missing"),
        ({"credentials": "x"}, "credentials must be an object"),
        (
            {"credentials": {"siteId": "\ud800", "apiKey": "s3cr3t\udfff"}},
            "credentials.apiKey: must be valid text",
        ),
        ({"credentials": {"siteId": "", "apiKey": 5}}, "credentials.siteId is empty"),
        ({"credentials": {"siteId": "", "apiKey": 5}}, "credentials.apiKey must be a string"),
        ({**VALID, "credentials": {"siteId": "x", "apiKey": None}}, "credentials.apiKey is missing"),
        ({**VALID, "region": "asia"}, "region must be one of 'auto', 'us' or 'eu'"),
        ({**VALID, "max_concurrent_requests": 0}, "max_concurrent_requests must be at least 1"),
        ({**VALID, "max_concurrent_requests": 99}, "max_concurrent_requests must be at most 64"),
        ({**VALID, "max_concurrent_requests": "many"}, "max_concurrent_requests must be a whole number"),
        ({**VALID, "max_concurrent_requests": 1.5}, "max_concurrent_requests must be a whole number"),
        ({**VALID, "max_concurrent_requests": True}, "max_concurrent_requests must be a number"),
        ({**VALID, "max_rejected_percent": True}, "max_rejected_percent must be a number"),
        ({**VALID, "retry_timeout_seconds": 10**400}, "retry_timeout_seconds must be at most 1000000"),
        ({**VALID, "max_rows_per_second": -1}, "max_rows_per_second must be at least 0"),
        ({**VALID, "max_rows_per_second": 10**400}, "max_rows_per_second must be at most 1000000"),
        ({**VALID, "max_rows_per_second": True}, "max_rows_per_second must be a number"),
        ({**VALID, "max_rows_per_second": "fast"}, "max_rows_per_second must be a whole number"),
        ({**VALID, "max_rows_per_second": [5]}, "max_rows_per_second must be a whole number"),
        ({**VALID, "null_values": "maybe"}, "null_values must be one of 'send' or 'omit'"),
        ({**VALID, "null_values": False}, "null_values must be one of 'send' or 'omit'"),
        (
            {**VALID, "identifierType": "both"},
            "identifierType must be one of 'email', 'id', 'cio_id', 'phone' or 'any'",
        ),
        ({**VALID, "convert_timestamps": "perhaps"}, "convert_timestamps must be true or false"),
        (
            {**VALID, "track_api_url": "http://example.com"},
            "track_api_url: plain http is only allowed for a server",
        ),
        ({**VALID, "track_api_url": "example.com"}, "track_api_url: must be a URL such as"),
        (
            {**VALID, "object_storage_config": {**S3, "bucket_path": ""}},
            "object_storage_config.bucket_path is empty",
        ),
        ({**VALID, "object_storage_config": "S3"}, "object_storage_config must be an object"),
        ({**VALID, "object_storage_config": {}}, "object_storage_config needs 'storage_type'"),
        ({**VALID, "object_storage_config": {"storage_type": "GCS"}}, "one of 'None', 'S3'"),
        (
            {**VALID, "object_storage_config": {**S3, "compression": {"compression_type": "zip"}}},
            "object_storage_config.compression needs 'compression_type', one of 'No Compression', 'GZIP'",
        ),
        (
            {**VALID, "object_storage_config": {**S3, "access_key_id": "a"}},
            "object_storage_config: set both the access key ID and the secret access key, or neither",
        ),
        (
            {**VALID, "object_storage_config": {**S3, "role_arn": "my-role"}},
            "object_storage_config: role_arn is not the ARN of a role, such as arn:aws:iam::",
        ),
        (
            {**VALID, "object_storage_config": {**S3, **KEY, "access_key_id": "AKIA\u200b0001"}},
            "object_storage_config.access_key_id: contains a character that no access key has",
        ),
    ],
)
def test_each_problem_names_the_key_as_spelled_in_the_file(raw: dict[str, Any], expected: str) -> None:
    """Users search the file for the key in the message."""
    message = config_error(raw)
    assert message.startswith("Invalid configuration: ")
    assert expected in message
    assert "Nothing was written." in message


@pytest.mark.parametrize("control", ["\n", "\r\n", "\t", "\0", "\x1b", "\x7f", "\x85", "\u2028"])
@pytest.mark.parametrize(
    "field",
    [
        "s3_bucket_name",
        "s3_bucket_region",
        "bucket_path",
        "access_key_id",
        "secret_access_key",
        "role_arn",
        "s3_endpoint",
        "path_format",
        "file_name_format",
    ],
)
def test_a_control_character_inside_a_setting_is_refused(field: str, control: str) -> None:
    """It would become a part of a key or a header; at the ends, where pasting leaves it, white space is removed."""
    raw = {**VALID, "object_storage_config": {**S3, **KEY, field: f"some{control}xyzzy"}}
    message = config_error(raw)
    assert f"object_storage_config.{field}: contains a line break or another control character" in message
    assert "xyzzy" not in message


@pytest.mark.parametrize("field", ["siteId", "apiKey"])
def test_a_control_character_inside_a_key_is_refused(field: str) -> None:
    """Two lines were pasted into one field."""
    raw = {"credentials": {**VALID["credentials"], field: "first\nsecond"}}
    message = config_error(raw)
    assert f"credentials.{field}: contains a line break" in message
    assert "second" not in message


def test_all_problems_are_reported_at_once() -> None:
    """Nobody should have to fix a file three times."""
    message = config_error({"region": "x", "identifierType": "y"})
    assert all(key in message for key in ("credentials", "region", "identifierType"))


def test_no_message_quotes_a_value() -> None:
    """Messages end up in logs and in the platform's database."""
    message = config_error(
        {
            "credentials": {"siteId": ["s3cr3t"], "apiKey": {"s3cr3t": "s3cr3t"}},
            "region": "s3cr3t",
            "max_concurrent_requests": "s3cr3t",
            "track_api_url": "http://s3cr3t@s3cr3t",
            "object_storage_config": {"storage_type": "s3cr3t"},
        }
    )
    assert "s3cr3t" not in message


def test_airbyte_cloud_allows_only_customer_io_hosts() -> None:
    """Self-managed platforms may use any other host."""
    for url in ("https://track.customer.io", "https://track-eu.customer.io/", "", None):
        parse_config({**VALID, "track_api_url": url}, CLOUD)
    for url in ("https://track.example.com", "http://127.0.0.1:80", "https://track.customer.io:8443"):
        assert "track_api_url is not a Customer.io host" in config_error(
            {**VALID, "track_api_url": url}, CLOUD
        )
        parse_config({**VALID, "track_api_url": url}, {"DEPLOYMENT_MODE": "OSS"})


def test_airbyte_cloud_allows_no_bucket_over_plain_http() -> None:
    """The case of the scheme does not matter."""
    for endpoint in ("http://minio:9000", "HTTP://minio:9000"):
        raw = {**VALID, "object_storage_config": {**S3, "s3_endpoint": endpoint}}
        assert "s3_endpoint is a plain http URL" in config_error(raw, {"DEPLOYMENT_MODE": "CLOUD"})
        parse_config(raw, {})


def test_null_values_other_than_send_or_omit_are_refused() -> None:
    """Before the first row, with the choices."""
    with pytest.raises(ConfigError) as caught:
        parse_config({"credentials": {"siteId": "s", "apiKey": "k"}, "null_values": "maybe"}, {})
    assert "null_values must be one of 'send' or 'omit'. Nothing was written." in str(caught.value)
