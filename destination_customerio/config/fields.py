"""What all models of the configuration share: how texts, secrets, empty fields and URLs are read."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


# Keys are pasted from web pages, often with a space or a line break at the end.
Text = Annotated[str, BeforeValidator(_trimmed)]
Secret = Annotated[SecretStr, BeforeValidator(_trimmed)]

SECRET = {"airbyte_secret": True}
HIDDEN = {"airbyte_hidden": True}


class Model(BaseModel):
    """A part of the configuration; unknown keys are left alone, and null means not given."""

    # A validation error of pydantic quotes its input unless told not to.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: object) -> object:
        # Forms and tools write null for a field that was left empty.
        return (
            {key: value for key, value in raw.items() if value is not None} if isinstance(raw, dict) else raw
        )


def checked_url(url: str, *, http_allowed: bool) -> str:
    """A URL that requests can be sent to; credentials in clear text never leave this machine by accident."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise ValueError("this is not a URL") from None
    # Looked for in the text, as an empty query or user name would not show in the parts.
    if parts.scheme not in ("http", "https") or not host or any(mark in url for mark in "@?#\\ "):
        raise ValueError("give a URL such as https://example.com, without a user name, `?` or `#`")
    if parts.scheme == "http" and not http_allowed and host not in _LOOPBACK:
        raise ValueError("plain http is only for a server on this machine; use https")
    return parts.geturl()  # with the scheme in small letters, as it is looked at again
