"""The other ends, each a process of its own on loopback: the local Track API, one that says yes to anything, and moto's S3."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import logging
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from benchmarks.measure import BenchmarkError, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "rejected-rows"

_TIMEOUT_SECONDS = 60
_STOP_TIMEOUT_SECONDS = 10
_ROW_NUMBER = re.compile(rb'"row_number":(\d+)')


@dataclass(frozen=True, slots=True)
class Bodies:
    """The bodies of some batch requests: how many, and their sizes."""

    count: int
    mean_bytes: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class TrackApi:
    """The local Track API, as far as a benchmark asks it for something."""

    url: str
    latency_seconds: float

    def forget(self) -> None:
        """Count from zero."""
        _ask(self.url, "POST", "/_control/reset")
        settings = {"mode": "count", "latency_seconds": self.latency_seconds}
        _ask(self.url, "POST", "/_control/settings", json.dumps(settings))

    def bodies(self) -> Bodies:
        """What it was sent since it last forgot."""
        report = _ask(self.url, "GET", "/_control/report")
        sizes = report["body_bytes"]
        return Bodies(report["requests"]["batch"], sizes["mean"], sizes["max"])


@contextlib.contextmanager
def track_api(latency_seconds: float = 0.0) -> Iterator[TrackApi]:
    """The local Track API, told only to read each batch and to answer, after so long."""
    with _process("integration_tests.track_api") as url:
        api = TrackApi(url, latency_seconds)
        api.forget()
        yield api


@contextlib.contextmanager
def yes_to_anything(latency_seconds: float = 0.0) -> Iterator[str]:
    """A server that answers 200 to every request, whoever asks for whatever; its URL."""
    with _process("benchmarks.servers", "yes", "--latency-seconds", str(latency_seconds)) as url:
        yield url


def answered_rows(url: str) -> list[tuple[float, list[int]]]:
    """When each batch was answered, by the monotonic clock, and the numbers of its rows; then it forgets them."""
    return [(at, rows) for at, rows in _ask(url, "GET", "/_answered")]


@contextlib.contextmanager
def local_s3() -> Iterator[str]:
    """The S3 of moto, with an empty bucket `BUCKET`; its URL."""
    with _process("benchmarks.servers", "moto") as url:
        yield url


def bucket_at(url: str) -> dict[str, object]:
    """The `object_storage_config` for the bucket of a server."""
    return {
        "storage_type": "S3",
        "s3_bucket_name": BUCKET,
        "s3_bucket_region": "us-east-1",
        "bucket_path": "rejected",
        "access_key_id": "benchmark",
        "secret_access_key": "benchmark",
        "s3_endpoint": url,
    }


@contextlib.contextmanager
def _process(module: str, *arguments: str) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            assert process.stdout is not None
            _, said, url = process.stdout.readline().strip().partition("listening on ")
            if not said:
                raise BenchmarkError(f"{module} did not start.")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _ask(url: str, method: str, path: str, body: str | None = None) -> Any:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=_TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        return json.load(connection.getresponse())


class _YesServer(ThreadingHTTPServer):
    """Remembers when batches were answered."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, latency_seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _YesHandler)
        self.latency_seconds = latency_seconds
        self.answered: list[tuple[float, bytes]] = []


class _YesHandler(BaseHTTPRequestHandler):
    """Says yes, late."""

    server: _YesServer
    # With this version the class also answers `Expect: 100-continue`, for which boto3 would wait a second.
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """The account's region, or what was answered so far."""
        if self.path == "/_answered":
            answered, self.server.answered = self.server.answered, []
            rows = [(at, [int(number) for number in _ROW_NUMBER.findall(body)]) for at, body in answered]
            self._answer(json.dumps(rows).encode())
        else:
            self._answer(b'{"region":"us"}')

    def do_PUT(self) -> None:
        """A person of version 1 of the API, or a file in a bucket, whose answers have no body that counts."""
        self._read()
        time.sleep(self.server.latency_seconds)
        self._answer(b"")

    def do_POST(self) -> None:
        """A batch."""
        body = self._read()
        time.sleep(self.server.latency_seconds)
        self.server.answered.append((time.monotonic(), body))
        self._answer(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        """Say nothing."""

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _answer(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)


def _serve_yes(latency_seconds: float) -> None:
    with _YesServer(latency_seconds) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _say_and_wait(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def _serve_moto() -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    # It would log each request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
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
    """Serve until SIGTERM or SIGINT; print one line with the address first."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description=__doc__)
    parser.add_argument("kind", choices=["yes", "moto"])
    parser.add_argument("--latency-seconds", type=float, default=0.0)
    options = parser.parse_args()
    # Blocked before any thread starts, so that a signal in any of them waits for sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    if options.kind == "yes":
        _serve_yes(options.latency_seconds)
    else:
        _serve_moto()


if __name__ == "__main__":
    main()
