"""Shared by all configuration models: how texts, secrets, empty fields and URLs are parsed."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _without_controls(value: object) -> object:
    if isinstance(value, str) and any(unicodedata.category(character) in _CONTROLS for character in value):
        raise ValueError("contains a line break or another control character; enter it again without")
    return value


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):  # which pydantic would read as 1 or 0
        raise PydanticCustomError("float_type", "not a number")
    return value


def _encodable(secret: SecretStr) -> SecretStr:
    """The secret, if it can be sent; pydantic checks that of plain texts only."""
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid text") from None
    return secret


# Control characters, and the separators of lines and paragraphs.
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})
# Keys are pasted from web pages, often with a trailing space or line break.
Text = Annotated[str, BeforeValidator(_without_controls), BeforeValidator(_trimmed)]
Secret = Annotated[
    SecretStr, BeforeValidator(_without_controls), BeforeValidator(_trimmed), AfterValidator(_encodable)
]

WholeNumber = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean)]

SECRET = {"airbyte_secret": True}
HIDDEN = {"airbyte_hidden": True}


class Model(BaseModel):
    """A part of the configuration. Unknown keys are ignored, but kept by name; null means not set."""

    # Without hide_input_in_errors, pydantic's validation errors quote their input.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    _unknown_keys: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, raw: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(raw, dict):
            return handler(raw)
        # Forms and tools write null for an empty field.
        given = {key: value for key, value in raw.items() if value is not None}
        part = handler(given)
        names = {*cls.model_fields, *cls.known_keys()}
        part._unknown_keys = tuple(str(key) for key in given if key not in names)
        return part

    @classmethod
    def known_keys(cls) -> list[str]:
        """The keys as the configuration spells them."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @property
    def unknown_keys(self) -> tuple[str, ...]:
        """The keys that this part was given and does not know."""
        return self._unknown_keys


def checked_url(url: str, *, http_allowed: bool) -> str:
    """A URL to send requests to; plain http would send credentials in clear text, so by default only loopback may use it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
        # The form in which a name is resolved, and compared with NO_PROXY; also refuses labels that none can have.
        parts = parts._replace(netloc=parts.netloc.encode("idna").decode())
    except ValueError:  # also UnicodeError
        raise ValueError("not a URL") from None
    # Checked in the text: urlsplit drops an empty query or user name.
    if parts.scheme not in ("http", "https") or not host or any(mark in url for mark in "@?#\\ "):
        raise ValueError("must be a URL such as https://example.com, without a user name, `?` or `#`")
    if parts.scheme == "http" and not http_allowed and host not in _LOOPBACK:
        raise ValueError("plain http is only allowed for a server on this machine; use https")
    return parts.geturl()  # normalizes the scheme to lower case, which callers rely on
