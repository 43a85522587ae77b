"""A small HTTP server on loopback that simulates network failures: closed, reset and hanging connections, redirects.

It can also simulate the internet: as a proxy it answers CONNECT for any host itself, with its own certificate.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
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
    from collections.abc import Callable, Sequence
    from pathlib import Path

HOSTS = ["localhost", "track.customer.io", "track-eu.customer.io"]


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `connection` counts from 0, `host` is the one that a proxy was asked for, if any."""

    connection: int
    host: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """The bytes to answer with, and what to do then: `keep` the connection, `close`, `reset`, or `hang`.

    repeated  bytes that are sent again and again before, as long as the client takes them
    """

    raw: bytes
    then: str = "keep"
    repeated: bytes = b""


def http(status: int, body: bytes = b"", then: str = "keep", **headers: str) -> Reply:
    """A well-formed response; header names are written with `_` for `-`."""
    lines = [f"HTTP/1.1 {status} Because", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Reply("\r\n".join(lines).encode() + b"\r\n\r\n" + body, then)


@dataclass
class Server:
    """Responds to each request with the result of `answer`. A context manager; all threads and sockets end with it."""

    answer: Callable[[Request], Reply]
    tls: ssl.SSLContext | None = None
    is_proxy: bool = False
    connect_reply: Reply | None = None  # what a proxy answers instead of letting requests through
    address: str = ""  # host and port, once it listens
    requests: list[Request] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _connections: Connections = field(default_factory=Connections)

    @property
    def connections(self) -> int:
        """How many connections there were."""
        return self._connections.accepted

    @property
    def url(self) -> str:
        """The base URL by plain HTTP."""
        return f"http://{self.address}"

    def __enter__(self) -> Self:
        self.address = self._connections.listen(self._serve)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._connections.close()

    def _serve(self, connection: socket.socket, number: int) -> None:
        # Clients may disconnect at any point; the tests provoke that.
        with contextlib.suppress(OSError, ValueError):
            self._converse(connection, number)
        self.closed.set()

    def _converse(self, connection: socket.socket, number: int) -> None:
        host = ""
        stream = connection if self.tls is None or self.is_proxy else self._secure(connection)
        while (request := _read(stream, number, host)) is not None:
            self.requests.append(request)
            if request.method == "CONNECT" and self.connect_reply is None:
                stream.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                stream, host = self._secure(stream), request.path
                continue
            reply = self.connect_reply or self.answer(request)
            stream.sendall(reply.raw)
            while reply.repeated and not self._stopping.wait(0.005):
                stream.sendall(reply.repeated)
            if reply.then == "hang":
                self._stopping.wait(10)
            if reply.then == "reset":
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if reply.then != "keep":
                break
        stream.close()

    def _secure(self, connection: socket.socket) -> ssl.SSLSocket:
        assert self.tls is not None
        secured = self.tls.wrap_socket(connection, server_side=True)
        self._connections.own(secured)
        return secured


def _read(stream: socket.socket, connection: int, host: str) -> Request | None:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (received := stream.recv(65_536)):
            return None
        head += received
    head, _, body = head.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += stream.recv(65_536)
    return Request(connection, host, method, path, headers, body)


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for loopback and Customer.io's two hosts."""

    path: Path
    context: ssl.SSLContext


def make_certificate(
    folder: Path, hosts: Sequence[str] = (*HOSTS, "127.0.0.1"), days_left: int = 1
) -> Certificate:
    """Create a certificate; clients that use `path` as their CA bundle trust it, unless it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made for a test")])
    names: list[x509.GeneralName] = [
        x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts
    ]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days_left))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path = folder / "key.pem"
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key_path)
    return Certificate(path, context)
