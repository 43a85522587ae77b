"""The demo's servers: a local Track API and a local S3, each on a free loopback port."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import requests
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client

BUCKET = "demo-rejected-rows"

_CONTROL_TIMEOUT_SECONDS = 30
_STOP_TIMEOUT_SECONDS = 10


class DemoError(Exception):
    """The demo failed; the message says why."""


@dataclass(frozen=True, slots=True)
class TrackApi:
    """A client of the local Track API's control endpoints."""

    url: str

    def report(self) -> dict[str, Any]:
        """Its counts."""
        report: dict[str, Any] = self._get("report")
        return report

    def everything(self, kind: str) -> list[dict[str, Any]]:
        """All `people` or all `events`."""
        found: list[dict[str, Any]] = self._get(kind)
        return found

    def _get(self, path: str) -> Any:
        answer = requests.get(f"{self.url}/_control/{path}", timeout=_CONTROL_TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()


@contextlib.contextmanager
def local_track_api() -> Iterator[TrackApi]:
    """A Track API in a separate process, for the duration of the context.

    Raises:
        DemoError: it did not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.local_track_api"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        _, said, url = process.stdout.readline().strip().partition("listening on ")
        if not said:
            raise DemoError("The local Track API did not start.")
        yield TrackApi(url)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def local_s3() -> Iterator[tuple[S3Client, str]]:
    """An S3 with the empty bucket `BUCKET`, in a thread of this process; yields a client and the endpoint."""
    # Silence its log line per request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"  # ignore-https-check: loopback
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="demo",
        aws_secret_access_key="demo",
    )
    try:
        client.create_bucket(Bucket=BUCKET)
        yield client, endpoint
    finally:
        client.close()
        server.stop()


def forget_the_machine() -> None:
    """Drop the environment's proxies and AWS settings, so that all traffic stays on loopback."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    )
