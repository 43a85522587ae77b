"""The configuration, validated once at startup.

These models are the single source for the form that `spec` describes (`spec.py`) and for what the connector reads. Keys
and values are those of Airbyte's earlier Customer.io connector, so that existing connections keep working; everything
else is optional. Unknown keys are ignored, with a warning (`ignored_keys.py`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator

from destination_customerio.config.fields import (
    HIDDEN,
    SECRET,
    Model,
    Number,
    Secret,
    Text,
    WholeNumber,
    checked_url,
)
from destination_customerio.config.storage import NoStorage, S3Storage
from destination_customerio.config.stream_mappings import StreamMapping, each_stream_once

US_TRACK_URL = "https://track.customer.io"
EU_TRACK_URL = "https://track-eu.customer.io"


class Credentials(Model):
    """The Track API's key pair."""

    model_config = ConfigDict(title="Credentials")

    site_id: Secret = Field(
        alias="siteId",
        min_length=1,
        title="Site ID",
        description=(
            "The Site ID of your Customer.io workspace. You will find it in Customer.io under Settings > Account Settings "
            "> API Credentials > Tracking API Keys."
        ),
        json_schema_extra={**SECRET, "order": 0},
    )
    api_key: Secret = Field(
        alias="apiKey",
        min_length=1,
        title="API Key",
        description="The API Key in the same row as the Site ID. An App API key does not work.",
        json_schema_extra={**SECRET, "order": 1},
    )


class Config(Model):
    """The whole configuration."""

    model_config = ConfigDict(title="Customer.io destination")

    credentials: Credentials = Field(
        title="Credentials",
        description="The key pair of your workspace's Track API.",
        json_schema_extra={"order": 0},
    )
    identifier_type: Literal["email", "id", "cio_id", "phone", "any"] = Field(
        default="email",
        alias="identifierType",
        title="Identify people by",
        description=(
            "How your rows identify people: by email address, your own id, Customer.io's cio_id, or phone number. "
            "The column is person_email, person_id, person_cio_id or person_phone respectively. any takes the column that "
            "the stream's primary key names, otherwise the first that a row has of person_cio_id, person_id, person_email "
            "and person_phone; of people and events, the others become the attributes id, email and phone."
        ),
        json_schema_extra={"order": 1, "examples": ["email"]},
    )
    region: Literal["auto", "us", "eu"] = Field(
        default="auto",
        title="Region",
        description=(
            "The data region of your Customer.io account. auto looks it up and sends all rows to that region. us or eu "
            "fails the sync if the account is in the other region."
        ),
        json_schema_extra={"order": 2, "examples": ["auto"]},
    )
    object_storage_config: Annotated[NoStorage | S3Storage, Field(discriminator="storage_type")] = Field(
        default=NoStorage(storage_type="None"),
        title="Rejected rows",
        description=(
            "The dead-letter queue: where to store rows that can't be sent to Customer.io, each with the reason, so that "
            "you can fix and resend them."
        ),
        json_schema_extra={"order": 3},
    )
    event_id_strategy: Literal["retry_safe", "from_row", "none"] = Field(
        default="retry_safe",
        title="Event IDs",
        description=(
            "The id of events whose row has no event_id. retry_safe generates a new id per row, so that a retried request "
            "never duplicates an event. from_row derives the id from the row's content, so that a repeated sync does not "
            "either; rows that are identical in every column then count as one event. none sends no id."
        ),
        json_schema_extra={"order": 4, "examples": ["retry_safe"]},
    )
    convert_timestamps: bool = Field(
        default=False,
        title="Send dates as Unix time",
        description=(
            "Converts columns that the source's schema types as date or date-time to Unix seconds, the format in which "
            "Customer.io's segments and campaigns compare dates."
        ),
        json_schema_extra={"order": 5, "examples": [False]},
    )
    allow_destructive_operations: bool = Field(
        default=False,
        title="Allow deleting, suppressing and merging",
        description=(
            "Some destination objects change data irreversibly: they delete people, objects, devices or relationships, "
            "suppress people (delete them and block them from being added again), or merge two people. While this is "
            "off, a sync that maps a stream to such an object fails before its first row. Turn it on only after checking "
            "the stream's rows: a wrong query can empty your workspace."
        ),
        json_schema_extra={"order": 6, "examples": [False]},
    )
    deleted_rows: Literal["skip", "delete"] = Field(
        default="skip",
        title="Rows deleted in the source",
        description=(
            "What to do with a row whose _ab_cdc_deleted_at is set, which sources with change data capture send for a "
            "deleted row. skip sends nothing. delete deletes the person, object, device or relationship that the row "
            "would have created or updated, and removes a person from the segment that the row would have added them to; "
            "this needs Allow deleting, suppressing and merging. Deleted rows of events are always skipped."
        ),
        json_schema_extra={"order": 7, "examples": ["skip"]},
    )
    stream_mappings: Annotated[tuple[StreamMapping, ...], AfterValidator(each_stream_once)] = Field(
        default=(),
        title="Stream mappings",
        description=(
            "Maps streams to destination objects and renames columns. Only needed where the connection can't do it: with "
            "PyAirbyte, and on Airbyte without data activation. A mapping in the connection takes precedence."
        ),
        json_schema_extra={"order": 8},
    )
    max_rejected_percent: Number = Field(
        default=100,
        ge=0,
        le=100,
        title="Maximum percentage of rejected rows",
        description=(
            "Stops the sync once at least 1,000 rows of a stream are read and more than this percentage of them are rejected. "
            "At 100, rejected rows never stop a sync."
        ),
        json_schema_extra={"order": 9, "examples": [5]},
    )
    null_values: Literal["send", "omit"] = Field(
        default="send",
        title="Null values",
        description=(
            "What to do with null attributes. send empties the attribute in Customer.io. omit leaves it out, so that an "
            "empty column doesn't erase a value from another source; then no sync can empty an attribute."
        ),
        json_schema_extra={"order": 10, "examples": ["send"]},
    )
    max_rows_per_second: WholeNumber = Field(
        default=0,
        ge=0,
        le=1_000_000,
        title="Maximum rows per second",
        description=(
            "Sends no more than this many rows per second, all requests together and retries included, so that a large "
            "backfill does not delay your campaigns. The source is read no faster. 0 means no limit."
        ),
        json_schema_extra={"order": 11, "examples": [500]},
    )
    track_api_url: Text = Field(
        default="",
        title="Track API URL",
        description="Base URL to use in place of the Track API's, for testing against a local server.",
        json_schema_extra={**HIDDEN, "order": 12, "examples": ["http://localhost:8080"]},
    )
    max_concurrent_requests: WholeNumber = Field(
        default=8,
        ge=1,
        le=64,
        title="Concurrent requests",
        description="Maximum number of requests in flight. Rows of one person are never in flight in two requests at once.",
        json_schema_extra={**HIDDEN, "order": 13, "examples": [8]},
    )
    retry_timeout_seconds: WholeNumber = Field(
        default=900,
        ge=1,
        le=1_000_000,
        title="Retry timeout in seconds",
        description="How long to retry a request before failing the sync, which Airbyte then resumes.",
        json_schema_extra={**HIDDEN, "order": 14, "examples": [900]},
    )

    @field_validator("deleted_rows", mode="after")
    @classmethod
    def _is_allowed(cls, value: str, info: ValidationInfo) -> str:
        if value == "delete" and not info.data.get("allow_destructive_operations"):
            raise ValueError(
                "delete needs Allow deleting, suppressing and merging (allow_destructive_operations); turn it on, or choose "
                "skip"
            )
        return value

    @field_validator("track_api_url", mode="after")
    @classmethod
    def _is_safe_url(cls, value: str) -> str:
        return checked_url(value, http_allowed=False).rstrip("/") if value else ""
