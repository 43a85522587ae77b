"""Files of rejected rows on their way into the bucket: spooled by the coordinator, uploaded by one thread.

A file is owned by the coordinator until it is handed to the uploader, and by the uploader from then on; what the
coordinator still reads of it no longer changes.
"""

from __future__ import annotations

import contextlib
import gzip
import queue
import shutil
import threading
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from destination_customerio.config.storage import GzipCompression, JsonlFormat
from destination_customerio.dead_letters.s3_client import make_client, upload
from destination_customerio.dead_letters.s3_errors import explain, explained
from destination_customerio.temporary_files import open_temporary

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.storage import S3Storage
    from destination_customerio.errors import SyncError
    from destination_customerio.ledger import Epoch

CLOSE_SECONDS = 1.0
_OPENING = "The bucket for rejected rows can't be used"
_NOTHING_SENT = "The sync did not start, and nothing was sent."


@dataclass(slots=True, eq=False)
class SpooledFile:
    """One file, from its first row until it is uploaded. `epochs` counts its rows by epoch of the ledger.

    key, metadata  of its object; known when the file is sealed
    """

    stream: Stream
    opened_at: float
    spool: IO[bytes]
    size: int = 0
    rows: int = 0
    epochs: dict[Epoch, int] = field(default_factory=dict)
    key: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileUploaded:
    """Posted to the coordinator's inbox: the bucket has accepted a file."""

    file: SpooledFile


@dataclass(frozen=True, slots=True)
class UploadFailed:
    """Posted to the coordinator's inbox: no further file can be uploaded."""

    error: SyncError


class Uploader:
    """Uploads sealed files in its own thread, one at a time, until the first failure.

    Raises:
        SyncError: no client can be made for the bucket.
    """

    def __init__(self, storage: S3Storage, post: Callable[[FileUploaded | UploadFailed], None]) -> None:
        self._storage = storage
        # Before the first row: while the coordinator is busy, loading boto3 takes seconds instead of a quarter of one,
        # states wait for it, and its memory comes on top of that of all rows in flight.
        with explained(storage, _OPENING, _NOTHING_SENT):
            self._client = make_client(storage)
        self._post = post
        self._files: queue.SimpleQueue[SpooledFile | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        # A daemon, as an upload that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="dead-letter-uploader", daemon=True)
        self._compressed = isinstance(storage.compression, GzipCompression)
        self._content_type = _content_type(storage)

    def take(self, file: SpooledFile) -> None:
        """Queue a file."""
        self._files.put(file)
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Stop after the upload in progress, waiting one second for it at most."""
        self._stopping.set()
        self._files.put(None)
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            self._discard_rest()
            self._client.close()

    def _run(self) -> None:
        try:
            self._upload_all()
        except Exception as error:  # noqa: BLE001 - whatever it is, the coordinator must not wait for it
            self._post(UploadFailed(explain(error, self._storage)))

    def _upload_all(self) -> None:
        while file := self._files.get():
            with file.spool as spool:
                if self._stopping.is_set():
                    return
                spool.seek(0)
                with _compress(spool) if self._compressed else contextlib.nullcontext(spool) as content:
                    upload(self._client, self._storage, file.key, content, self._content_type, file.metadata)
            self._post(FileUploaded(file))

    def _discard_rest(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                if file := self._files.get_nowait():
                    discard(file)


def _compress(content: IO[bytes]) -> IO[bytes]:
    compressed = open_temporary()
    with gzip.GzipFile(fileobj=compressed, mode="wb", mtime=0) as packed:
        shutil.copyfileobj(content, packed, 1024 * 1024)
    compressed.seek(0)
    return compressed


def _content_type(storage: S3Storage) -> str:
    if isinstance(storage.compression, GzipCompression):
        return "application/gzip"
    return "application/x-ndjson" if isinstance(storage.format, JsonlFormat) else "text/csv; charset=utf-8"


def discard(file: SpooledFile) -> None:
    """Delete a file that was not uploaded."""
    # Its rows are not acknowledged, so nothing depends on flushing it.
    with contextlib.suppress(OSError):
        file.spool.close()
