"""One HTTP attempt against the Track API.

Credentials are sent only to Customer.io's two hosts, or to the override in the configuration: redirects are followed
explicitly, and only to those two hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from destination_customerio import __version__
from destination_customerio.config.model import EU_TRACK_URL, US_TRACK_URL
from destination_customerio.errors import ConfigError
from destination_customerio.track_api.verdict import Answer, NoAnswer

if TYPE_CHECKING:
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
    """

    def __init__(self, base_url: str, credentials: Credentials, read_timeout_seconds: float) -> None:
        self._base_url = base_url
        self._timeout = (min(CONNECT_TIMEOUT_SECONDS, read_timeout_seconds), read_timeout_seconds)
        self._session = _Session()
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
                # Plain HTTP is for this machine only; a proxy would carry it, and the credentials, elsewhere.
                self._session.trust_env = not url.startswith("http://")  # ignore-https-check: see above
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
            return NoAnswer(_describe(error))
        except OSError:
            raise ConfigError(
                "The CA bundle set in the environment (REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE) could not be read, so a "
                "secure connection to Customer.io is not possible. The rows of this request were not sent. Correct the "
                "path, or unset the variable."
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


def _describe(error: requests.RequestException) -> str:
    """Why an attempt failed, without anything from the request."""
    match error:
        case requests.exceptions.SSLError():
            return "the TLS certificate could not be verified"
        case requests.exceptions.ProxyError():
            return "the proxy could not be used"
        case requests.exceptions.ConnectTimeout():
            return "connecting timed out"
        case requests.exceptions.Timeout():
            return "no answer in time"
        case requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError():
            return "the answer was cut off"
        case requests.exceptions.ConnectionError():
            return "the connection was refused or lost"
        case _:
            return type(error).__name__
