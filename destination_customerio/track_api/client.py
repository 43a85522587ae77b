"""One HTTP attempt against the Track API.

Credentials are sent only to Customer.io's two hosts, or to the override in the configuration: redirects are followed
explicitly, and only to those two hosts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from destination_customerio import __version__
from destination_customerio.config.model import EU_TRACK_URL, US_TRACK_URL
from destination_customerio.errors import ConfigError
from destination_customerio.network.failures import explain_failure
from destination_customerio.network.route import Route, proxy_for, route_to
from destination_customerio.track_api.verdict import Answer, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from destination_customerio.config.model import Credentials

USER_AGENT = f"airbyte-destination-customerio/{__version__}"
CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 30.0

_BATCH_PATH = "/api/v2/batch"
_REGION_PATH = "/api/v1/accounts/region"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
_HOSTS = frozenset(urlsplit(url).hostname for url in (US_TRACK_URL, EU_TRACK_URL))
# A 207 that rejects every row of a full request takes a few megabytes.
_MAX_ANSWER_BYTES = 32 * 1024 * 1024
_READ_BYTES = 64 * 1024


class _Session(requests.Session):
    """A session that ignores redirects.

    Even with `allow_redirects=False`, requests reads the whole body of a redirect, prepares the next request, and fails if
    the location is not a URL.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - named by the base class
        return None


class TrackClient:
    """Talks to one host over one kept-alive connection. Not thread-safe.

    base_url              scheme and host, without a trailing slash
    read_timeout_seconds  how long the server may be silent
    environ               names the proxy and the CA bundle

    Raises:
        ConfigError: a variable of the environment can't be used.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        read_timeout_seconds: float,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._base_url = base_url
        self._route = route_to(base_url, "track_api", environ)
        self._timeout = (min(CONNECT_TIMEOUT_SECONDS, read_timeout_seconds), read_timeout_seconds)
        self._session = _Session()
        # requests reads the environment in its own way, and a netrc file would replace the credentials.
        self._session.trust_env = False
        self._session.verify = self._route.verify
        # One per host, as NO_PROXY may exempt one of the two that redirects may lead to.
        for url in (base_url, US_TRACK_URL, EU_TRACK_URL):
            if proxy := proxy_for(url, environ):
                parts = urlsplit(url)
                self._session.proxies[f"{parts.scheme}://{parts.hostname}"] = proxy.url
        self._session.auth = HTTPBasicAuth(
            credentials.site_id.get_secret_value().encode(), credentials.api_key.get_secret_value().encode()
        )
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
        # Retries belong to the lanes, which know the budget and the order.
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)  # ignore-https-check: for servers on this machine

    def post_batch(self, body: bytes) -> Answer | NoAnswer:
        """Send one batch body, once."""
        return self._attempt("POST", _BATCH_PATH, body)

    def get_region(self) -> Answer | NoAnswer:
        """Ask once which region the account belongs to; the answer to wrong credentials is 401."""
        return self._attempt("GET", _REGION_PATH, None)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _attempt(self, method: str, path: str, body: bytes | None) -> Answer | NoAnswer:
        url = self._base_url + path
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                with self._session.request(
                    method,
                    url,
                    data=body,
                    headers=headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    content = _read(response)
                if content is None:
                    return NoAnswer("the answer was too long")
                if response.status_code not in _REDIRECTS:
                    return Answer(response.status_code, content, response.headers.get("Retry-After"))
                url = _redirect_target(url, response.headers.get("Location", ""))
        except requests.RequestException as error:
            return NoAnswer(_describe(error, self._route))
        except OSError:  # requests looks for the file before every connection
            bundle = self._route.ca_bundle
            raise ConfigError(
                f"The CA bundle in {bundle.variable if bundle else 'the package certifi'} is gone, so a secure connection to "
                "Customer.io is not possible. The rows of this request were not sent. Restore the file, or correct the variable."
            ) from None
        return NoAnswer("too many redirects")


def _read(response: requests.Response) -> bytes | None:
    """The body, decompressed; None if it is far larger than any answer of the Track API."""
    content = bytearray()
    for chunk in response.iter_content(_READ_BYTES):
        content += chunk
        if len(content) > _MAX_ANSWER_BYTES:
            return None
    return bytes(content)


def _redirect_target(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        known = parts.scheme == "https" and parts.hostname in _HOSTS and parts.port in (None, 443)
    except ValueError:
        known = False
    if not known or "@" in parts.netloc:
        raise ConfigError(
            "The Track API answered with a redirect to a host that is not Customer.io's. The credentials were not "
            "sent there, and the rows of this request were not accepted. Check the proxy between Airbyte and "
            "Customer.io, and the Track API URL (track_api_url) if one is set."
        )
    return target


def _describe(error: requests.RequestException, route: Route) -> str:
    """Why an attempt failed, without anything from the request.

    Raises:
        ConfigError: a person must change something first, so that another attempt would fail the same way.
    """
    if failure := explain_failure(error, route, "the Track API"):
        if issubclass(failure.kind, ConfigError):
            raise ConfigError(
                f"The Track API could not be reached: {failure.cause}. The rows of this request were not sent. {failure.remedy}"
            ) from None
        return failure.cause
    match error:
        case requests.exceptions.Timeout():
            return "no answer in time"
        case requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError():
            return "the answer was cut off"
        case requests.exceptions.ConnectionError():
            return "the connection was lost"
        case _:
            return type(error).__name__
