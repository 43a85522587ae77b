"""What answers of the store say: the code and the status of an error, and the version of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from destination_customerio.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


def code_of(error: Any) -> str:
    """The code of an S3 error, such as `NoSuchKey`; empty where the store named none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: Any) -> int:
    """The HTTP status of an S3 error; 0 where there was none."""
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def etag_in(answer: Mapping[str, Any]) -> str:
    """The ETag of an answer without quotes; "" if it has none. Proxies that touch an answer mark its ETag as weak."""
    return str(answer.get("ETag", "")).removeprefix("W/").strip('"')


def version_in(answer: Mapping[str, Any], key: str) -> tuple[str, datetime]:
    """The ETag of an object, and when it was stored.

    Raises:
        ConfigError: the answer lacks one of them.
    """
    etag, stored_at = etag_in(answer), answer.get("LastModified")
    if not etag or stored_at is None:
        raise ConfigError(
            f"The store answered a request for {key} without its {'version (ETag)' if stored_at else 'time (Last-Modified)'}, so a change "
            "by somebody else could not be noticed. The file was left unchanged. Check that no proxy between the connector and "
            "the store removes headers of answers."
        )
    return etag, stored_at
