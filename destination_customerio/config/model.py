"""The configuration: what a person fills in, checked once at the border.

The models are the one source of the form that `spec` shows (`spec.py`) and of what the connector reads. Keys and values
are those of Airbyte's earlier Customer.io connector, so that its connections go on working; what that one did not
have is optional. Unknown keys are left alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from destination_customerio.config.fields import HIDDEN, SECRET, Model, Secret, Text, checked_url
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
            "The Site ID of your Customer.io workspace. In Customer.io, open Settings > Account Settings > API "
            "Credentials > Tracking API Keys."
        ),
        json_schema_extra={**SECRET, "order": 0},
    )
    api_key: Secret = Field(
        alias="apiKey",
        min_length=1,
        title="API Key",
        description="The API Key that stands beside the Site ID, in the same place. An App API key does not work here.",
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
    stream_mappings: Annotated[tuple[StreamMapping, ...], AfterValidator(each_stream_once)] = Field(
        default=(),
        title="Stream mappings",
        description=(
            "Which destination object a stream goes to, and which columns are renamed. Needed only where the connection "
            "itself can't say so: in PyAirbyte, and on platforms without data activation. Where the connection maps a "
            "stream to another object, that wins."
        ),
        json_schema_extra={"order": 7},
    )
    track_api_url: Text = Field(
        default="",
        title="Track API URL",
        description="Another base URL for the Track API, for tests against a local server.",
        json_schema_extra={**HIDDEN, "order": 8, "examples": ["http://localhost:8080"]},
    )
    max_concurrent_requests: int = Field(
        default=8,
        ge=1,
        le=64,
        title="Concurrent requests",
        description="How many requests may be under way at once. Rows of one person are never under way in two.",
        json_schema_extra={**HIDDEN, "order": 9, "examples": [8]},
    )
    retry_timeout_seconds: int = Field(
        default=900,
        ge=1,
        title="Retry timeout in seconds",
        description="How long one request is tried again before the sync fails, to be resumed by Airbyte.",
        json_schema_extra={**HIDDEN, "order": 10, "examples": [900]},
    )

    @field_validator("track_api_url", mode="after")
    @classmethod
    def _is_safe_url(cls, value: str) -> str:
        return checked_url(value, http_allowed=False).rstrip("/") if value else ""
