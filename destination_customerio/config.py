"""The configuration: what a person fills in, checked once at the border.

The models are the one source of the form that `spec` shows (`spec.py`) and of what the connector reads. Keys and values
are those of Airbyte's earlier Customer.io connector, so that its connections go on working; what that one did not
have is optional. Unknown keys are left alone.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

US_TRACK_URL = "https://track.customer.io"
EU_TRACK_URL = "https://track-eu.customer.io"

Flattening = Literal["No flattening", "Root level flattening"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


# Keys are pasted from web pages, often with a space or a line break at the end.
Text = Annotated[str, BeforeValidator(_trimmed)]
Secret = Annotated[SecretStr, BeforeValidator(_trimmed)]

_SECRET = {"airbyte_secret": True}
_HIDDEN = {"airbyte_hidden": True}


class _Model(BaseModel):
    # A validation error of pydantic quotes its input unless told not to.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: object) -> object:
        # Forms and tools write null for a field that was left empty.
        return (
            {key: value for key, value in raw.items() if value is not None} if isinstance(raw, dict) else raw
        )


class Credentials(_Model):
    """The Track API's key pair."""

    model_config = ConfigDict(title="Credentials")

    site_id: Secret = Field(
        alias="siteId",
        min_length=1,
        title="Site ID",
        description=(
            "The Site ID of your Customer.io workspace. In Customer.io, open Settings > Account Settings > API "
            "Credentials > Tracking API Keys."
        ),
        json_schema_extra={**_SECRET, "order": 0},
    )
    api_key: Secret = Field(
        alias="apiKey",
        min_length=1,
        title="API Key",
        description="The API Key that stands beside the Site ID, in the same place. An App API key does not work here.",
        json_schema_extra={**_SECRET, "order": 1},
    )


class CsvFormat(_Model):
    """Rejected rows as CSV files."""

    model_config = ConfigDict(title="CSV: a table, for spreadsheets")

    format_type: Literal["CSV"] = Field(
        title="Format", description="The format of the files.", json_schema_extra={"order": 0}
    )
    flattening: Flattening = Field(
        default="No flattening",
        title="Flattening",
        description=(
            "No flattening keeps the rejected row as JSON in one column, _airbyte_data. Root level flattening gives "
            "each of the row's columns a column of its own."
        ),
        json_schema_extra={"order": 1},
    )


class JsonlFormat(_Model):
    """Rejected rows as JSON Lines files."""

    model_config = ConfigDict(title="JSON Lines: one JSON object a row, for programs")

    format_type: Literal["JSONL"] = Field(
        title="Format", description="The format of the files.", json_schema_extra={"order": 0}
    )
    flattening: Flattening = Field(
        default="No flattening",
        title="Flattening",
        description=(
            "No flattening keeps the rejected row as one object, _airbyte_data. Root level flattening puts the row's "
            "columns beside Airbyte's own."
        ),
        json_schema_extra={"order": 1},
    )


class NoCompression(_Model):
    """Files as they are."""

    model_config = ConfigDict(title="No compression")

    compression_type: Literal["No Compression"] = Field(
        title="Compression type",
        description="How the files are compressed.",
        json_schema_extra={"order": 0},
    )


class GzipCompression(_Model):
    """Files ending in .gz."""

    model_config = ConfigDict(title="GZIP")

    compression_type: Literal["GZIP"] = Field(
        title="Compression type",
        description="How the files are compressed.",
        json_schema_extra={"order": 0},
    )


class NoStorage(_Model):
    """Rejected rows are counted, and kept nowhere."""

    model_config = ConfigDict(title="None: count the rejected rows, keep none")

    storage_type: Literal["None"] = Field(
        title="Storage type", description="Where rejected rows go.", json_schema_extra={"order": 0}
    )


class S3Storage(_Model):
    """Rejected rows go to a bucket."""

    model_config = ConfigDict(title="S3: keep the rejected rows in a bucket")

    storage_type: Literal["S3"] = Field(
        title="Storage type", description="Where rejected rows go.", json_schema_extra={"order": 0}
    )
    s3_bucket_name: Text = Field(
        min_length=1,
        title="Bucket name",
        description="The bucket for the rejected rows.",
        json_schema_extra={"order": 1, "examples": ["acme-airbyte-rejected"]},
    )
    s3_bucket_region: Text = Field(
        title="Bucket region",
        description="The AWS region of the bucket. Other S3-compatible stores mostly take any; us-east-1 is usual.",
        json_schema_extra={"order": 2, "examples": ["us-east-1", "eu-central-1"]},
    )
    bucket_path: Text = Field(
        min_length=1,
        title="Bucket path",
        description="The folder in the bucket under which the rejected rows of each sync are put.",
        json_schema_extra={"order": 3, "examples": ["customerio/rejected"]},
    )
    access_key_id: Secret = Field(
        default=SecretStr(""),
        title="Access key ID",
        description=(
            "The access key of a user who may list the bucket, and read, write and delete objects in it. Leave it empty "
            "to use the role below, or what the machine that runs the connector may do."
        ),
        json_schema_extra={**_SECRET, "order": 4},
    )
    secret_access_key: Secret = Field(
        default=SecretStr(""),
        title="Secret access key",
        description="The secret that belongs to the access key ID.",
        json_schema_extra={**_SECRET, "order": 5},
    )
    role_arn: Text = Field(
        default="",
        title="Role ARN",
        description="The ARN of an AWS role to assume for the bucket, when there is no access key.",
        json_schema_extra={"order": 6, "examples": ["arn:aws:iam::123456789012:role/airbyte-rejected"]},
    )
    s3_endpoint: Text = Field(
        default="",
        title="Endpoint",
        description="The URL of an S3-compatible store, such as MinIO or Cloudflare R2. Leave it empty for AWS.",
        json_schema_extra={"order": 7, "examples": ["https://minio.example.com:9000"]},
    )
    format: Annotated[CsvFormat | JsonlFormat, Field(discriminator="format_type")] = Field(
        default=CsvFormat(format_type="CSV"),
        title="Output format",
        description="How the files of rejected rows are written.",
        json_schema_extra={"order": 8},
    )
    compression: Annotated[NoCompression | GzipCompression, Field(discriminator="compression_type")] = Field(
        default=NoCompression(compression_type="No Compression"),
        title="Compression",
        description="Whether the files are compressed.",
        json_schema_extra={"order": 9},
    )
    path_format: Text = Field(
        default="{sync_id}/{namespace}/{stream_name}/",
        title="Path format",
        description=(
            "Folders below the bucket path. Variables: {namespace}, {stream_name}, {sync_id}, {year}, {month}, {day}, "
            "{hour}, {minute}, {second}, {millisecond}, {epoch}, {uuid}. Airbyte's link to the rejected rows of a "
            "sync works only when it starts with {sync_id}/."
        ),
        json_schema_extra={"order": 10, "examples": ["{sync_id}/{namespace}/{stream_name}/"]},
    )
    file_name_format: Text = Field(
        default="{date}_{timestamp}_{part_number}{format_extension}",
        title="File name format",
        description=(
            "The name of each file. Variables: {date}, {date:yyyy_MM} and the like, {timestamp}, {part_number}, "
            "{sync_id}, {format_extension}."
        ),
        json_schema_extra={"order": 11, "examples": ["{date}_{timestamp}_{part_number}{format_extension}"]},
    )

    @field_validator("path_format", mode="after")
    @classmethod
    def _default_path(cls, value: str) -> str:
        return value or "{sync_id}/{namespace}/{stream_name}/"

    @field_validator("file_name_format", mode="after")
    @classmethod
    def _default_file_name(cls, value: str) -> str:
        return value or "{date}_{timestamp}_{part_number}{format_extension}"

    @field_validator("s3_endpoint", mode="after")
    @classmethod
    def _is_url(cls, value: str) -> str:
        # Other connectors take a bare host here; people copy that.
        url = value if not value or "://" in value else f"https://{value}"
        return _checked_url(url, http_allowed=True) if url else ""

    @model_validator(mode="after")
    def _whole_key(self) -> S3Storage:
        if bool(self.access_key_id.get_secret_value()) != bool(self.secret_access_key.get_secret_value()):
            raise ValueError("give both the access key ID and the secret access key, or neither")
        return self


class Config(_Model):
    """The whole configuration."""

    model_config = ConfigDict(title="Customer.io destination")

    credentials: Credentials = Field(
        title="Credentials",
        description="The key pair of your workspace's Track API.",
        json_schema_extra={"order": 0},
    )
    identifier_type: Literal["email", "id", "cio_id", "phone"] = Field(
        default="email",
        alias="identifierType",
        title="Identify people by",
        description=(
            "What your rows name people by: the email address, your own id, Customer.io's cio_id, or the phone number. "
            "The column is person_email, person_id, person_cio_id or person_phone accordingly."
        ),
        json_schema_extra={"order": 1, "examples": ["email"]},
    )
    region: Literal["auto", "us", "eu"] = Field(
        default="auto",
        title="Region",
        description=(
            "Where your Customer.io account keeps its data. Automatic asks your account and then sends all rows to its "
            "own region. Choose US or EU to fail when the account turns out to be elsewhere."
        ),
        json_schema_extra={"order": 2, "examples": ["auto"]},
    )
    object_storage_config: Annotated[NoStorage | S3Storage, Field(discriminator="storage_type")] = Field(
        default=NoStorage(storage_type="None"),
        title="Rejected rows",
        description=(
            "Where rows that can't be sent to Customer.io are kept, with the reason, so that you can mend and resend them."
        ),
        json_schema_extra={"order": 3},
    )
    event_id_strategy: Literal["retry_safe", "from_row", "none"] = Field(
        default="retry_safe",
        title="Event ids",
        description=(
            "The id of events whose row brings none (event_id). retry_safe gives each row a fresh id, so that a request "
            "sent twice counts once. from_row makes the id of the row's content, so that a sync run twice counts once, "
            "and two rows that are equal in all columns too. none sends no id."
        ),
        json_schema_extra={"order": 4, "examples": ["retry_safe"]},
    )
    convert_timestamps: bool = Field(
        default=False,
        title="Send dates as unix time",
        description=(
            "Turns the values of columns that are dates or times in the source's schema into unix seconds, the form in "
            "which Customer.io's segments and campaigns compare dates."
        ),
        json_schema_extra={"order": 5, "examples": [False]},
    )
    allow_destructive_operations: bool = Field(
        default=False,
        title="Allow deleting, suppressing and merging",
        description=(
            "Rows of some objects remove what can't be brought back: they delete people, objects, devices or "
            "relationships, suppress people (Customer.io then refuses to take them back), or merge two people into one. "
            "While this is off, a sync with such a stream fails before its first row. Turn it on only when you have "
            "checked which rows the stream holds: a wrong query can empty your workspace."
        ),
        json_schema_extra={"order": 6, "examples": [False]},
    )
    track_api_url: Text = Field(
        default="",
        title="Track API URL",
        description="Another base URL for the Track API, for tests against a local server.",
        json_schema_extra={**_HIDDEN, "order": 7, "examples": ["http://127.0.0.1:8080"]},
    )
    max_concurrent_requests: int = Field(
        default=8,
        ge=1,
        le=64,
        title="Concurrent requests",
        description="How many requests may be under way at once. Rows of one person are never under way in two.",
        json_schema_extra={**_HIDDEN, "order": 8, "examples": [8]},
    )
    retry_timeout_seconds: int = Field(
        default=900,
        ge=1,
        title="Retry timeout in seconds",
        description="How long one request is tried again before the sync fails, to be resumed by Airbyte.",
        json_schema_extra={**_HIDDEN, "order": 9, "examples": [900]},
    )

    @field_validator("track_api_url", mode="after")
    @classmethod
    def _is_safe_url(cls, value: str) -> str:
        return _checked_url(value, http_allowed=False).rstrip("/") if value else ""


def _checked_url(url: str, *, http_allowed: bool) -> str:
    """A URL that requests can be sent to; credentials in clear text never leave this machine by accident."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise ValueError("this is not a URL") from None
    # Looked for in the text, as an empty query or user name would not show in the parts.
    if parts.scheme not in ("http", "https") or not host or any(mark in url for mark in "@?#\\ "):
        raise ValueError("give a URL such as https://example.com, without a user name, `?` or `#`")
    if parts.scheme == "http" and not http_allowed and host not in _LOOPBACK:
        raise ValueError("http:// is only for a server on this machine; use https://")
    return parts.geturl()  # with the scheme in small letters, as it is looked at again
