"""The way to the bucket, and to AWS's sign-in services: proxies and CA bundles, as `network.route` reads them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from destination_customerio.network.route import Route, route_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.session import Session

    from destination_customerio.config.storage import S3Storage

DEFAULT_REGION = "us-east-1"


def bucket_route(storage: S3Storage, environ: Mapping[str, str]) -> Route:
    """How the bucket is reached.

    Raises:
        ConfigError: a variable of the environment can't be used.
    """
    endpoint = (
        storage.s3_endpoint or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
    )
    if not endpoint:
        endpoint = f"https://{storage.s3_bucket_name}.{_s3_host(storage.s3_bucket_region or DEFAULT_REGION)}"
    return route_to(endpoint, "bucket", environ)


def set_sign_in_route(session: Session, storage: S3Storage) -> None:
    """Let the session's own clients, for STS and for single sign-on, take the route to STS.

    Raises:
        ConfigError: a variable of the environment can't be used.
    """
    from botocore.config import Config as ClientConfig

    region = sign_in_region(storage, session)
    endpoint = (
        os.environ.get("AWS_ENDPOINT_URL_STS")
        or os.environ.get("AWS_ENDPOINT_URL")
        or f"https://sts.{region}.{_aws_domain(region)}"
    )
    route = route_to(endpoint, "bucket", os.environ)
    session.set_default_client_config(ClientConfig(proxies=proxies_of(route)))
    if endpoint.startswith("https://"):
        session.set_config_variable("ca_bundle", verify_of(session, route))


def sign_in_region(storage: S3Storage, session: Session) -> str:
    """The region whose sign-in services are used."""
    return storage.s3_bucket_region or session.get_config_variable("region") or DEFAULT_REGION


def proxies_of(route: Route) -> dict[str, str]:
    """For botocore, which uses its own reading of the environment only if it gets None."""
    return dict.fromkeys(("http", "https"), route.proxy.url) if route.proxy else {}


def verify_of(session: Session, route: Route) -> str | bool:
    """AWS_CA_BUNDLE, the bundle of the AWS profile, or the one that other variables name, in this order."""
    if route.ca_bundle and route.ca_bundle.variable == "AWS_CA_BUNDLE":
        return route.ca_bundle.path
    return (session.get_config_variable("ca_bundle") or "").strip() or route.verify


def _s3_host(region: str) -> str:
    # boto3 still uses the old name of the first region.
    return "s3.amazonaws.com" if region == "us-east-1" else f"s3.{region}.{_aws_domain(region)}"


def _aws_domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
