"""The configuration of the dead-letter queue: no storage, or files in a bucket."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from destination_customerio.config.fields import SECRET, Model, Secret, Text, checked_url

_ARN = re.compile(r"arn:[^:\s]+:[^:\s]+:[^:\s]*:[^:\s]*:\S+")
# Also a broken one (`http:/host`), which would become a host name.
_SCHEME = re.compile(r"[a-z0-9+.-]+://|https?[:/]", re.IGNORECASE)
Flattening = Literal["No flattening", "Root level flattening"]

_PATH_FORMAT = "{sync_id}/{namespace}/{stream_name}/"
_FILE_NAME_FORMAT = "{date}_{timestamp}_{part_number}{format_extension}"
# The form distinguishes the options of a choice by these fields.
_FORMAT_TYPE = Field(title="Format", description="The file format.", json_schema_extra={"order": 0})
_COMPRESSION_TYPE = Field(
    title="Compression type", description="How the files are compressed.", json_schema_extra={"order": 0}
)
_STORAGE_TYPE = Field(
    title="Storage type", description="Where to store rejected rows.", json_schema_extra={"order": 0}
)


class CsvFormat(Model):
    """Rejected rows as CSV files."""

    model_config = ConfigDict(title="CSV")

    format_type: Literal["CSV"] = _FORMAT_TYPE
    flattening: Flattening = Field(
        default="No flattening",
        title="Flattening",
        description=(
            "No flattening stores the row as JSON in one column, _airbyte_data. Root level flattening stores each of the "
            "row's columns in its own column."
        ),
        json_schema_extra={"order": 1},
    )


class JsonlFormat(Model):
    """Rejected rows as JSON Lines files."""

    model_config = ConfigDict(title="JSON Lines")

    format_type: Literal["JSONL"] = _FORMAT_TYPE
    flattening: Flattening = Field(
        default="No flattening",
        title="Flattening",
        description=(
            "No flattening stores the row as one object, _airbyte_data. Root level flattening stores the row's columns "
            "next to Airbyte's own."
        ),
        json_schema_extra={"order": 1},
    )


class NoCompression(Model):
    """Uncompressed files."""

    model_config = ConfigDict(title="No compression")

    compression_type: Literal["No Compression"] = _COMPRESSION_TYPE


class GzipCompression(Model):
    """Files ending in .gz."""

    model_config = ConfigDict(title="GZIP")

    compression_type: Literal["GZIP"] = _COMPRESSION_TYPE


class NoStorage(Model):
    """Rejected rows are counted but not stored."""

    model_config = ConfigDict(title="None: count rejected rows, don't store them")

    storage_type: Literal["None"] = _STORAGE_TYPE


class S3Storage(Model):
    """Rejected rows are stored in a bucket."""

    model_config = ConfigDict(title="S3: store rejected rows in a bucket")

    storage_type: Literal["S3"] = _STORAGE_TYPE
    s3_bucket_name: Text = Field(
        min_length=1,
        title="Bucket name",
        description="The bucket for rejected rows.",
        json_schema_extra={"order": 1, "examples": ["acme-airbyte-rejected"]},
    )
    s3_bucket_region: Text = Field(
        title="Bucket region",
        description="The AWS region of the bucket. Most other S3-compatible stores accept any; us-east-1 is the usual choice.",
        json_schema_extra={"order": 2, "examples": ["us-east-1", "eu-central-1"]},
    )
    bucket_path: Text = Field(
        min_length=1,
        title="Bucket path",
        description=(
            "The prefix in the bucket under which rejected rows are stored. It may have the variables of the path format."
        ),
        json_schema_extra={"order": 3, "examples": ["customerio/rejected"]},
    )
    access_key_id: Secret = Field(
        default=SecretStr(""),
        title="Access key ID",
        description=(
            "The access key of a user allowed to list the bucket and to read, write and delete objects in it. Leave empty "
            "to use the role below or the default credentials of the environment."
        ),
        json_schema_extra={**SECRET, "order": 4},
    )
    secret_access_key: Secret = Field(
        default=SecretStr(""),
        title="Secret access key",
        description="The secret for the access key ID.",
        json_schema_extra={**SECRET, "order": 5},
    )
    role_arn: Text = Field(
        default="",
        title="Role ARN",
        description="The ARN of an AWS role to assume if no access key is set.",
        json_schema_extra={"order": 6, "examples": ["arn:aws:iam::123456789012:role/airbyte-rejected"]},
    )
    s3_endpoint: Text = Field(
        default="",
        title="Endpoint",
        description="The URL of an S3-compatible store, such as MinIO or Cloudflare R2. Leave empty for AWS.",
        json_schema_extra={"order": 7, "examples": ["https://minio.example.com:9000"]},
    )
    s3_addressing_style: Literal["auto", "path", "virtual"] = Field(
        default="auto",
        title="Addressing style",
        description=(
            "How requests to the endpoint name the bucket: path (https://host/bucket) or virtual (https://bucket.host). auto "
            "begins with path, and changes to virtual if the store demands it. Without an endpoint, auto suits AWS."
        ),
        json_schema_extra={"order": 8},
    )
    format: Annotated[CsvFormat | JsonlFormat, Field(discriminator="format_type")] = Field(
        default=CsvFormat(format_type="CSV"),
        title="Output format",
        description="The format of the files of rejected rows.",
        json_schema_extra={"order": 9},
    )
    compression: Annotated[NoCompression | GzipCompression, Field(discriminator="compression_type")] = Field(
        default=NoCompression(compression_type="No Compression"),
        title="Compression",
        description="Whether to compress the files.",
        json_schema_extra={"order": 10},
    )
    path_format: Text = Field(
        default=_PATH_FORMAT,
        title="Path format",
        description=(
            "Folders below the bucket path. Variables: {namespace}, {stream_name}, {sync_id}, {year}, {month}, {day}, "
            "{hour}, {minute}, {second}, {millisecond}, {epoch}, {uuid}, in any case, also as ${NAME}. Airbyte's link to a "
            "sync's rejected rows only works if this starts with {sync_id}/."
        ),
        json_schema_extra={"order": 11, "examples": [_PATH_FORMAT]},
    )
    file_name_format: Text = Field(
        default=_FILE_NAME_FORMAT,
        title="File name format",
        description=(
            "The name of each file. Variables: {date}, {date:yyyy_MM} (or another pattern), {timestamp}, {part_number}, "
            "{sync_id}, {format_extension}."
        ),
        json_schema_extra={"order": 12, "examples": [_FILE_NAME_FORMAT]},
    )

    @field_validator("path_format", mode="after")
    @classmethod
    def _default_path(cls, value: str) -> str:
        return value or _PATH_FORMAT

    @field_validator("file_name_format", mode="after")
    @classmethod
    def _default_file_name(cls, value: str) -> str:
        return value or _FILE_NAME_FORMAT

    @field_validator("s3_endpoint", mode="after")
    @classmethod
    def _is_url(cls, value: str) -> str:
        # Other connectors accept a bare host here; people copy that.
        url = value if not value or _SCHEME.match(value) else f"https://{value}"
        return checked_url(url, http_allowed=True) if url else ""

    @field_validator("access_key_id", mode="after")
    @classmethod
    def _fits_into_a_header(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().isascii():
            raise ValueError("contains a character that no access key has; copy it again")
        return value

    @model_validator(mode="after")
    def _role_is_an_arn(self) -> S3Storage:
        # Ignored beside an access key. Other stores have ARNs of their own.
        is_used = self.role_arn and not self.access_key_id.get_secret_value()
        if is_used and not _ARN.fullmatch(self.role_arn):
            raise ValueError(
                "role_arn is not the ARN of a role, such as arn:aws:iam::123456789012:role/airbyte-rejected"
            )
        return self

    @model_validator(mode="after")
    def _whole_key(self) -> S3Storage:
        if bool(self.access_key_id.get_secret_value()) != bool(self.secret_access_key.get_secret_value()):
            raise ValueError("set both the access key ID and the secret access key, or neither")
        return self
