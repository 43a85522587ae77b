"""Dead letters: what happens to rejected rows.

With a bucket, each stream's rows are spooled into an open file, which is sealed when it is full, old, or the largest of
too many, and uploaded, several at a time. A row is settled (`on_durable`) only when the bucket has its file, and states wait
until then. Without a bucket a row is settled as soon as it is counted.

The coordinator's thread owns everything here except the queue of sealed files. The uploader posts into the coordinator's
inbox: `FileUploaded` for each file, in any order, or one `UploadFailed`, after which no further upload begins. So a
failure settles nothing of what was spooled.

Bounds, whatever the number of streams and the rate of rejection:

- memory: a file starts in memory and moves to an unnamed temporary file beyond 64 KiB. Compression, which needs a quarter
  of a megabyte for each open stream, is left to the uploader, a few files at a time, off the coordinator's thread; so
  files roll by their uncompressed size.
- disk: when the open files together are too large, or too many, the largest is sealed; when too much waits for the
  uploader, the backlog is full, and the coordinator takes no further input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol
from uuid import uuid4

from destination_customerio.dead_letters.keys import DeadLetterKeys, epoch_milliseconds
from destination_customerio.dead_letters.labels import Label
from destination_customerio.dead_letters.row_format import RowEncoder, row_encoder
from destination_customerio.dead_letters.uploader import (
    STALL_SECONDS,
    UPLOADS_AT_ONCE,
    SpooledFile,
    Uploader,
    discard,
)
from destination_customerio.errors import SyncError
from destination_customerio.machine_limits import spare_descriptors
from destination_customerio.temporary_files import MEMORY_BYTES_PER_FILE, no_room, open_temporary

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.uploader import FileUploaded, UploadFailed
    from destination_customerio.errors import Rejection
    from destination_customerio.ledger import Epoch

    OnDurable = Callable[[Epoch, int], None]


class Backlog(NamedTuple):
    """Rows on their way into the bucket.

    rows     added and not settled yet
    is_full  whether so much waits for the uploader that no further input should be taken
    """

    rows: int
    is_full: bool


class DeadLetters(Protocol):
    """Takes over rejected rows. Not thread-safe; owned by the coordinator thread."""

    def add(self, stream: Stream, line: bytes, rejection: Rejection, epoch: Epoch) -> None:
        """Take over one rejected row: `line` is its RECORD message as it came, `epoch` its epoch in the ledger.

        Raises:
            SyncError: this machine has no room for it.
        """
        ...

    def uploaded(self, file: SpooledFile) -> None:
        """Settle the rows of a file that the bucket has accepted; a second call for the same file does nothing."""
        ...

    def seal(self, opened_before: float = math.inf) -> float | None:
        """Hand the open files to the uploader, or only those opened at or before a time of the clock.

        Returns when the oldest file that stays open was opened; None when none does.
        """
        ...

    @property
    def backlog(self) -> Backlog:
        """What is not settled yet."""
        ...


class CountedDeadLetters:
    """Dead letters without a bucket: a rejected row is settled by being counted."""

    backlog = Backlog(0, is_full=False)

    def __init__(self, on_durable: OnDurable) -> None:
        self._on_durable = on_durable

    def add(self, stream: Stream, line: bytes, rejection: Rejection, epoch: Epoch) -> None:  # noqa: ARG002
        """See `DeadLetters`."""
        self._on_durable(epoch, 1)

    def uploaded(self, file: SpooledFile) -> None:
        """See `DeadLetters`; there are no files."""

    def seal(self, opened_before: float = math.inf) -> float | None:  # noqa: ARG002
        """See `DeadLetters`; there are no files."""
        return None


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """What may be spooled on this machine.

    max_file_bytes          where files roll, uncompressed; only a single row can be longer
    max_open_bytes          what the open files may hold together
    max_open_files          how many files may be open
    max_open_files_on_disk  how many of them may be on disk: each costs a descriptor, of which there may be few
    max_waiting_bytes       what may wait for the uploader before the backlog is full
    max_waiting_files       how many files may
    uploads_at_once         how many of them are uploaded at the same time
    stall_seconds           how long an upload may go without sending anything
    """

    max_file_bytes: int = 200 << 20
    max_open_bytes: int = 400 << 20
    max_open_files: int = 2_000
    max_open_files_on_disk: int = field(default_factory=lambda: min(128, spare_descriptors() // 2))
    max_waiting_bytes: int = 400 << 20
    max_waiting_files: int = field(default_factory=lambda: min(128, spare_descriptors() // 2))
    uploads_at_once: int = UPLOADS_AT_ONCE
    stall_seconds: float = STALL_SECONDS


class BucketDeadLetters:
    """Dead letters as files in the bucket.

    post        posts an event into the coordinator's inbox; called from another thread
    on_durable  settles rows of an epoch: (epoch, count)
    clock       seconds, monotonic, for the age of files
    wall_clock  seconds since 1970, for the names of files
    open_spool  opens a temporary file

    stored_rows, stored_files  what the bucket has stored so far

    Raises:
        ConfigError: a format of paths or names is invalid.
        SyncError: no client can be made for the bucket.
    """

    def __init__(
        self,
        storage: S3Storage,
        post: Callable[[FileUploaded | UploadFailed], None],
        on_durable: OnDurable,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        limits: SpoolLimits | None = None,
        open_spool: Callable[[], IO[bytes]] = open_temporary,
    ) -> None:
        self._storage = storage
        self._on_durable = on_durable
        self._clock = clock
        self._limits = limits or SpoolLimits()
        self._open_spool = open_spool
        started_at = datetime.fromtimestamp(wall_clock(), UTC)
        self._keys = DeadLetterKeys(storage, started_at, uuid4())
        self._started_at = epoch_milliseconds(started_at)
        self._files_sealed = 0
        self._uploader = Uploader(storage, post, self._limits.uploads_at_once, self._limits.stall_seconds)
        self._encoders: dict[Stream, RowEncoder] = {}
        self._open: dict[Stream, SpooledFile] = {}  # in the order of opening
        self._open_bytes = 0
        self._open_on_disk = 0
        self._waiting: set[SpooledFile] = set()
        self._waiting_bytes = 0
        self._unsettled_rows = 0
        self.stored_rows = 0
        self.stored_files = 0

    @property
    def backlog(self) -> Backlog:
        """See `DeadLetters`. Only sealed files can fill it, as only they are on their way out."""
        limits = self._limits
        is_full = (
            self._waiting_bytes > limits.max_waiting_bytes or len(self._waiting) > limits.max_waiting_files
        )
        return Backlog(self._unsettled_rows, is_full)

    def add(self, stream: Stream, line: bytes, rejection: Rejection, epoch: Epoch) -> None:
        """See `DeadLetters`."""
        encoder = self._encoders.get(stream) or self._new_encoder(stream)
        row = encoder.encode(line, rejection, str(uuid4()))
        self._unsettled_rows += 1
        file = self._open.get(stream)
        if file and file.size + len(row) > self._limits.max_file_bytes:
            self._seal(file)
            file = None
        try:
            if file is None:
                file = self._new_file(stream, encoder.header)
            self._append(file, row)
        except (OSError, SyncError) as error:
            # The file may hold half of the row, so it must never be uploaded.
            if broken := self._open.pop(stream, None):
                self._forget_open(broken)
                discard(broken)
            raise (error if isinstance(error, SyncError) else no_room(error)) from None
        file.rows += 1
        file.epochs[epoch] = file.epochs.get(epoch, 0) + 1
        if self._holds_too_much():
            self._seal(max(self._open.values(), key=lambda file: file.size))

    def uploaded(self, file: SpooledFile) -> None:
        """See `DeadLetters`."""
        if file not in self._waiting:
            return
        self._waiting.remove(file)
        self._waiting_bytes -= file.size
        self._unsettled_rows -= file.rows
        self.stored_rows += file.rows
        self.stored_files += 1
        for epoch, count in file.epochs.items():
            self._on_durable(epoch, count)

    def seal(self, opened_before: float = math.inf) -> float | None:
        """See `DeadLetters`. Called again and again until the sync ends, so it looks after stalled uploads too."""
        self._uploader.fail_if_stalled()
        for file in list(self._open.values()):
            if file.opened_at > opened_before:
                return file.opened_at
            self._seal(file)
        return None

    def close(self) -> None:
        """Stop the uploader and drop what is not uploaded. Uploads in progress get one second."""
        self._uploader.stop()
        for file in self._open.values():
            discard(file)
        self._open.clear()

    def _new_encoder(self, stream: Stream) -> RowEncoder:
        encoder = self._encoders[stream] = row_encoder(self._storage.format, stream)
        return encoder

    def _new_file(self, stream: Stream, header: bytes) -> SpooledFile:
        file = SpooledFile(stream, self._clock(), self._open_spool())
        self._open[stream] = file
        self._append(file, header)
        return file

    def _append(self, file: SpooledFile, text: bytes) -> None:
        was_on_disk = file.size > MEMORY_BYTES_PER_FILE
        file.spool.write(text)
        file.size += len(text)
        self._open_bytes += len(text)
        self._open_on_disk += (file.size > MEMORY_BYTES_PER_FILE) - was_on_disk

    def _holds_too_much(self) -> bool:
        limits = self._limits
        return (
            self._open_bytes > limits.max_open_bytes
            or self._open_on_disk > limits.max_open_files_on_disk
            or len(self._open) > limits.max_open_files
        )

    def _forget_open(self, file: SpooledFile) -> None:
        self._open_bytes -= file.size
        self._open_on_disk -= file.size > MEMORY_BYTES_PER_FILE

    def _seal(self, file: SpooledFile) -> None:
        del self._open[file.stream]
        self._forget_open(file)
        file.key = self._keys.next_key(file.stream)
        file.metadata = Label.of(file.stream, self._started_at, self._files_sealed).to_metadata()
        self._files_sealed += 1
        self._waiting.add(file)
        self._waiting_bytes += file.size
        self._uploader.take(file)
