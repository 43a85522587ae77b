"""The servers of the benchmarks, seen from outside: each is a process of its own on loopback, see `serve.py`."""

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
    with _process("tools.local_track_api") as url:
        api = TrackApi(url, latency_seconds)
        api.forget()
        yield api


@contextlib.contextmanager
def yes_to_anything(latency_seconds: float = 0.0) -> Iterator[str]:
    """A server that answers 200 to every request, whoever asks for whatever; its URL."""
    with _process("benchmarks.serve", "yes", "--latency-seconds", str(latency_seconds)) as url:
        yield url


def answered_rows(url: str) -> list[tuple[float, list[int]]]:
    """When each batch was answered, by the monotonic clock, and the numbers of its rows; then it forgets them."""
    return [(at, rows) for at, rows in _ask(url, "GET", "/_answered")]


@contextlib.contextmanager
def local_s3() -> Iterator[str]:
    """The S3 of moto, with an empty bucket `BUCKET`; its URL."""
    with _process("benchmarks.serve", "moto") as url:
        yield url


@contextlib.contextmanager
def forgetful_bucket() -> Iterator[str]:
    """An S3 that takes all files and keeps none, so that its own size sets no bound to a sync; its URL."""
    with _process("benchmarks.serve", "bucket") as url:
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
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        return json.load(connection.getresponse())
