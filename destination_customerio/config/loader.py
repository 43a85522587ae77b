"""Loads the configuration file and reports every invalid setting in plain sentences."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from destination_customerio.config.model import EU_TRACK_URL, US_TRACK_URL, Config
from destination_customerio.config.storage import S3Storage
from destination_customerio.errors import ConfigError
from destination_customerio.exact_json.broken import where_broken
from destination_customerio.exact_json.codec import JsonObject, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

# pydantic's error types in plain words. Its own messages are not shown, as they may quote the value.
_WORDS = {
    "missing": "is missing",
    "string_too_short": "is empty",
    "too_short": "is empty",
    "string_type": "must be a string",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "tuple_type": "must be a list",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "string_unicode": "must be valid text",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}
_NOTHING_WRITTEN = "Nothing was written."


def read_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Read and validate a configuration file.

    Raises:
        ConfigError: it can't be read, is not a JSON object, or is invalid; the message lists every problem.
    """
    return parse_config(read_raw_config(path), environment)


def read_raw_config(path: Path) -> JsonObject:
    """Read a configuration file without validating it.

    Raises:
        ConfigError: it can't be read, or is not a JSON object.
    """
    try:
        text = path.read_bytes().removeprefix(BOM_UTF8)
    except OSError as error:
        raise ConfigError(
            f"The configuration file {path} could not be read ({error.strerror}). {_NOTHING_WRITTEN} "
            "Check the path passed to --config, and that the container can read the file."
        ) from None
    raw = parse_object(text)
    if raw is None:
        where = where_broken(text)
        found = f"is not valid JSON ({where})" if where else "is not a JSON object"
        raise ConfigError(
            f"The configuration file {found}. {_NOTHING_WRITTEN} Check the file passed to --config."
        )
    return raw


def parse_config(raw: Mapping[str, Any], environment: Mapping[str, str]) -> Config:
    """Validate a configuration; see `read_config`. `environment` says whether this is Airbyte Cloud."""
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(_problem(details) for details in error.errors(include_url=False))
        raise ConfigError(f"Invalid configuration: {problems}. {_NOTHING_WRITTEN}") from None
    if environment.get("DEPLOYMENT_MODE", "").upper() == "CLOUD":
        _check_for_cloud(config)
    return config


def _check_for_cloud(config: Config) -> None:
    if config.track_api_url not in ("", US_TRACK_URL, EU_TRACK_URL):
        raise ConfigError(
            "Invalid configuration: track_api_url is not a Customer.io host, which Airbyte Cloud does not allow. "
            f"{_NOTHING_WRITTEN} Remove track_api_url from the configuration."
        )
    storage = config.object_storage_config
    if isinstance(storage, S3Storage) and urlsplit(storage.s3_endpoint).scheme == "http":
        raise ConfigError(
            "Invalid configuration: object_storage_config.s3_endpoint is a plain http URL, which Airbyte Cloud does not allow: "
            f"rows and keys would travel in clear text. {_NOTHING_WRITTEN} Use an https:// endpoint."
        )


def _problem(details: ErrorDetails) -> str:
    """One problem: the key as spelled in the file, and what is wrong with it."""
    # Inside a union, pydantic adds the option's tag to the path; the file has no such key.
    tags = {"S3", "None", "CSV", "JSONL", "GZIP", "No Compression", "column", "constant"}
    key = ".".join(str(part) for part in details["loc"] if part not in tags) or "the configuration"
    kind = details["type"]
    context = details.get("ctx", {})
    match kind:
        case "literal_error":
            return f"{key} must be one of {context['expected']}"
        case "union_tag_invalid" | "union_tag_not_found":
            choices = context.get("expected_tags", "")
            return f"{key} needs {context['discriminator']}" + (f", one of {choices}" if choices else "")
        case "greater_than_equal":
            return f"{key} must be at least {context['ge']}"
        case "less_than_equal":
            return f"{key} must be at most {context['le']}"
        case "column_or_constant":  # a message of our own
            return f"{key} {details['msg']}"
        case "value_error":
            return f"{key}: {context['error']}"
    return f"{key} {_WORDS.get(kind, 'is invalid')}"
