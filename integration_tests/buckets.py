"""A bucket of a local S3, as tests and the connector's configuration see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as ClientConfig

from destination_customerio.config.storage import S3Storage

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ACCESS_KEY_ID = "AKIAINTEGRATIONTEST1"
SECRET_ACCESS_KEY = "integration-test-secret/never+shown"


@dataclass(frozen=True)
class Bucket:
    """A bucket of a local S3."""

    name: str
    endpoint: str
    client: S3Client
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY

    def config(self, **values: Any) -> dict[str, Any]:
        """The `object_storage_config` for it; values may replace its own."""
        return {
            "storage_type": "S3",
            "s3_bucket_name": self.name,
            "s3_bucket_region": "us-east-1",
            "bucket_path": "customerio/rejected",
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "s3_endpoint": self.endpoint,
            **values,
        }

    def storage(self, **values: Any) -> S3Storage:
        """The same, as the connector reads it."""
        return S3Storage.model_validate(self.config(**values))

    def keys(self) -> list[str]:
        """The keys of all objects, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", []))

    def read(self, key: str) -> bytes:
        """An object's bytes, as stored."""
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()


def client_of(endpoint: str, access_key_id: str, secret_access_key: str) -> S3Client:
    """A client of a local S3."""
    return boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=ClientConfig(
            s3={"addressing_style": "path"},
            # s3rver stores the newer checksums as a part of the content.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
