"""NO_PROXY: the hosts that are reached without a proxy.

Entries are separated by commas or spaces:
    *                         every host
    example.com               the host and its subdomains; also written .example.com or *.example.com
    10.1.2.3, fd00::1         an address; IPv6 with or without brackets
    10.0.0.0/8, fd00::/8      a network
    example.com:8443          any host or address above, on one port only; IPv6 then needs brackets

Networks apply to URLs that contain an address: names are not resolved, as a machine behind a proxy often can't.
"""

from __future__ import annotations

import contextlib
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_Address = IPv4Address | IPv6Address

_SEPARATORS = re.compile(r"[\s,]+")
# [IPv6] or anything without a colon, and a port.
_WITH_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*):(?P<port>[0-9]{1,5})")


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether a host is reached without a proxy.

    Args:
        host: as in a URL, without brackets
        port: of the URL, or its scheme's own
        no_proxy: the value of the variable
    """
    name = _plain(host)
    return any(_matches(name, port, entry) for entry in _SEPARATORS.split(no_proxy) if entry)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, which a proxy can't reach for us."""
    name = _plain(host)
    address = _address(name)
    return address.is_loopback if address else name == "localhost" or name.endswith(".localhost")


def _matches(name: str, port: int, entry: str) -> bool:
    entry = entry.rpartition("://")[2].removesuffix("/")
    if with_port := _WITH_PORT.fullmatch(entry):
        if int(with_port["port"]) != port:
            return False
        entry = with_port["host"]
    if entry == "*":
        return True
    if address := _address(name):
        return _contains(_plain(entry), address)
    domain = _plain(entry.removeprefix("*").lstrip("."))
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def _contains(network: str, address: _Address) -> bool:
    """Whether an address, or a network such as 10.0.0.0/8, contains the address."""
    try:
        if "/" in network:
            return address in ip_network(network.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False
    return _address(network) == address


def _address(text: str) -> _Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _plain(host: str) -> str:
    """A host in the one spelling that is compared: lower case, no brackets, no final dot, as it is resolved (IDNA)."""
    lower = host.lower()
    if not lower.isascii():
        with contextlib.suppress(UnicodeError):
            lower = lower.encode("idna").decode()
    if lower.startswith("[") and lower.endswith("]"):
        lower = lower[1:-1]
    return lower.removesuffix(".")
