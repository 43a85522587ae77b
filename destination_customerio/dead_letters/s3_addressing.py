"""The two styles of a bucket's address: `https://host/bucket/key` (path) and `https://bucket.host/key` (virtual).

Other stores than AWS mostly have no host name per bucket, so an endpoint gets the path style first. Some stores refuse
it: their answer says so, and from then on the client uses the other style, starting with the same request.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from destination_customerio.dead_letters.s3_error_table import BY_CODE
from destination_customerio.dead_letters.s3_explanations import HOST_STYLE_DEMANDED

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_DEMAND = re.compile(r"virtual[- ]?host|path[- ]style|(second|third)[- ]level domain", re.IGNORECASE)


class AddressingStyle:
    """The style of one client with an endpoint: path until the store demands virtual. Thread-safe."""

    def __init__(self, endpoint: str, bucket: str) -> None:
        self._path_address = f"{endpoint.rstrip('/')}/{bucket}"
        self._bucket = bucket
        parts = urlsplit(endpoint)
        self._virtual_address = urlunsplit(
            (parts.scheme, f"{bucket}.{parts.netloc}", parts.path.rstrip("/"), "", "")
        )
        self._is_virtual = False

    def attach(self, client: S3Client) -> None:
        """Follow the client's requests and answers."""
        events: Any = client.meta.events  # its stub knows no handler that answers
        events.register("before-call.s3", self._address)
        events.register("needs-retry.s3", self._change_on_demand)

    def _address(self, params: dict[str, Any], **_: Any) -> None:
        if self._is_virtual:
            params["url"] = self._virtual(params["url"])

    def _change_on_demand(self, request_dict: dict[str, Any], response: Any, **_: Any) -> int | None:
        """Seconds until the request is sent again; None if it is not."""
        if response is None or not self._demands_virtual(response[1].get("Error", {})):
            return None
        url = self._virtual(request_dict["url"])
        if url == request_dict["url"]:
            return None
        self._is_virtual = True
        request_dict["url"] = url
        return 0

    def _demands_virtual(self, error: dict[str, Any]) -> bool:
        return (
            BY_CODE.get(str(error.get("Code"))) is HOST_STYLE_DEMANDED
            or _DEMAND.search(str(error.get("Message", ""))) is not None
            or str(error.get("Endpoint", "")).startswith(self._bucket + ".")
        )

    def _virtual(self, url: str) -> str:
        rest = url.removeprefix(self._path_address)
        is_ours = rest != url and rest[:1] in ("", "/", "?")
        return self._virtual_address + (rest or "/") if is_ours else url


def ask_once_for_the_region(client: S3Client) -> None:
    """After a redirect, botocore asks for the bucket's region with HeadBucket; where that is redirected too, without end."""
    client.meta.events.register("before-call.s3.HeadBucket", _mark_as_redirected)


def _mark_as_redirected(params: dict[str, Any], **_: Any) -> None:
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def has_host_name(endpoint: str) -> bool:
    """Whether a bucket's name can be put before the endpoint's host."""
    try:
        ip_address(urlsplit(endpoint).hostname or "")
    except ValueError:
        return True
    return False
