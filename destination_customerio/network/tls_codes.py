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
# What a server answers, or OpenSSL finds, where the two sides have nothing in common: versions, ciphers, a client certificate.
NOT_AGREED = frozenset(
    {
        "DH_KEY_TOO_SMALL",
        "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_ACCESS_DENIED",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_SIGNATURE_TYPE",
        "WRONG_SSL_VERSION",
    }
)
