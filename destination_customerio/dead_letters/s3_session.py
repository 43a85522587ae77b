"""The AWS session of a bucket's client: the settings of this machine, and the credentials.

Credentials, the first that applies: the static keys; the role, assumed through STS with the machine's own credentials
and renewed before it expires; what boto3 finds on the machine. Whatever fails is marked with its step, also when
credentials are renewed hours later, in the middle of a request.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from destination_customerio.dead_letters.aws_rules import is_key
from destination_customerio.dead_letters.aws_settings import AwsSettings
from destination_customerio.dead_letters.s3_faults import MfaError, UnusableKeyError
from destination_customerio.dead_letters.s3_route import set_sign_in_route, sign_in_region
from destination_customerio.dead_letters.s3_steps import Step, step
from destination_customerio.errors import ConfigError

if TYPE_CHECKING:
    from botocore.credentials import Credentials, DeferredRefreshableCredentials, ReadOnlyCredentials
    from botocore.session import Session

    from destination_customerio.config.storage import S3Storage

_SESSION_NAME = "airbyte-sts-session"


def make_session(storage: S3Storage) -> tuple[Session, AwsSettings]:
    """A session with credentials, and the settings of this machine.

    Raises:
        ConfigError: a role is configured, and the machine has no credentials to assume it with.
        StepFailedError: a setting of this machine is invalid, or no credentials can be had.
    """
    import botocore.session
    from botocore.credentials import CredentialResolver
    from botocore.exceptions import NoCredentialsError

    with step(Step.SETTINGS):
        session = botocore.session.get_session()
        settings = AwsSettings.of(session)  # reads the AWS config files
    if not storage.access_key_id.get_secret_value():
        set_sign_in_route(session, storage, settings)
    with step(Step.CREDENTIALS):
        if key_id := storage.access_key_id.get_secret_value():
            session.set_credentials(key_id, storage.secret_access_key.get_secret_value())
            return session, settings
        _refuse_mfa_prompts(session)
        credentials = _assumed(session, storage, settings) if storage.role_arn else session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        watched = _WatchedCredentials(credentials)
        watched.get_frozen_credentials()
        found = botocore.session.get_session()
        found.register_component("credential_provider", CredentialResolver([_provider(watched)]))
        return found, settings


def _refuse_mfa_prompts(session: Session) -> None:
    """Without this, boto3 asks for the code of an MFA device on stdin: it would take a row for it, and send it to AWS."""

    def refuse(_: str) -> str:
        raise MfaError

    provider: Any = session.get_component("credential_provider").get_provider("assume-role")
    provider._prompter = refuse  # botocore has no public setting for it


class _WatchedCredentials:
    """Credentials whose renewal is a step of its own."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """See `botocore.credentials.Credentials`."""
        with step(Step.CREDENTIALS):
            return _usable(self._credentials.get_frozen_credentials())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._credentials, name)


def _usable(key: ReadOnlyCredentials) -> ReadOnlyCredentials:
    """The key, if it can be sent; a mounted secret often ends with a line break, which would look like a broken network."""
    if not all(is_key(part or "") for part in (key.access_key, key.secret_key, key.token)):
        raise UnusableKeyError
    return key


def _provider(credentials: _WatchedCredentials) -> Any:
    from botocore.credentials import CredentialProvider

    class Provider(CredentialProvider):
        METHOD = CANONICAL_NAME = "watched"

        def load(self) -> _WatchedCredentials:
            return credentials

    return Provider()


def _assumed(session: Session, storage: S3Storage, settings: AwsSettings) -> DeferredRefreshableCredentials:
    """The role's credentials; `session` has those that may assume it."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    source = session.get_credentials()
    if source is None:
        raise ConfigError(
            "Invalid configuration: a role is configured for the bucket, but the machine that runs the connector has no AWS "
            "credentials to assume it with. Nothing was written. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the connector's "
            "environment, or configure an access key for the bucket instead of the role."
        )
    _usable(source.get_frozen_credentials())
    arguments = {"RoleSessionName": _SESSION_NAME}
    if external_id := os.environ.get("AWS_ASSUME_ROLE_EXTERNAL_ID"):
        arguments["ExternalId"] = external_id
    region = sign_in_region(storage, settings)

    def create_client(service: str, **options: Any) -> Any:
        return session.create_client(service, region_name=region, **options)

    fetcher = AssumeRoleCredentialFetcher(create_client, source, storage.role_arn, extra_args=arguments)
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
