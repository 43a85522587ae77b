"""OpenSSL's codes for what makes a TLS connection fail."""

from __future__ import annotations

# Certificates (X509_V_ERR_*): no chain to a trusted authority; not yet valid, expired; wrong host name or address.
UNTRUSTED = frozenset({2, 18, 19, 20, 21, 27})
OUTDATED = frozenset({9, 10})
OTHER_HOST = frozenset({62, 64})
# What OpenSSL makes of an answer in plain HTTP; it depends on the version.
NOT_TLS = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "HTTP_REQUEST",
        "UNKNOWN_PROTOCOL",
        "PACKET_LENGTH_TOO_LONG",
    }
)
