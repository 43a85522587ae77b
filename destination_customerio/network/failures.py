"""What a failed connection means: at which step it failed, and whose turn it is to act.

The steps are: resolve the proxy's name, connect to it, its TLS, CONNECT; then resolve the host's name, connect, TLS. The
libraries wrap the same failure in different exceptions, so the step is read from the whole chain, and from where in the
code the exception was raised.

What only a person can correct is a ConfigError; what may be over in a minute is a TransientError.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple

from destination_customerio.causes import chain_of, is_raised_in
from destination_customerio.errors import ConfigError, SyncError, TransientError
from destination_customerio.machine_limits import exceeded_limit
from destination_customerio.network.tls_codes import NOT_AGREED, NOT_TLS, OTHER_HOST, OUTDATED, UNTRUSTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from destination_customerio.network.route import Route

PROXY_AUTHENTICATION_REQUIRED = 407
TLS_OF_THE_CONNECTOR = (
    "The connector uses TLS 1.2 or 1.3 without a client certificate. Check the host name, and that the server, and any proxy or "
    "load balancer before it, accepts such connections."
)

_TUNNEL_STATUS = re.compile(r"Tunnel connection failed: (\d{3})")
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
# Not even a refusal: the proxy asks to come back.
_PROXY_BUSY = frozenset({408, 429})
_SERVER_ERROR = 500


class Failure(NamedTuple):
    """What a failed connection means.

    kind    the type of error to end with
    cause   half a sentence
    remedy  whole sentences: what to do
    """

    kind: type[SyncError]
    cause: str
    remedy: str


def explain_failure(error: BaseException, route: Route, peer: str) -> Failure | None:
    """Why no connection came about; None for what fails later, such as an answer that is cut off.

    Args:
        error: raised by requests, boto3 or urllib3; its text is not quoted
        route: the route of the request
        peer: what the connection was for, such as `the Track API`
    """
    if limit := exceeded_limit(error):
        return Failure(TransientError, limit.clause, limit.remedy)
    links = list(chain_of(error))
    if route.proxy is not None and _failed_at_the_proxy(links):
        return _of_proxy(links, f"the proxy in {route.proxy.variable}", route.proxy.variable, peer)
    through = f", through the proxy in {route.proxy.variable}" if route.proxy else ""
    return _of_tls(links, route, peer) or _of_connecting(links, peer + through)


def _of_proxy(links: Sequence[BaseException], proxy: str, variable: str, peer: str) -> Failure:
    for link in links:
        if found := _TUNNEL_STATUS.search(str(link)):
            return _of_tunnel_status(int(found[1]), proxy, variable, peer)
    reasons = _tls_reasons(links)
    if reasons:
        if reasons & NOT_TLS:
            return Failure(
                ConfigError,
                f"{proxy} does not use TLS on this port",
                f"Write http:// instead of https:// in {variable}: the connection through the proxy is encrypted all the same.",  # ignore-https-check: what to write
            )
        if not _is_about_a_certificate(links):
            return _of_handshake(reasons, proxy)
        return Failure(
            ConfigError,
            f"the TLS certificate of {proxy} could not be verified",
            f"If {variable} should begin with http://, correct it; otherwise set REQUESTS_CA_BUNDLE to a PEM file that contains "  # ignore-https-check: what to write
            "the CA of the proxy.",
        )
    return _of_connecting(links, proxy) or Failure(
        TransientError,
        f"{proxy} closed the connection or did not answer as an HTTP proxy",
        f"Check the host and port in {variable}, and that the proxy is up.",
    )


def _of_tunnel_status(status: int, proxy: str, variable: str, peer: str) -> Failure:
    if status == PROXY_AUTHENTICATION_REQUIRED:
        return _authentication(proxy, variable)
    if status >= _SERVER_ERROR or status in _PROXY_BUSY:
        return Failure(
            TransientError,
            f"{proxy} could not connect to {peer} (status {status})",
            "Try again; if it persists, check that the proxy can reach this host.",
        )
    return Failure(
        ConfigError,
        f"{proxy} refused to connect to {peer} (status {status})",
        "Allow this host on the proxy, or exempt it with NO_PROXY if it can be reached directly.",
    )


def _authentication(proxy: str, variable: str) -> Failure:
    return Failure(
        ConfigError,
        f"{proxy} requires other credentials, or any (status {PROXY_AUTHENTICATION_REQUIRED})",
        f"Put the proxy's user name and password into {variable} as http://user:password@host:port.",  # ignore-https-check: a pattern
    )


def _of_tls(links: Sequence[BaseException], route: Route, peer: str) -> Failure | None:
    for link in links:
        if isinstance(link, ssl.SSLCertVerificationError):
            return _of_certificate(link.verify_code, link.verify_message, route, peer)
        # urllib3's own comparison of host names, which boto3 uses
        if type(link).__name__ == "CertificateError":
            return _of_certificate(62, "", route, peer)
    reasons = _tls_reasons(links)
    if not reasons:
        return None
    if reasons & NOT_TLS and route.proxy:
        return Failure(
            ConfigError,
            f"the proxy in {route.proxy.variable} opened a connection to {peer} on which nobody speaks TLS",
            "The proxy may block this host by answering in its place: allow the host there, or exempt it with NO_PROXY if it can be "
            "reached directly. Otherwise check the port of the URL.",
        )
    if reasons & NOT_TLS:
        return Failure(
            ConfigError,
            f"{peer} does not use TLS on this port",
            "Check the scheme and the port of the URL: a server without TLS needs http:// instead of https://.",  # ignore-https-check: what to write
        )
    return _of_handshake(reasons, peer)


def _of_handshake(reasons: set[str], peer: str) -> Failure:
    if reasons & NOT_AGREED:
        return Failure(
            ConfigError, f"{peer} and the connector could not agree on a TLS connection", TLS_OF_THE_CONNECTOR
        )
    return Failure(
        TransientError,
        f"the TLS handshake with {peer} failed",
        "Check that no firewall or proxy interrupts it; then try again.",
    )


def _tls_reasons(links: Sequence[BaseException]) -> set[str]:
    """OpenSSL's names of what went wrong; "None" where the connection ended without one."""
    return {str(link.reason) for link in links if isinstance(link, ssl.SSLError)}


def _is_about_a_certificate(links: Sequence[BaseException]) -> bool:
    return any(
        isinstance(link, ssl.SSLCertVerificationError) or type(link).__name__ == "CertificateError"
        for link in links
    )


def _of_certificate(code: int, words: str, route: Route, peer: str) -> Failure:
    variable = route.ca_bundle.variable if route.ca_bundle else ""
    certificate = f"the TLS certificate of {peer}"
    if code in OUTDATED:
        return Failure(
            TransientError,
            f"{certificate} has expired or is not valid yet",
            "Check the clock of the machine that runs the connector; then have the certificate renewed.",
        )
    if code in OTHER_HOST:
        return Failure(
            ConfigError,
            f"{certificate} is for another host name",
            "Check the URL and what it resolves to, and any proxy in between.",
        )
    if code in UNTRUSTED and variable:
        return Failure(
            ConfigError,
            f"{certificate} is signed by none of the authorities in {variable}",
            f"Add the CA that signed it to {variable}: that of the proxy that inspects TLS, the server's own, or the public ones.",
        )
    if code in UNTRUSTED:
        return Failure(
            ConfigError,
            f"{certificate} is signed by an unknown authority",
            "Behind a proxy that inspects TLS, or with a private CA, set REQUESTS_CA_BUNDLE to a PEM file that contains this CA "
            "and the public ones.",
        )
    return Failure(
        ConfigError,
        f"{certificate} could not be verified ({words})",
        f"Replace the certificate, or the CA in {variable or 'REQUESTS_CA_BUNDLE'}, with one that follows this rule.",
    )


def _of_connecting(links: Sequence[BaseException], peer: str) -> Failure | None:
    if any(isinstance(link, socket.gaierror) for link in links):
        return Failure(
            TransientError,
            f"the host name of {peer} could not be resolved",
            "Check its spelling and the DNS of the machine that runs the connector; then try again.",
        )
    numbers = {link.errno for link in links if isinstance(link, OSError)}
    if errno.ECONNREFUSED in numbers:
        return Failure(
            TransientError,
            f"{peer} refused the connection",
            "Check the host and port, and that it is up; then try again.",
        )
    if numbers & _UNREACHABLE:
        return Failure(
            TransientError,
            f"there is no route to {peer}",
            "Check the network, and whether it needs a proxy (HTTPS_PROXY).",
        )
    if any(_is_timeout(link) and is_raised_in(link, "create_connection", "_tunnel") for link in links):
        return Failure(
            TransientError,
            f"connecting to {peer} timed out",
            "Check the firewall, and whether the network needs a proxy (HTTPS_PROXY); then try again.",
        )
    return None


def _failed_at_the_proxy(links: Sequence[BaseException]) -> bool:
    """urllib3 says so, except where the proxy doesn't answer CONNECT, which is sent by `_tunnel`."""
    return any(type(link).__name__ == "ProxyError" or is_raised_in(link, "_tunnel") for link in links)


def _is_timeout(link: BaseException) -> bool:
    return isinstance(link, TimeoutError) or getattr(link, "errno", None) == errno.ETIMEDOUT
