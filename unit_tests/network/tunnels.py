"""A proxy on loopback that requires credentials, refuses, or connects every host to one server, and certificates for both."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from unit_tests.network.connections import Connections

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class TunnelProxy:
    """Answers CONNECT; a context manager, with which all its sockets and threads end.

    target       host:port on loopback that every tunnel leads to; "" where none is opened
    credentials  `user:password` that it requires; "" for none
    status       the status of a refusal
    """

    target: str = ""
    credentials: str = ""
    status: int = 502
    tls: ssl.SSLContext | None = None
    address: str = ""
    asked: list[str] = field(
        default_factory=list
    )  # the hosts and ports of CONNECT, or the URLs of plain requests
    _connections: Connections = field(default_factory=Connections)

    def __enter__(self) -> Self:
        self.address = self._connections.listen(self._serve)
        return self

    def __exit__(self, *_: object) -> None:
        self._connections.close()

    def _serve(self, connection: socket.socket, _: int) -> None:
        with contextlib.suppress(OSError):
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._connections.own(connection)
            head = b""
            while b"\r\n\r\n" not in head:
                if not (received := connection.recv(65_536)):
                    return
                head += received
            lines = head.decode("latin-1").split("\r\n")
            self.asked.append(lines[0].split(" ")[1])
            wanted = "proxy-authorization: basic " + base64.b64encode(self.credentials.encode()).decode()
            if self.credentials and wanted.lower() not in map(str.lower, lines):
                self._refuse(connection, 407)
            elif not self.target:
                self._refuse(connection, self.status)
            else:
                self._tunnel(connection)

    def _refuse(self, connection: socket.socket, status: int) -> None:
        connection.sendall(
            f"HTTP/1.1 {status} Because\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        connection.shutdown(socket.SHUT_RDWR)

    def _tunnel(self, connection: socket.socket) -> None:
        host, _, port = self.target.rpartition(":")
        upstream = socket.create_connection((host, int(port)))
        self._connections.own(upstream)
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        self._connections.run(self._copy, upstream, connection)
        self._copy(connection, upstream)

    def _copy(self, source: socket.socket, destination: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                destination.sendall(data)
        with contextlib.suppress(OSError):
            destination.shutdown(socket.SHUT_WR)


@dataclass(frozen=True)
class Authority:
    """A certificate authority; `path` is a CA bundle that contains only it."""

    path: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def issue(self, folder: Path, host: str, valid_days: int = 1) -> ssl.SSLContext:
        """A server's context with a certificate for this host and 127.0.0.1; negative days: it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(host)] + ([x509.IPAddress(ip_address("127.0.0.1"))] if host != "other" else [])
        certificate = _builder(host, self.certificate.subject, key, valid_days).add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        signed = certificate.add_extension(identifier, critical=False).sign(self.key, hashes.SHA256())
        path = folder / f"{host}{valid_days}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def make_authority(folder: Path, name: str = "authority") -> Authority:
    """Create a certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, subject, key, 1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(path, certificate, key)


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid_days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=valid_days))
    )
