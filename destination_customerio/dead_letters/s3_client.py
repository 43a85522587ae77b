"""The bucket: a client made from the configuration, and the upload of one file.

Credentials, the first that applies: the static keys; the role, assumed through STS with the machine's own credentials
and renewed before it expires; what boto3 finds on the machine. boto3 is imported where it is needed, as that is slow.

Proxies and CA bundles are those of `network.route`, for the bucket and for AWS's sign-in services alike.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

from destination_customerio import __version__
from destination_customerio.dead_letters.s3_error_table import InvalidEndpointError
from destination_customerio.errors import ConfigError
from destination_customerio.network.route import Route, route_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.credentials import DeferredRefreshableCredentials
    from botocore.session import Session
    from mypy_boto3_s3.client import S3Client

    from destination_customerio.config.storage import S3Storage

_DEFAULT_REGION = "us-east-1"
_SESSION_NAME = "airbyte-sts-session"
_CONNECT_TIMEOUT_SECONDS = 10
_READ_TIMEOUT_SECONDS = 60
# With boto3's backoff these take about half a minute. AWS_MAX_ATTEMPTS overrides it, as everywhere with boto3.
_MAX_ATTEMPTS = 8
_PART_BYTES = 16 * 1024 * 1024


def make_client(storage: S3Storage) -> S3Client:
    """A client for the configured bucket; thread-safe.

    Raises:
        ConfigError: no region is known, or a role is configured and the machine has no credentials to assume it with.
        InvalidEndpointError: the endpoint is not one that botocore can use.
    """
    import boto3
    from botocore.config import Config as ClientConfig
    from botocore.exceptions import InvalidRegionError

    route = bucket_route(storage, os.environ)
    session = _session(storage)
    region = _region(storage, session)
    retries: dict[str, Any] = {"mode": "standard"}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = _MAX_ATTEMPTS
    try:
        return boto3.Session(botocore_session=session).client(
            "s3",
            region_name=region,
            endpoint_url=storage.s3_endpoint or None,
            verify=_verify(session, route),
            config=ClientConfig(
                connect_timeout=_CONNECT_TIMEOUT_SECONDS,
                read_timeout=_READ_TIMEOUT_SECONDS,
                retries=retries,  # type: ignore[arg-type]
                user_agent_extra=f"airbyte-destination-customerio/{__version__}",
                proxies=_proxies(route),
                # Other stores have no host name per bucket, and some do not support the newer checksums.
                s3={"addressing_style": "path"} if storage.s3_endpoint else None,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
    except InvalidRegionError:
        raise
    except ValueError as error:  # botocore has no type of its own for this
        if str(error).startswith("Invalid endpoint"):
            raise InvalidEndpointError from None
        raise


def bucket_route(storage: S3Storage, environ: Mapping[str, str]) -> Route:
    """How the bucket is reached.

    Raises:
        ConfigError: a variable of the environment can't be used.
    """
    endpoint = (
        storage.s3_endpoint or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
    )
    if not endpoint:
        region = storage.s3_bucket_region or _DEFAULT_REGION
        endpoint = f"https://{storage.s3_bucket_name}.s3.{region}.{_aws_domain(region)}"
    return route_to(endpoint, "bucket", environ)


def upload(
    client: S3Client,
    storage: S3Storage,
    key: str,
    file: IO[bytes],
    content_type: str,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Upload a file from its current position, in this thread; large ones in parts. It appears whole or not at all.

    A .gz file has a content type and no content encoding, so that no client decompresses it on the way.

    Raises:
        Exception: whatever boto3 raises, after its own retries; see `s3_errors.explain`.
    """
    from boto3.s3.transfer import TransferConfig

    client.upload_fileobj(
        file,
        storage.s3_bucket_name,
        key,
        ExtraArgs={"ContentType": content_type, "Metadata": dict(metadata or {})},
        Config=TransferConfig(
            use_threads=False, multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES
        ),
    )


def _session(storage: S3Storage) -> Session:
    import botocore.session

    session = botocore.session.get_session()
    if key_id := storage.access_key_id.get_secret_value():
        session.set_credentials(key_id, storage.secret_access_key.get_secret_value())
        return session
    _set_sign_in_route(session, storage)
    return _assuming_session(session, storage) if storage.role_arn else session


def _set_sign_in_route(session: Session, storage: S3Storage) -> None:
    """Let the session's own clients, for STS and for single sign-on, take the route to STS."""
    from botocore.config import Config as ClientConfig

    region = _sign_in_region(storage, session)
    endpoint = (
        os.environ.get("AWS_ENDPOINT_URL_STS")
        or os.environ.get("AWS_ENDPOINT_URL")
        or f"https://sts.{region}.{_aws_domain(region)}"
    )
    route = route_to(endpoint, "bucket", os.environ)
    session.set_default_client_config(ClientConfig(proxies=_proxies(route)))
    if endpoint.startswith("https://"):
        session.set_config_variable("ca_bundle", _verify(session, route))


def _proxies(route: Route) -> dict[str, str]:
    """For boto3, which uses its own reading of the environment only if it gets None."""
    return dict.fromkeys(("http", "https"), route.proxy.url) if route.proxy else {}


def _verify(session: Session, route: Route) -> str | bool:
    """AWS_CA_BUNDLE, the bundle of the AWS profile, or the one that other variables name, in this order."""
    if route.ca_bundle and route.ca_bundle.variable == "AWS_CA_BUNDLE":
        return route.ca_bundle.path
    return session.get_config_variable("ca_bundle") or route.verify


def _aws_domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def _assuming_session(session: Session, storage: S3Storage) -> Session:
    """A session with the role's permissions; `session` has the credentials that may assume it."""
    import botocore.session
    from botocore.credentials import (
        AssumeRoleCredentialFetcher,
        CredentialProvider,
        CredentialResolver,
        DeferredRefreshableCredentials,
    )

    source = session.get_credentials()
    if source is None:
        raise ConfigError(
            "Invalid configuration: a role is configured for the bucket, but the machine that runs the connector has no AWS "
            "credentials to assume it with. Nothing was written. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the connector's "
            "environment, or configure an access key for the bucket instead of the role."
        )
    arguments = {"RoleSessionName": _SESSION_NAME}
    if external_id := os.environ.get("AWS_ASSUME_ROLE_EXTERNAL_ID"):
        arguments["ExternalId"] = external_id
    region = _sign_in_region(storage, session)

    def create_client(service: str, **options: Any) -> Any:
        return session.create_client(service, region_name=region, **options)

    fetcher = AssumeRoleCredentialFetcher(create_client, source, storage.role_arn, extra_args=arguments)

    class RoleProvider(CredentialProvider):
        METHOD = CANONICAL_NAME = "assume-role"

        def load(self) -> DeferredRefreshableCredentials:
            return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)

    acting = botocore.session.get_session()
    acting.register_component("credential_provider", CredentialResolver([RoleProvider()]))
    return acting


def _sign_in_region(storage: S3Storage, session: Session) -> str:
    return storage.s3_bucket_region or session.get_config_variable("region") or _DEFAULT_REGION


def _region(storage: S3Storage, session: Session) -> str | None:
    if storage.s3_bucket_region:
        return storage.s3_bucket_region
    if storage.s3_endpoint:
        return _DEFAULT_REGION
    if session.get_config_variable("region"):
        return None
    raise ConfigError(
        "Invalid configuration: the region of the bucket is missing. Nothing was written. Enter the bucket's region, such "
        "as us-east-1; AWS shows it beside the bucket's name."
    )
