"""The settings of this machine that boto3 reads: variables of the environment, and a profile in the AWS config files.

Which of them is at fault is asked only after a failure, so that a value that boto3 accepts, or never reads, is never refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from destination_customerio.dead_letters.aws_rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from botocore.session import Session

    from destination_customerio.dead_letters.s3_steps import Step

# In each case, the first that is set counts.
PROFILES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
REGIONS = ("AWS_DEFAULT_REGION",)
SESSION_TOKENS = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")


@dataclass(frozen=True, slots=True)
class ConfiguredEndpoint:
    """The URL of a service that this machine sets, and the setting that has it.

    url  it may contain a password, so it is not in the repr
    """

    setting: str
    url: str = field(repr=False)

    @property
    def clause(self) -> str:
        """The setting, in a sentence."""
        return f"the environment variable {self.setting}" if self.setting.isupper() else self.setting


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """The settings of this machine.

    environment        the variables of the environment
    profile            the profile in use, as the AWS config files have it
    services           its section of services
    ignores_endpoints  whether configured endpoints are ignored
    """

    environment: Mapping[str, str] = field(repr=False)
    profile: Mapping[str, Any] = field(default_factory=dict, repr=False)
    services: Mapping[str, Any] = field(default_factory=dict, repr=False)
    ignores_endpoints: bool = False

    @classmethod
    def of(cls, session: Session) -> AwsSettings:
        """Those that a session has read.

        Raises:
            Exception: whatever botocore raises for a broken config file or a missing profile.
        """
        profile = session.get_scoped_config()
        sections = session.full_config.get("services", {})
        return cls(
            dict(os.environ),
            profile,
            sections.get(profile.get("services"), {}),
            bool(session.get_config_variable("ignore_configured_endpoint_urls")),
        )

    @classmethod
    def of_this_machine(cls) -> AwsSettings:
        """The settings for the explanation of a failure: without the profile, if it can't be read."""
        import botocore.session

        try:
            return cls.of(botocore.session.get_session())
        except Exception:  # noqa: BLE001 - what is wrong with the profile has been found out before
            return cls(dict(os.environ))

    def endpoint(self, service: str) -> ConfiguredEndpoint | None:
        """The endpoint that boto3 uses for a service (`s3`, `sts`) if it is given none."""
        if self.ignores_endpoints:
            return None
        for name in (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL"):
            if url := self.environment.get(name):
                return ConfiguredEndpoint(name, url)
        section = self.services.get(service)
        for settings in (section if isinstance(section, dict) else {}, self.profile):
            if url := settings.get("endpoint_url"):
                return ConfiguredEndpoint("endpoint_url in the AWS config file", url)
        return None

    def invalid(self, step: Step) -> str | None:
        """The first setting with an invalid value that this step reads, as a clause: its name and what it must be."""
        for rule in RULES:
            if step not in rule.steps:
                continue
            for name in rule.names:
                if name in self.environment and not rule.is_valid(self.environment[name]):
                    return f"the environment variable {name} {rule.words}"
            value = _in_profile(self.profile, rule.option)
            if value is not None and not rule.is_valid(value):
                return f"{rule.option} in the AWS config file {rule.words}"
        return None


def first_set(names: Iterable[str], environment: Mapping[str, str]) -> str | None:
    """The first of these variables that has a value."""
    return next((name for name in names if environment.get(name)), None)


def _in_profile(profile: Mapping[str, Any], option: str) -> str | None:
    """The value of an option, such as `region` or `s3.addressing_style`; None if it is not set."""
    value: Any = profile
    for name in option.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return None if value is None else value if isinstance(value, str) else ""
