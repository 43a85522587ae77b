"""The way to the bucket, and to AWS's sign-in services: proxies and CA bundles, as `network.route` reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from destination_customerio.dead_letters.aws_settings import REGIONS, first_set
from destination_customerio.network.route import CA_VARIABLES, Route, route_to

if TYPE_CHECKING:
    from botocore.session import Session

    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.aws_settings import AwsSettings

DEFAULT_REGION = "us-east-1"
_ACCESS_POINT = re.compile(
    r"arn:[\w-]+:s3:(?P<region>[\w-]+):(?P<account>\d+):accesspoint[:/](?P<name>[\w.-]+)"
)


class NamedBundle(NamedTuple):
    """A file of certificate authorities, and the setting that names it: a variable, or an option of the AWS profile."""

    setting: str
    path: str

    @property
    def words(self) -> str:
        """The setting in a message, with the path if it is a variable."""
        return f"{self.setting}={self.path}" if self.setting.isupper() else self.setting


def bucket_route(storage: S3Storage, settings: AwsSettings) -> Route:
    """How the bucket is reached.

    Raises:
        ConfigError: a variable of the environment can't be used.
    """
    configured = settings.endpoint("s3")
    endpoint = storage.s3_endpoint or (configured.url if configured else "")
    if not endpoint:
        endpoint = f"https://{_aws_host(storage, settings)}"
    return route_to(endpoint, "bucket", settings.environment)


def sign_in_route(storage: S3Storage, settings: AwsSettings) -> Route:
    """How STS is reached.

    Raises:
        ConfigError: as for `bucket_route`.
    """
    return route_to(_sign_in_url(storage, settings), "bucket", settings.environment)


def sign_in_region(storage: S3Storage, settings: AwsSettings) -> str:
    """The region of the bucket, whose sign-in services are used."""
    name = first_set(REGIONS, settings.environment)
    machine = settings.environment[name] if name else settings.profile.get("region")
    return storage.s3_bucket_region or machine or DEFAULT_REGION


def _sign_in_url(storage: S3Storage, settings: AwsSettings) -> str:
    if configured := settings.endpoint("sts"):
        return configured.url
    region = sign_in_region(storage, settings)
    return f"https://sts.{region}.{_aws_domain(region)}"


def set_sign_in_route(session: Session, storage: S3Storage, settings: AwsSettings) -> None:
    """Let the session's own clients, for STS and for single sign-on, take the route to STS, in a region that has it.

    Raises:
        ConfigError: a variable of the environment can't be used.
    """
    from botocore.config import Config as ClientConfig

    route = sign_in_route(storage, settings)
    session.set_default_client_config(ClientConfig(proxies=proxies_of(route)))
    if not session.get_config_variable("region"):
        session.set_config_variable("region", sign_in_region(storage, settings))
    if _sign_in_url(storage, settings).startswith("https://"):
        session.set_config_variable("ca_bundle", verify_of(settings))


def proxies_of(route: Route) -> dict[str, str]:
    """For botocore, which uses its own reading of the environment only if it gets None."""
    return dict.fromkeys(("http", "https"), route.proxy.url) if route.proxy else {}


def verify_of(settings: AwsSettings) -> str | Literal[True]:
    """As the `verify` of boto3."""
    bundle = ca_bundle(settings)
    return bundle.path if bundle else True


def ca_bundle(settings: AwsSettings) -> NamedBundle | None:
    """The CA bundle of AWS_CA_BUNDLE, of the AWS profile, or of the other variables, in this order."""
    environment = settings.environment
    own, *others = CA_VARIABLES["bucket"]
    # As for boto3, this variable hides the profile's option even if it is empty.
    if own not in environment and (path := (settings.profile.get("ca_bundle") or "").strip()):
        return NamedBundle("ca_bundle in the AWS config file", path)
    for name in (own, *others):
        if path := environment.get(name, "").strip():
            return NamedBundle(name, path)
    return None


def _aws_host(storage: S3Storage, settings: AwsSettings) -> str:
    bucket = storage.s3_bucket_name
    if arn := _ACCESS_POINT.fullmatch(bucket):
        region = arn["region"]
        return f"{arn['name']}-{arn['account']}.s3-accesspoint.{region}.{_aws_domain(region)}"
    return f"{bucket}.{_s3_host(sign_in_region(storage, settings))}"


def _s3_host(region: str) -> str:
    # boto3 still uses the old name of the first region.
    return "s3.amazonaws.com" if region == "us-east-1" else f"s3.{region}.{_aws_domain(region)}"


def _aws_domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
