"""One HTTP attempt against the Track API.

Credentials are sent only to Customer.io's two hosts, or to the override in the configuration: redirects are followed
explicitly, and only to those two hosts.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import time
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import HTTPBasicAuth

from destination_customerio import __version__
from destination_customerio.causes import chain_of
from destination_customerio.config.model import EU_TRACK_URL, US_TRACK_URL
from destination_customerio.errors import ConfigError
from destination_customerio.mapping.endpoints import BATCH
from destination_customerio.network.failures import explain_failure
from destination_customerio.network.route import Route, proxy_for, route_to
from destination_customerio.track_api.answer_memory import (
    FREE_ANSWER_BYTES,
    MAX_ANSWER_BYTES,
    AnswerMemory,
    is_parsable,
)
from destination_customerio.track_api.answer_words import SUCCESS_CODES
from destination_customerio.track_api.attempt_timer import AttemptTimer
from destination_customerio.track_api.timed_http import TimedAdapter
from destination_customerio.track_api.verdict import REDIRECTS, Answer, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from destination_customerio.config.model import Credentials

USER_AGENT = f"airbyte-destination-customerio/{__version__}"
CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 30.0
SEND_TIMEOUT_SECONDS = 300.0

_REGION_PATH = "/api/v1/accounts/region"
_MAX_REDIRECTS = 3
_HOSTS = frozenset(urlsplit(url).hostname for url in (US_TRACK_URL, EU_TRACK_URL))
_READ_BYTES = 64 * 1024
_NOT_HTTP = "an answer that is not valid HTTP"
# What http.client raises for answers that it could parse so far.
_CUT_OFF = (IncompleteRead, RemoteDisconnected)


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
    read_timeout_seconds  how long a piece of the request may take to leave, and then the whole answer to come
    send_timeout_seconds  how long the whole request may take to leave
    memory                shared with the clients of other lanes
    environ               names the proxy and the CA bundle

    Raises:
        ConfigError: a variable of the environment can't be used.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        read_timeout_seconds: float,
        send_timeout_seconds: float = SEND_TIMEOUT_SECONDS,
        memory: AnswerMemory | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._base_url = base_url
        self._timer = AttemptTimer(read_timeout_seconds, send_timeout_seconds, time.monotonic)
        self._memory = memory or AnswerMemory()
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
        # A balancer's cookie would tie all requests to one server, and distinguish requests that have to be alike.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = TimedAdapter(self._timer)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)  # ignore-https-check: for servers on this machine

    def post_batch(self, body: bytes, path: str = BATCH.path) -> Answer | NoAnswer:
        """Send the body of one batch to its endpoint, once."""
        return self._attempt("POST", path, body)

    def get_region(self) -> Answer | NoAnswer:
        """Ask once which region the account belongs to; the answer to wrong credentials is 401."""
        return self._attempt("GET", _REGION_PATH, None)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _attempt(self, method: str, path: str, body: bytes | None) -> Answer | NoAnswer:
        self._timer.begin()
        try:
            return self._exchange(method, self._base_url + path, body)
        except requests.RequestException as error:
            kind = _describe(error, self._route, self._timer.failure)
            return NoAnswer(kind, bool(self._timer.failure), self._timer.sending_seconds)
        except OSError:  # requests looks for the file before every connection
            bundle = self._route.ca_bundle
            raise ConfigError(
                f"The CA bundle in {bundle.variable if bundle else 'the package certifi'} is gone, so a secure connection to "
                "Customer.io is not possible. The rows of this request were not sent. Restore the file, or correct the variable."
            ) from None

    def _exchange(self, method: str, url: str, body: bytes | None) -> Answer | NoAnswer:
        """Send a request, and send it again to where redirects lead, as long as that is a host of Customer.io."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        for redirects_left in reversed(range(_MAX_REDIRECTS + 1)):
            with self._session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                answer = self._read(response)
                location = response.headers.get("Location", "")
            if isinstance(answer, NoAnswer) or answer.status not in REDIRECTS:
                break
            target = _redirect_target(url, location)
            if target is None or not redirects_left:
                break
            answer.release()
            url = target
        return answer

    def _read(self, response: requests.Response) -> Answer | NoAnswer:
        """Read the answer, decompressed, unless it is far larger than any answer of the Track API."""
        content = bytearray()
        is_large = False
        with contextlib.ExitStack() as reservation:
            for chunk in response.iter_content(_READ_BYTES):
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    return NoAnswer("the answer was too long")
                if len(content) > FREE_ANSWER_BYTES and not is_large:
                    is_large = True
                    self._reserve(reservation)
            if is_large and not is_parsable(content):
                return NoAnswer("the answer was too long")
            if response.status_code in SUCCESS_CODES:
                if not self._timer.is_received:
                    return NoAnswer("an answer before the whole request had been sent")
                if not content and _may_have_content(response):
                    return NoAnswer("the answer was cut off")
            if content.startswith(codecs.BOM_UTF8):
                del content[: len(codecs.BOM_UTF8)]
            return Answer(
                response.status_code,
                bytes(content),
                response.headers.get("Retry-After"),
                response.headers.get("Date"),
                self._timer.sending_seconds,
                reservation.pop_all().close,
            )

    def _reserve(self, reservation: contextlib.ExitStack) -> None:
        """Wait for the memory of a large answer, at no cost to the answer's own time."""
        began_at = time.monotonic()
        self._memory.reserve()
        reservation.callback(self._memory.release)
        self._timer.waited(time.monotonic() - began_at)


def _may_have_content(response: requests.Response) -> bool:
    """Whether a body that decompresses to nothing may be the beginning of something: no decoder notices the missing end."""
    return "Content-Encoding" in response.headers and response.headers.get("Content-Length") != "0"


def _redirect_target(url: str, location: str) -> str | None:
    """Where a redirect leads; None if that is no host of Customer.io's, or if it does not say where."""
    if not location:  # it would be taken for the address that was just asked
        return None
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        known = parts.scheme == "https" and parts.hostname in _HOSTS and parts.port in (None, 443)
    except ValueError:
        known = False
    return target if known and "@" not in parts.netloc else None


def _describe(error: requests.RequestException, route: Route, too_slow: str) -> str:
    """Why an attempt failed, without anything from the request; `too_slow` is what took too long, if anything did.

    Raises:
        ConfigError: a person must change something first, so that another attempt would fail the same way.
    """
    if failure := explain_failure(error, route, "the Track API"):
        if issubclass(failure.kind, ConfigError):
            raise ConfigError(
                f"The Track API could not be reached: {failure.cause}. The rows of this request were not sent. {failure.remedy}"
            ) from None
        return failure.cause
    if too_slow:
        return too_slow
    if any(isinstance(link, HTTPException) and not isinstance(link, _CUT_OFF) for link in chain_of(error)):
        return _NOT_HTTP
    match error:
        case requests.exceptions.Timeout():
            return "no answer in time"
        case requests.exceptions.InvalidHeader():
            return _NOT_HTTP
        case requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError():
            return "the answer was cut off"
        case requests.exceptions.ConnectionError():
            return "the connection was lost"
        case _:
            return type(error).__name__
