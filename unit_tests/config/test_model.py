"""Existing configurations are accepted unchanged, and invalid ones are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from destination_customerio.config.model import Config
from destination_customerio.config.storage import (
    CsvFormat,
    GzipCompression,
    JsonlFormat,
    NoCompression,
    NoStorage,
    S3Storage,
)

CREDENTIALS = {"siteId": "site", "apiKey": "key"}
S3 = {"storage_type": "S3", "s3_bucket_name": "b", "s3_bucket_region": "us-east-1", "bucket_path": "p"}


def config(**settings: Any) -> Config:
    """A configuration with valid credentials and these settings."""
    return Config.model_validate({"credentials": CREDENTIALS, **settings})


def storage(**settings: Any) -> S3Storage:
    """The S3 storage of a configuration with these settings."""
    found = config(object_storage_config={**S3, **settings}).object_storage_config
    assert isinstance(found, S3Storage)
    return found


def problem(**settings: Any) -> str:
    """The validation error that these settings raise."""
    with pytest.raises(ValidationError) as caught:
        config(**settings)
    return str(caught.value)


def test_only_credentials_are_required() -> None:
    """Everything else has a default."""
    found = config()
    assert found.credentials.site_id.get_secret_value() == "site"
    assert found.credentials.api_key.get_secret_value() == "key"
    assert found.identifier_type == "email"
    assert isinstance(found.object_storage_config, NoStorage)
    assert found.region == "auto"
    assert found.event_id_strategy == "retry_safe"
    assert found.convert_timestamps is False
    assert found.track_api_url == ""
    assert found.max_concurrent_requests == 8
    assert found.retry_timeout_seconds == 900


def test_s3_defaults() -> None:
    """The defaults are CSV without flattening or compression, under the path that the platform links to."""
    found = storage()
    assert found.format == CsvFormat(format_type="CSV", flattening="No flattening")
    assert found.compression == NoCompression(compression_type="No Compression")
    assert found.path_format == "{sync_id}/{namespace}/{stream_name}/"
    assert found.file_name_format == "{date}_{timestamp}_{part_number}{format_extension}"
    assert (found.role_arn, found.s3_endpoint, found.s3_addressing_style) == ("", "", "auto")


def test_every_s3_option_is_parsed() -> None:
    """Options are spelled as in the form of airbyte/destination-customer-io."""
    found = storage(
        format={"format_type": "JSONL", "flattening": "Root level flattening"},
        compression={"compression_type": "GZIP"},
    )
    assert found.format == JsonlFormat(format_type="JSONL", flattening="Root level flattening")
    assert found.compression == GzipCompression(compression_type="GZIP")


def test_null_and_empty_mean_the_default() -> None:
    """Forms and tools write either for a field left empty."""
    assert config(**dict.fromkeys(("identifierType", "object_storage_config", "track_api_url"))) == config()
    assert storage(**dict.fromkeys(("access_key_id", "role_arn", "format", "path_format"))) == storage()
    assert storage(path_format="", file_name_format=" ", s3_endpoint="") == storage()


def test_surrounding_whitespace_is_trimmed() -> None:
    """Keys are pasted from web pages."""
    found = Config.model_validate({"credentials": {"siteId": " site\n", "apiKey": "\tkey "}})
    assert found == config()


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::123456789012:role/airbyte-rejected",
        "arn:aws-cn:iam::123456789012:role/path/to/role",
        "arn:minio:iam:::role/dead-letters",
    ],
)
def test_arns_of_every_partition_and_store_are_accepted(arn: str) -> None:
    """Only what can't be an ARN is refused."""
    assert storage(role_arn=arn).role_arn == arn


def test_a_role_is_not_looked_at_beside_an_access_key() -> None:
    """It is not used then."""
    found = storage(role_arn="my-role", access_key_id="AKIA0001", secret_access_key="secret")
    assert found.role_arn == "my-role"


def test_unknown_keys_are_ignored() -> None:
    """A configuration may be from another version."""
    assert config(unknown={"a": 1}).model_dump() == config().model_dump()


@pytest.mark.parametrize("credentials", [None, {}, {"siteId": "s"}, {"siteId": "s", "apiKey": "  "}, "s:k"])
def test_both_credentials_are_required(credentials: Any) -> None:
    """Neither may be missing or blank."""
    with pytest.raises(ValidationError):
        Config.model_validate({"credentials": credentials})


@pytest.mark.parametrize("missing", ["s3_bucket_name", "s3_bucket_region", "bucket_path"])
def test_s3_requires_bucket_region_and_path(missing: str) -> None:
    """Each missing key is named."""
    assert missing in problem(
        object_storage_config={key: value for key, value in S3.items() if key != missing}
    )


@pytest.mark.parametrize("number", [1, 8, 64])
def test_max_concurrent_requests_may_be_1_to_64(number: int) -> None:
    """Both bounds are allowed."""
    assert config(max_concurrent_requests=number).max_concurrent_requests == number


@pytest.mark.parametrize(
    "settings",
    [
        {"max_concurrent_requests": 0},
        {"max_concurrent_requests": 65},
        {"max_concurrent_requests": 1.5},
        {"retry_timeout_seconds": 0},
        {"region": "US"},
        {"identifierType": "name"},
        {"event_id_strategy": ""},
        {"convert_timestamps": "perhaps"},
        {"object_storage_config": {}},
        {"object_storage_config": {"storage_type": "GCS"}},
        {"object_storage_config": {**S3, "access_key_id": "only one half"}},
        {"object_storage_config": {**S3, "secret_access_key": "only one half"}},
        {"object_storage_config": {**S3, "format": {"format_type": "Avro"}}},
        {"object_storage_config": {**S3, "s3_addressing_style": "vhost"}},
        {"object_storage_config": {**S3, "role_arn": "role/airbyte-rejected"}},
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any]) -> None:
    """They fail on load, not in the middle of a sync."""
    problem(**settings)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://track.customer.io", "https://track.customer.io"),
        ("https://track.example.com:8443/base/", "https://track.example.com:8443/base"),
        ("HTTPS://track.example.com", "https://track.example.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        (" http://[::1]:8080 ", "http://[::1]:8080"),
        ("https://m\u00fcller.example.com:8443/\u00e9", "https://xn--mller-kva.example.com:8443/\u00e9"),
    ],
)
def test_the_track_api_url_can_be_overridden(url: str, base: str) -> None:
    """Any host may be used over https, only loopback over plain http."""
    assert config(track_api_url=url).track_api_url == base


@pytest.mark.parametrize(
    "url",
    [
        "http://track.customer.io",
        "HTTP://track.customer.io",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://localhost@example.com",
        "https://user:password@track.customer.io",
        "https://:password@track.customer.io",
        "https://@track.customer.io",
        "http://127.0.0.1\\@example.com",
        "https://track.customer.io?",
        "https://track.customer.io?a=b",
        "https://track.customer.io#",
        "https://track.customer.io:port",
        "https://track customer.io",
        "https://",
        "https://[::1",
        "https://track..customer.io",
        f"https://{'t' * 64}.customer.io",
        "http://\uff4cocalhost",
        "track.customer.io",
        "ftp://track.customer.io",
        "file:///etc/passwd",
    ],
)
def test_urls_that_would_leak_credentials_are_refused(url: str) -> None:
    """Refused are plain http, a host hidden behind a user name, and what is not a URL; the message does not quote the URL."""
    message = problem(track_api_url=url)
    assert url == "https://" or url not in message


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("minio.example.com:9000", "https://minio.example.com:9000"),
        ("https://minio.example.com", "https://minio.example.com"),
        ("HTTP://minio:9000", "http://minio:9000"),
    ],
)
def test_an_s3_endpoint_may_be_a_bare_host(endpoint: str, url: str) -> None:
    """Other connectors accept that; the scheme is normalized to lower case."""
    assert storage(s3_endpoint=endpoint).s3_endpoint == url


@pytest.mark.parametrize(
    "endpoint", ["http:/minio:9000", "https:minio", "http//minio:9000", "s3://bucket", "http:"]
)
def test_an_s3_endpoint_with_a_broken_scheme_is_refused(endpoint: str) -> None:
    """It would become the name of a host, which could not be resolved."""
    with pytest.raises(ValidationError):
        storage(s3_endpoint=endpoint)


def test_no_error_quotes_its_input() -> None:
    """A wrong credential never ends up in a message."""
    for settings in (
        {"credentials": {"siteId": ["s3cr3t"], "apiKey": {"s3cr3t": 1}}},
        {"object_storage_config": {**S3, "secret_access_key": 10**9, "access_key_id": ["s3cr3t"]}},
        {"track_api_url": "http://s3cr3t"},
    ):
        assert "s3cr3t" not in problem(**settings)


def test_secrets_are_not_in_the_models_repr() -> None:
    """A configuration may be printed by mistake."""
    text = repr(
        config(object_storage_config={**S3, "access_key_id": "s3cr3t", "secret_access_key": "s3cr3t"})
    )
    assert "s3cr3t" not in text
    assert "'key'" not in text


def test_deleting_deleted_rows_needs_the_permission_to_delete() -> None:
    """Without it, the configuration is invalid."""
    assert config().deleted_rows == "skip"
    found = config(deleted_rows="delete", allow_destructive_operations=True)
    assert found.deleted_rows == "delete"
    for permission in (None, False):
        words = problem(deleted_rows="delete", allow_destructive_operations=permission)
        assert "delete needs Allow deleting, suppressing and merging" in words
