"""The route to a URL, read from the environment in the same way for the Track API and for the bucket.

Both libraries read the environment on their own, and differently: in which variables they know, in whether NO_PROXY may
contain networks, in what a wrong value does. So they get the result of this reading, and their own is turned off.

No value of a variable gets into a message, as a proxy's URL may contain a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from destination_customerio.errors import ConfigError
from destination_customerio.network.ca_bundle import CaBundle, checked_bundle
from destination_customerio.network.no_proxy import is_exempt, is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

Client = Literal["track_api", "bucket"]

# In order: the first variable that is set counts. boto3 can't use a folder of certificates, so the bucket has no SSL_CERT_DIR.
CA_VARIABLES: Mapping[Client, tuple[str, ...]] = {
    "track_api": ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    "bucket": ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"),
}
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Names as the resolver takes them: labels of at most 63 characters; else an IPv6 address.
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the variable that names it.

    url  with a scheme; it may contain a password, so it is not in the repr
    """

    variable: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """How a URL is reached.

    proxy      None: directly
    ca_bundle  the authorities that may sign its certificate; None: the public ones
    """

    proxy: Proxy | None = None
    ca_bundle: CaBundle | None = None

    @property
    def verify(self) -> str | Literal[True]:
        """As the `verify` of requests and boto3."""
        return self.ca_bundle.path if self.ca_bundle else True


def route_to(url: str, client: Client, environ: Mapping[str, str]) -> Route:
    """The route to a URL.

    Raises:
        ConfigError: a variable that applies to this URL has a value that can't be used.
    """
    return Route(proxy_for(url, environ), ca_bundle_for(url, client, environ))


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for a URL: HTTPS_PROXY or HTTP_PROXY by its scheme, then ALL_PROXY, unless NO_PROXY exempts the host.

    The names in lower case take precedence, and one that is set but empty turns the same name in upper case off. Loopback
    is always reached directly.

    Raises:
        ConfigError: the proxy's URL is invalid, or of a kind that is not supported.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        return None  # the client will say what is wrong with the URL
    if is_loopback(host):
        return None
    _, no_proxy = _variable("no_proxy", environ)
    if is_exempt(host, port or _DEFAULT_PORTS.get(scheme, 0), no_proxy):
        return None
    for name in (f"{scheme}_proxy", "all_proxy"):
        variable, value = _variable(name, environ)
        if value:
            return Proxy(variable, _checked_proxy_url(variable, value))
    return None


def ca_bundle_for(url: str, client: Client, environ: Mapping[str, str]) -> CaBundle | None:
    """The certificate authorities for a URL, from the first variable that is set; None where none is, or without TLS.

    Raises:
        ConfigError: the file can't be read, or contains no certificate.
    """
    if not url.lower().startswith("https://"):
        return None
    for variable in CA_VARIABLES[client]:
        if path := environ.get(variable, "").strip():
            return checked_bundle(CaBundle(variable, path), folder_allowed=client == "track_api")
    return None


def _variable(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The spelling of a variable that counts, and its value; empty if it isn't set."""
    spelling = name if name in environ else name.upper()
    return spelling, environ.get(spelling, "").strip()


def _checked_proxy_url(variable: str, value: str) -> str:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")  # ignore-https-check: the default
        port = parts.port
    except ValueError:
        raise _invalid(variable) from None
    if parts.scheme.startswith("socks"):
        raise ConfigError(
            f"The environment variable {variable} names a SOCKS proxy, which the connector does not support. Nothing was sent. "
            "Set it to an HTTP proxy (http://host:port), or exempt the host with NO_PROXY."  # ignore-https-check: a pattern
        )
    if parts.scheme not in _DEFAULT_PORTS or port == 0 or not _HOST.fullmatch(parts.hostname or ""):
        raise _invalid(variable)
    userinfo, _, address = parts.netloc.rpartition("@")
    # A path is the rest of a password with a slash in it, or the URL of a file with proxy settings (PAC).
    if parts.path not in ("", "/") or parts.query or parts.fragment or not _is_sendable(userinfo):
        raise _invalid(variable)
    if userinfo and ":" not in userinfo:  # requests would not send the user name alone
        userinfo += ":"
    return f"{parts.scheme}://{userinfo}{'@' if userinfo else ''}{address}".removesuffix(":")


def _is_sendable(userinfo: str) -> bool:
    """Whether a user name and password can be sent.

    boto3 can't send other characters than ASCII, and a backslash, as before a Windows user, ends the host for urllib3.
    """
    decoded = unquote(userinfo)
    return not {"@", "\\"} & set(userinfo) and decoded.isascii() and (not decoded or decoded.isprintable())


def _invalid(variable: str) -> ConfigError:
    return ConfigError(
        f"The environment variable {variable} is not a valid proxy URL. Nothing was sent. Write it as http://host:port or "  # ignore-https-check: a pattern
        "http://user:password@host:port, with special characters in the user name and password percent-encoded (@ as %40)."  # ignore-https-check: a pattern
    )
