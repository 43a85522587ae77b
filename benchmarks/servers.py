"""Clients for the benchmarks' servers, each a separate process on loopback; see `serve.py`."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.measure import BenchmarkError, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "rejected-rows"

_TIMEOUT_SECONDS = 60
_STOP_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Bodies:
    """Number and sizes of batch request bodies."""

    count: int
    mean_bytes: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class TrackApi:
    """A client of the local Track API's control endpoints."""

    url: str
    latency_seconds: float

    def reset(self) -> None:
        """Reset its counts."""
        _ask(self.url, "POST", "/_control/reset")
        settings = {"mode": "count", "latency_seconds": self.latency_seconds}
        _ask(self.url, "POST", "/_control/settings", json.dumps(settings))

    def bodies(self) -> Bodies:
        """The requests since the last reset."""
        report = _ask(self.url, "GET", "/_control/report")
        sizes = report["body_bytes"]
        return Bodies(report["requests"]["batch"], sizes["mean"], sizes["max"])


@contextlib.contextmanager
def track_api(latency_seconds: float = 0.0) -> Iterator[TrackApi]:
    """The local Track API, set to only read each batch and respond after the given delay."""
    with _process("tools.local_track_api") as url:
        api = TrackApi(url, latency_seconds)
        api.reset()
        yield api


@contextlib.contextmanager
def accept_everything(latency_seconds: float = 0.0) -> Iterator[str]:
    """A server that responds 200 to every request; yields its URL."""
    with _process("benchmarks.serve", "yes", "--latency-seconds", str(latency_seconds)) as url:
        yield url


def answered_rows(url: str) -> list[tuple[float, list[int]]]:
    """The response time of each batch since the last call, by the monotonic clock, and the numbers of its rows."""
    return [(at, rows) for at, rows in _ask(url, "GET", "/_answered")]


@contextlib.contextmanager
def local_s3() -> Iterator[str]:
    """A moto S3 server with an empty bucket `BUCKET`; yields its URL."""
    with _process("benchmarks.serve", "moto") as url:
        yield url


@contextlib.contextmanager
def discarding_bucket(latency_seconds: float = 0.0) -> Iterator[str]:
    """An S3 that discards all files, so that a sync can be of any length; yields its URL."""
    with _process("benchmarks.serve", "bucket", "--latency-seconds", str(latency_seconds)) as url:
        yield url


def bucket_at(url: str) -> dict[str, object]:
    """The `object_storage_config` for a server's bucket."""
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
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        return json.load(connection.getresponse())
