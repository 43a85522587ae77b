"""Servers for the benchmarks: `python -m benchmarks.serve KIND`, until SIGTERM or SIGINT.

yes     responds 200 to every request, after a configurable delay
bucket  as much of S3 as a client needs to upload files; discards them; responds to each after the delay
moto    moto's S3
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import signal
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from benchmarks.servers import BUCKET

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROW_NUMBER = re.compile(rb'"row_number":(\d+)')
_UPLOAD_BEGUN = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_UPLOAD_ENDED = b'<CompleteMultipartUploadResult><ETag>"0"</ETag></CompleteMultipartUploadResult>'


class _Handler(BaseHTTPRequestHandler):
    """HTTP without logging, shared by the servers."""

    # HTTP/1.1 also makes the class respond to `Expect: 100-continue`; boto3 would wait a second for that.
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        """Log nothing."""

    def read(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Respond 200, in one write."""
        all_headers = {"Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items())
        self.wfile.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)


class _Server(ThreadingHTTPServer):
    """Records the response time of each batch until asked for it, and the sizes of files."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handler: type[_Handler], latency_seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.latency_seconds = latency_seconds
        self.answered: list[tuple[float, bytes]] = []
        self.stored_bytes: Counter[str] = Counter()


class _YesHandler(_Handler):
    """Accepts everything, after a delay."""

    server: _Server

    def do_GET(self) -> None:
        """The account's region, or the batches answered since the last such request."""
        if self.path == "/_answered":
            answered, self.server.answered = self.server.answered, []
            rows = [(at, [int(number) for number in _ROW_NUMBER.findall(body)]) for at, body in answered]
            self.answer(json.dumps(rows).encode())
        else:
            self.answer(b'{"region":"us"}')

    def do_PUT(self) -> None:
        """A person, as in v1 of the API."""
        self.read()
        time.sleep(self.server.latency_seconds)
        self.answer(b"{}")

    def do_POST(self) -> None:
        """A batch."""
        body = self.read()
        time.sleep(self.server.latency_seconds)
        self.server.answered.append((time.monotonic(), body))
        self.answer(b"{}")


class _BucketHandler(_Handler):
    """Accepts files, whole or in parts, and keeps their sizes."""

    server: _Server

    def do_PUT(self) -> None:
        """A file, or a part of one."""
        self.server.stored_bytes[urlsplit(self.path).path] += len(self.read())
        time.sleep(self.server.latency_seconds)
        self.answer(b"", {"ETag": '"0"'})

    def do_HEAD(self) -> None:
        """The size of a file."""
        size = self.server.stored_bytes[urlsplit(self.path).path]
        self.answer(b"", {"ETag": '"0"', "Content-Length": str(size)})

    def do_POST(self) -> None:
        """The start or the end of a multipart upload."""
        self.read()
        begins = "uploads" in parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        self.answer(_UPLOAD_BEGUN if begins else _UPLOAD_ENDED)


def _serve(handler: type[_Handler], latency_seconds: float) -> None:
    with _Server(handler, latency_seconds) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _say_and_wait(f"http://127.0.0.1:{server.server_port}")  # ignore-https-check: this machine
        server.shutdown()


def _serve_moto() -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    # Silence its log line per request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"  # ignore-https-check: this machine
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
    _say_and_wait(endpoint)
    server.stop()


def _say_and_wait(url: str) -> None:
    print(f"listening on {url}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def main() -> None:
    """Print the address, then serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.add_argument("kind", choices=["yes", "bucket", "moto"])
    parser.add_argument("--latency-seconds", type=float, default=0.0)
    options = parser.parse_args()
    # Blocked before any thread starts, so that a signal in any of them waits for sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    match options.kind:
        case "yes":
            _serve(_YesHandler, options.latency_seconds)
        case "bucket":
            _serve(_BucketHandler, options.latency_seconds)
        case "moto":
            _serve_moto()


if __name__ == "__main__":
    main()
