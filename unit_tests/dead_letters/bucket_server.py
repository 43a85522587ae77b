"""A minimal bucket on loopback for the uploader: it accepts objects, and can be made to refuse, lose or change them."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from destination_customerio.config.storage import S3Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

ACCESS_KEY_ID = "AKIAUNITTESTKEY00001"
SECRET_ACCESS_KEY = "unit-test-secret/that+must/never+show"
BUCKET = "rejected-rows"

_ENVIRONMENT = {
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


def isolate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep boto3 independent of the machine that runs the tests, and let it try only once."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def storage(endpoint: str, **values: Any) -> S3Storage:
    """A configuration for a bucket at this endpoint."""
    return S3Storage.model_validate(
        {
            "storage_type": "S3",
            "s3_bucket_name": BUCKET,
            "s3_bucket_region": "us-east-1",
            "bucket_path": "rejected",
            "access_key_id": ACCESS_KEY_ID,
            "secret_access_key": SECRET_ACCESS_KEY,
            "s3_endpoint": endpoint,
            **values,
        }
    )


@dataclass(frozen=True)
class Refusal:
    """An error response of S3, with the key that S3 sometimes quotes in it."""

    status: int
    code: str

    @property
    def body(self) -> bytes:
        """The XML of the response."""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{self.code}</Code>'
            f"<Message>said for {ACCESS_KEY_ID}</Message><AWSAccessKeyId>{ACCESS_KEY_ID}</AWSAccessKeyId></Error>"
        ).encode()


@dataclass
class Answer:
    """The answer to an accepted request."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Bucket:
    """The objects that arrived, in order.

    refuse   may refuse an upload, or delay it
    keep     what is stored of an object's content
    answer   may change the answer to a request with this method
    headers  of the last upload
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    content_types: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    refuse: Callable[[], Refusal | None] = lambda: None
    keep: Callable[[bytes], bytes] = lambda content: content
    answer: Callable[[str, Answer], Answer] = lambda _, answer: answer
    url: str = ""


def serve() -> Iterator[Bucket]:
    """A bucket, for a fixture."""
    bucket = Bucket()

    class Handler(BaseHTTPRequestHandler):
        # With this version the class answers `Expect: 100-continue`, for which boto3 would wait a second.
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if refusal := bucket.refuse():
                self._reply(Answer(refusal.status, {}, refusal.body))
                return
            key = self._key()
            if key in bucket.objects or "Content-Encoding" in self.headers:
                self._reply(Answer(400, {}, Refusal(400, "OverwrittenOrEncoded").body))
                return
            bucket.objects[key] = bucket.keep(content)
            bucket.content_types[key] = self.headers["Content-Type"]
            bucket.headers = {name.lower(): value for name, value in self.headers.items()}
            self._reply(bucket.answer("PUT", Answer(200, {"ETag": _etag_of(content)})))

        def do_HEAD(self) -> None:
            content = bucket.objects.get(self._key())
            if content is None:
                self._reply(bucket.answer("HEAD", Answer(404, {})))
                return
            headers = {"ETag": _etag_of(content), "Content-Length": str(len(content))}
            self._reply(bucket.answer("HEAD", Answer(200, headers)))

        def do_GET(self) -> None:
            content = bucket.objects[self._key()]
            self._reply(bucket.answer("GET", Answer(200, {"ETag": _etag_of(content)}, content)))

        def _key(self) -> str:
            return unquote(self.path).removeprefix(f"/{BUCKET}/")

        def _reply(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            if (
                answer.status >= HTTPStatus.BAD_REQUEST
            ):  # boto3 does not close such a connection with its client
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        bucket.url = f"http://127.0.0.1:{server.server_port}"
        yield bucket
        server.shutdown()
        thread.join()


def _etag_of(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
