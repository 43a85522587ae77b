"""NO_PROXY exempts names with their subdomains, addresses, networks and ports, however they are written."""

from __future__ import annotations

import pytest

from destination_customerio.network.no_proxy import is_exempt

EXEMPT = [
    ("example.com", "example.com"),
    ("EXAMPLE.com.", "example.com"),
    ("example.com", "Example.COM."),
    ("a.b.example.com", "example.com"),
    ("a.example.com", ".example.com"),
    ("example.com", ".example.com"),
    ("a.example.com", "*.example.com"),
    ("anything", "*"),
    ("anything", "other, *"),
    ("b.example.com", "a.com,b.example.com"),
    ("b.example.com", "a.com b.example.com"),
    ("b.example.com", " a.com ,, b.example.com ,"),
    ("example.com", "https://example.com/"),
    ("example.com", "example.com:443"),
    ("example.com", "https://example.com:443"),
    ("10.1.2.3", "10.1.2.3"),
    ("10.1.2.3", "10.1.2.3:443"),
    ("10.1.2.3", "10.0.0.0/8"),
    ("10.1.2.3", "10.9.9.9/8"),
    ("10.1.2.3", "192.168.0.0/16,10.0.0.0/8"),
    ("::ffff:10.1.2.3", "10.0.0.0/8"),
    ("fd00::1", "fd00::1"),
    ("fd00::1", "[fd00::1]"),
    ("fd00::1", "[fd00::1]:443"),
    ("FD00:0:0::1", "fd00::1"),
    ("fd00::1", "fd00::/8"),
    ("fd00::1", "[fd00::]/8"),
    ("10.1.2.3", "0.0.0.0/0"),
    ("xn--mller-kva.example", "müller.example"),
    ("store.xn--mller-kva.example", ".MÜLLER.example"),
]
PROXIED = [
    ("example.com", ""),
    ("example.com", ", ,"),
    ("badexample.com", "example.com"),
    ("example.com.evil.test", "example.com"),
    ("example.com", "a.example.com"),
    ("example.com", "example.com:8443"),
    ("example.com", "."),
    ("example.com", "*.*"),
    ("example.com", "10.0.0.0/8"),
    ("11.1.2.3", "10.0.0.0/8"),
    ("10.1.2.3", "10.0.0.0/99"),
    ("10.1.2.3", "10.1.2"),
    ("10.1.2.3", "2.3"),
    ("10.1.2.3", "10.1.2.3:80"),
    ("fd00::1", "10.0.0.0/8"),
    ("fd00::1", "[fd00::1]:80"),
    ("fd00::1", "fe80::/10"),
    ("example.com", "[broken"),
    ("example.com", "example.com:" + "4" * 5_000),
    ("example.com", "é" * 100 + ".example.com"),
]


@pytest.mark.parametrize(("host", "no_proxy"), EXEMPT)
def test_a_host_is_reached_directly(host: str, no_proxy: str) -> None:
    """An entry fits it."""
    assert is_exempt(host, 443, no_proxy)


@pytest.mark.parametrize(("host", "no_proxy"), PROXIED)
def test_a_host_is_reached_through_the_proxy(host: str, no_proxy: str) -> None:
    """No entry fits it; one that can't be understood fits nothing."""
    assert not is_exempt(host, 443, no_proxy)
