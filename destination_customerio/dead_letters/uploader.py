"""Files of rejected rows on their way into the bucket: spooled by the coordinator, uploaded by a few threads.

A file is owned by the coordinator until it is handed to the uploader, and by the uploader from then on; what the
coordinator still reads of it no longer changes.
"""

from __future__ import annotations

import contextlib
import gzip
import queue
import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, cast

from destination_customerio.config.storage import GzipCompression, JsonlFormat
from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_errors import explain, explained
from destination_customerio.dead_letters.s3_upload import upload
from destination_customerio.temporary_files import open_temporary

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.storage import S3Storage
    from destination_customerio.errors import SyncError
    from destination_customerio.ledger import Epoch

CLOSE_SECONDS = 1.0
# Each costs a thread, a connection and half a megabyte. botocore keeps ten connections.
UPLOADS_AT_ONCE = 8
# More than boto3's retries take while a store is silent, as it limits each wait, but not their sum: an answer that drips, or
# interim answers without end, would hold an upload for ever.
STALL_SECONDS = 900.0
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
    """Posted to the coordinator's inbox, once: no further upload begins. Those in progress may still succeed."""

    error: SyncError


class Uploader:
    """Uploads sealed files, several at a time, in any order, until the first failure.

    Raises:
        SyncError: no client can be made for the bucket.
    """

    def __init__(
        self,
        storage: S3Storage,
        post: Callable[[FileUploaded | UploadFailed], None],
        uploads_at_once: int = UPLOADS_AT_ONCE,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._storage = storage
        # Before the first row: while the coordinator is busy, loading botocore takes seconds instead of a quarter of one,
        # states wait for it, and its memory comes on top of that of all rows in flight.
        with explained(storage, _OPENING, _NOTHING_SENT):
            self._client = make_client(storage)
        self._post = post
        self._files: queue.SimpleQueue[SpooledFile | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._failure = threading.Lock()  # taken by the first failure, and never released
        self._uploads_at_once = uploads_at_once
        self._threads: list[threading.Thread] = []
        self._stall_seconds = stall_seconds
        self._last_progress: dict[SpooledFile, float] = {}  # of the files that are being uploaded
        self._compressed = isinstance(storage.compression, GzipCompression)
        self._content_type = _content_type(storage)

    def take(self, file: SpooledFile) -> None:
        """Queue a file."""
        self._files.put(file)
        if len(self._threads) < self._uploads_at_once:
            self._start_thread()

    def fail_if_stalled(self) -> None:
        """Post the failure of an upload that has sent nothing for too long and is still not answered."""
        stalled_since = time.monotonic() - self._stall_seconds
        if any(at < stalled_since for at in list(self._last_progress.values())):
            self._fail(explain(TimeoutError(), self._storage))

    def stop(self) -> None:
        """Stop after the uploads in progress, waiting one second for them at most."""
        self._stopping.set()
        for _ in self._threads:
            self._files.put(None)
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._discard_rest()
            self._client.close()

    def _start_thread(self) -> None:
        # A daemon, as an upload that hangs must not keep the process alive.
        thread = threading.Thread(target=self._run, name="dead-letter-uploader", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if not self._threads:  # otherwise the others upload the file
                self._fail(explain(error, self._storage))
        else:
            self._threads.append(thread)

    def _run(self) -> None:
        try:
            self._upload_all()
        except Exception as error:  # noqa: BLE001 - whatever it is, the coordinator must not wait for it
            self._fail(explain(error, self._storage))

    def _fail(self, error: SyncError) -> None:
        self._stopping.set()
        if self._failure.acquire(blocking=False):
            self._post(UploadFailed(error))

    def _upload_all(self) -> None:
        while file := self._files.get():
            with file.spool as spool:
                if self._stopping.is_set():
                    return
                spool.seek(0)
                with _compress(spool) if self._compressed else contextlib.nullcontext(spool) as content:
                    self._upload(file, content)
            self._post(FileUploaded(file))

    def _upload(self, file: SpooledFile, content: IO[bytes]) -> None:
        def note() -> None:
            self._last_progress[file] = time.monotonic()

        note()
        try:
            watched = cast("IO[bytes]", _Watched(content, note))
            upload(self._client, self._storage, file.key, watched, self._content_type, file.metadata)
        finally:
            del self._last_progress[file]

    def _discard_rest(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                if file := self._files.get_nowait():
                    discard(file)


class _Watched:
    """A file that notes whenever something of it is read."""

    def __init__(self, file: IO[bytes], note: Callable[[], None]) -> None:
        self._file = file
        self._note = note
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        self._note()
        return self._file.read(size)


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
