"""The client for the bucket, made from the configuration and the settings of this machine.

botocore is imported where it is needed, as that is slow. Proxies and CA bundles are those of `s3_route`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from destination_customerio import __version__
from destination_customerio.dead_letters.aws_settings import REGIONS, first_set
from destination_customerio.dead_letters.s3_addressing import (
    AddressingStyle,
    ask_once_for_the_region,
    has_host_name,
)
from destination_customerio.dead_letters.s3_faults import WebPageError
from destination_customerio.dead_letters.s3_route import DEFAULT_REGION, bucket_route, proxies_of, verify_of
from destination_customerio.dead_letters.s3_session import make_session
from destination_customerio.dead_letters.s3_steps import Step, step
from destination_customerio.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.aws_settings import AwsSettings

_CONNECT_TIMEOUT_SECONDS = 10
_READ_TIMEOUT_SECONDS = 60
# With botocore's backoff these take about half a minute. The machine's own setting overrides it, as everywhere with boto3.
_MAX_ATTEMPTS = 8
_OK = 200
_AWS_REGION = re.compile(r"[a-z0-9]+(-[a-z]+)+-[0-9]+|aws-global")


def make_client(storage: S3Storage) -> S3Client:
    """A client for the configured bucket; thread-safe. Credentials that come from elsewhere are fetched at once.

    Raises:
        ConfigError: no region is known, or a role is configured and the machine has no credentials to assume it with.
        StepFailedError: a setting, the bucket's name or the credentials can't be used; see `s3_errors.explain`.
    """
    from botocore.config import Config as ClientConfig
    from botocore.handlers import validate_bucket_name

    with step(Step.BUCKET_NAME):
        validate_bucket_name({"Bucket": storage.s3_bucket_name})
    session, settings = make_session(storage)
    route = bucket_route(storage, settings)
    region = _region(storage, settings)
    with step(Step.SETTINGS):
        client: S3Client = session.create_client(  # type: ignore[assignment]
            "s3",
            region_name=region,
            endpoint_url=storage.s3_endpoint or None,
            verify=verify_of(settings),
            config=ClientConfig(
                connect_timeout=_CONNECT_TIMEOUT_SECONDS,
                read_timeout=_READ_TIMEOUT_SECONDS,
                user_agent_extra=f"airbyte-destination-customerio/{__version__}",
                proxies=proxies_of(route),
                s3={"addressing_style": _addressing_style(storage)},
                **_retries(settings),
                **_checksums(storage, settings),
            ),
        )
    ask_once_for_the_region(client)
    client.meta.events.register("needs-retry.s3", _refuse_web_page)
    if storage.s3_endpoint and storage.s3_addressing_style == "auto" and has_host_name(storage.s3_endpoint):
        AddressingStyle(storage.s3_endpoint, storage.s3_bucket_name).attach(client)
    return client


def _addressing_style(storage: S3Storage) -> Literal["auto", "path", "virtual"]:
    """The style to begin with; see `s3_addressing`."""
    return (
        "path"
        if storage.s3_endpoint and storage.s3_addressing_style == "auto"
        else storage.s3_addressing_style
    )


def _retries(settings: AwsSettings) -> dict[str, Any]:
    is_set = "AWS_MAX_ATTEMPTS" in settings.environment or "max_attempts" in settings.profile
    attempts = {} if is_set else {"total_max_attempts": _MAX_ATTEMPTS}
    return {"retries": {"mode": "standard", **attempts}}


def _checksums(storage: S3Storage, settings: AwsSettings) -> dict[str, Any]:
    """Only where needed for other stores, some of which refuse botocore's newer checksums, unless the machine says otherwise."""
    if not (storage.s3_endpoint or settings.endpoint("s3")):
        return {}
    return {
        name: "when_required"
        for name in ("request_checksum_calculation", "response_checksum_validation")
        if not (settings.environment.get(f"AWS_{name.upper()}") or settings.profile.get(name))
    }


def _refuse_web_page(response: Any, operation: Any, **_: Any) -> None:
    """A console, a portal or a proxy answers every request with a page; only a status of 200 looks like success."""
    if response is None or operation.has_streaming_output:
        return
    http = response[0]
    # botocore itself makes a status of 500 of a page that is no XML.
    if http.raw.status == _OK and http.content.lstrip()[:14].lower().startswith(
        (b"<!doctype html", b"<html")
    ):
        raise WebPageError


def _region(storage: S3Storage, settings: AwsSettings) -> str | None:
    if storage.s3_bucket_region:
        if not (
            storage.s3_endpoint or settings.endpoint("s3") or _AWS_REGION.fullmatch(storage.s3_bucket_region)
        ):
            raise ConfigError(
                f"Invalid configuration: {storage.s3_bucket_region} is not a region of AWS. Nothing was written. Enter the bucket's "
                "region, such as us-east-1, as AWS shows it beside the bucket's name; for another store, enter its endpoint."
            )
        return storage.s3_bucket_region
    if storage.s3_endpoint:
        return DEFAULT_REGION
    if first_set(REGIONS, settings.environment) or settings.profile.get("region"):
        return None
    raise ConfigError(
        "Invalid configuration: the region of the bucket is missing. Nothing was written. Enter the bucket's region, such "
        "as us-east-1; AWS shows it beside the bucket's name."
    )
