"""What fills the placeholders of an `Explanation`: names of our own, and codes that are known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from destination_customerio.causes import chain_of
from destination_customerio.dead_letters.aws_rules import KNOWN_OPTIONS
from destination_customerio.dead_letters.aws_settings import PROFILES, REGIONS, SESSION_TOKENS, first_set
from destination_customerio.dead_letters.s3_addressing import has_host_name
from destination_customerio.dead_letters.s3_answers import code_of, status_of
from destination_customerio.dead_letters.s3_error_table import SHOWN_CODES
from destination_customerio.dead_letters.s3_faults import Fault, fault_of
from destination_customerio.dead_letters.s3_route import ca_bundle
from destination_customerio.dead_letters.s3_steps import Step, StepFailedError, cause_of

if TYPE_CHECKING:
    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.aws_settings import AwsSettings


def placeholders(error: Exception, storage: S3Storage, settings: AwsSettings) -> dict[str, object]:
    """What fills the placeholders of an explanation, by name."""
    from botocore.exceptions import ClientError

    cause = cause_of(error)
    answer = cause if isinstance(cause, ClientError) else None
    configured = settings.endpoint("s3")
    store = storage.s3_endpoint or (f"the store of {configured.setting}" if configured else "AWS")
    environment = settings.environment
    return {
        "bucket": storage.s3_bucket_name,
        "store": store,
        "plain": urlunsplit(("http", *urlsplit(storage.s3_endpoint)[1:]))
        if storage.s3_endpoint
        else "http://host:port",  # ignore-https-check: a pattern
        "server": server_of(storage) or store,
        "host": urlsplit(getattr(cause, "kwargs", {}).get("endpoint_url", "")).hostname or "",
        "bundle": _bundle_to_extend(settings),
        "operation": answer.operation_name if answer else "",
        "code": _shown(code_of(answer)) if answer else "",
        "status": status_of(answer) if answer else 0,
        "error": type(cause).__name__,
        "os_error": os.strerror(getattr(cause, "errno", None) or 0),
        "file": _file_of(cause, settings),
        "setting": _setting_of(error, storage, settings),
        "settings": _settings_that_are_set(settings),
        "profile_variable": next((name for name in PROFILES if name in environment), "AWS_PROFILE"),
        "token_variable": first_set(SESSION_TOKENS, environment) or "",
    }


def server_of(storage: S3Storage) -> str | None:
    """The endpoint without the bucket's name; None if it has none."""
    parts = urlsplit(storage.s3_endpoint)
    bucket = storage.s3_bucket_name
    if parts.netloc.startswith(bucket + ".") and has_host_name(storage.s3_endpoint):
        return urlunsplit((parts.scheme, parts.netloc.removeprefix(bucket + "."), parts.path, "", ""))
    path = parts.path.rstrip("/")
    if path.endswith("/" + bucket):
        return urlunsplit((parts.scheme, parts.netloc, path.removesuffix("/" + bucket), "", ""))
    return None


def _bundle_to_extend(settings: AwsSettings) -> str:
    """The setting to add a certificate to: the one that is in use, or else the one that serves both clients."""
    bundle = ca_bundle(settings)
    return bundle.setting if bundle else "REQUESTS_CA_BUNDLE"


def _file_of(cause: BaseException, settings: AwsSettings) -> str:
    """The path of a file of this machine that could not be read, with the variable that names it."""
    path = next(filter(None, map(_path_in, chain_of(cause))), None)
    if not path:
        bundle = ca_bundle(settings)
        return bundle.words if bundle else "that of the package certifi"
    for name, value in sorted(settings.environment.items()):
        if name.startswith("AWS_") and value == str(path):
            return f"{name}={path}"
    return str(path)


def _path_in(error: BaseException) -> object:
    return getattr(error, "kwargs", {}).get("path") or getattr(error, "filename", None)


def _setting_of(error: Exception, storage: S3Storage, settings: AwsSettings) -> str:
    """The setting that is wrong, as a clause."""
    endpoint = settings.endpoint("s3")
    match fault_of(error):
        case Fault.REGION:
            return "the bucket region" if storage.s3_bucket_region else _region_of_the_machine(settings)
        case Fault.ENDPOINT | Fault.ADDRESS if storage.s3_endpoint:
            return f"the endpoint {storage.s3_endpoint}"
        case Fault.ENDPOINT | Fault.ADDRESS if endpoint:
            return endpoint.clause
        case Fault.ADDRESS:
            configured = f"the region {storage.s3_bucket_region}" if storage.s3_bucket_region else ""
            return f"{configured or _region_of_the_machine(settings)} and this machine's other settings"
    step = error.step if isinstance(error, StepFailedError) else Step.SETTINGS
    return settings.invalid(step) or (
        f"a setting for AWS on this machine is invalid ({type(cause_of(error)).__name__})"
    )


def _settings_that_are_set(settings: AwsSettings) -> str:
    variables = ", ".join(sorted(name for name in settings.environment if name.startswith("AWS_"))) or "none"
    # Somebody may have left a secret on a line of its own, which then is the name of an option.
    options = ", ".join(sorted(KNOWN_OPTIONS & settings.profile.keys()))
    return f"AWS variables that are set: {variables}{f'; in the AWS profile: {options}' if options else ''}."


def _region_of_the_machine(settings: AwsSettings) -> str:
    name = first_set(REGIONS, settings.environment)
    return f"the environment variable {name}" if name else "region in the AWS config file"


def _shown(code: str) -> str:
    """An error code for a message; one that is not known may be anything, so it is left out."""
    return code if code in SHOWN_CODES else "an error"
