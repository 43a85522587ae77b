"""Replay: rejected rows are sent again, and what Customer.io takes is moved aside.

Theory of operation. Files are replayed one after the other, in the order in which they were written, each by a pipeline of
its own that has ended before the next begins; so rows stay in order as far as the files say, which is within a stream, and
between streams from file to file. For each file:

1. The object is fetched, and known from then on by its ETag.
2. All rows that are meant are sent. Nothing in the bucket has changed yet.
3. When the fate of every row is known: the rows that were accepted are stored as `<bucket_path>/replayed/<rest of the key>`
   (PUT), as they lay in the file.
4. The file is replaced, under its own key, by the rows that stay (PUT): those that were rejected again, with their new
   reasons, those that nobody meant, and those that can't be read. If none stay, the file is deleted (DELETE).

Each PUT and DELETE happens whole or not at all. So at any moment every row lies in the file, or among the replayed, or in
both, and whatever kills the process, no row is lost:

- before 3 the file is as it was; the next replay sends all its rows again;
- between 3 and 4 likewise; step 3 then overwrites the object of the same key, as its metadata names the same version of
  the file (`replayed-from`). Another version, of which other rows were replayed, gets a key with its ETag instead;
- after 4 only what stays is left to replay.

A row may thus be sent twice, and counts once: people and objects are idempotent, and events without an id of their own get
one made of `_airbyte_raw_id`, which is the same in every replay (`from_row` gives the same id by itself). That holds for
`event_id_strategy: none` too, since a replay without ids could not be repeated. Rows that somebody copies within a file
need another raw id to count twice.

Somebody else may change a file meanwhile: mend it by hand, or replay it too. Right before step 3 and before step 4 the
object must be the version that was fetched; else it is left as it is, and the report says so. Between that look and the
write lie milliseconds; stores that would close this gap by conditional writes are too few to rely on. A second replay
also notices the lease of the first (`replay/lease.py`), before it sends anything.
"""

from __future__ import annotations

import contextlib
import gzip
import tempfile
from functools import partial
from typing import IO, TYPE_CHECKING, cast

from destination_customerio.dead_letters.reading.layout import UNREADABLE, RejectedRow, UnusableFile
from destination_customerio.dead_letters.reading.reader import GZIP_MAGIC, layout_of, read_rows
from destination_customerio.dead_letters.reading.stream_of_file import Origin, Origins, stream_named
from destination_customerio.errors import SyncError, TransientError
from destination_customerio.replay.report import Outcome, file_words
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.reading.bucket import RejectedFile, RejectedFiles
    from destination_customerio.dead_letters.reading.layout import Layout
    from destination_customerio.replay.console import View
    from destination_customerio.replay.file_replay import FileReplay, FileResult
    from destination_customerio.replay.filters import Filters
    from destination_customerio.replay.new_reasons import NewReasons
    from destination_customerio.sync.stream_sync import StreamSync


class Replay:
    """Replays what lies in a bucket.

    syncs      the streams of the catalog
    dry_run    whether `file_replay` leads nowhere, so that nothing in the bucket may change
    """

    def __init__(
        self,
        bucket: RejectedFiles,
        storage: S3Storage,
        syncs: Sequence[StreamSync],
        file_replay: FileReplay,
        view: View,
        *,
        dry_run: bool,
    ) -> None:
        self._bucket = bucket
        self._origins = Origins(storage)
        self._sync_of = {sync.stream: sync for sync in syncs}
        self._file_replay = file_replay
        self._view = view
        self._dry_run = dry_run
        self.outcome = Outcome()

    def run(self, filters: Filters) -> Outcome:
        """Replay all rows that are meant.

        Raises:
            SyncError: the bucket or Customer.io fails. No row is lost, and the next replay goes on.
        """
        files = self._files(filters)
        for number, file in enumerate(files):
            self._view.on_file(number, len(files))
            try:
                self._replay(file, filters)
            except UnusableFile as error:
                self._skip(file, str(error))
            except SyncError as error:
                raise type(error)(
                    f"{error} The replay stopped at {file.key}: files before it are done, and its own rows are sent "
                    "again when you run the replay again.",
                    error.internal_message,
                ) from None
            if self._is_stopping():
                break
        else:
            self._view.on_file(len(files), len(files))
        return self.outcome

    def _files(self, filters: Filters) -> list[RejectedFile]:
        """The files that may hold rows that are meant, in the order in which they were written."""
        found = []
        for file in self._bucket.each(filters.since or 0):
            if self._is_stopping():
                return []
            origin = self._origin_of(file, filters)
            # A file whose stream is unknown is named in the end, whatever stream is meant.
            if origin is None or filters.may_hold(file, origin):
                found.append(file)
        return sorted(found, key=lambda file: file.order)

    def _origin_of(self, file: RejectedFile, filters: Filters) -> Origin | None:
        stream = self._stream_of(file, filters)
        return Origin.of(stream) if stream else self._origins.of(file.key, file.label)

    def _stream_of(self, file: RejectedFile, filters: Filters) -> Stream | None:
        named = stream_named(filters.stream, self._sync_of)
        return self._origins.stream_of(file.key, file.label, self._sync_of, named)

    def _is_stopping(self) -> bool:
        if stopping := self._file_replay.stopping:
            self.outcome.stopped_by = stopping.signal_number
        return stopping is not None

    def _replay(self, file: RejectedFile, filters: Filters) -> None:
        stream = self._stream_of(file, filters)
        if stream is None:
            raise UnusableFile(self._unknown_stream(file))
        take = partial(filters.take, file=file)
        with self._bucket.fetched(file) as content, tempfile.TemporaryFile() as spool:
            # A file that breaks off is found out before any of its rows is sent.
            for _ in layout_of(content, stream.properties).texts():
                pass
            if self._origins.of(file.key, file.label) is None:
                self._say(file, f"its stream is unknown, so its rows count as rows of {stream} (--stream)")

            def opened() -> Layout:
                content.seek(0)
                return layout_of(content, stream.properties)

            result = self._file_replay.run(opened(), self._sync_of[stream], take, spool)
            if result.stopped_by is not None:
                self._say(file, "stopped midway; the file is as it was")
                return
            if not result.selected and not result.unreadable:
                return
            self._count(str(stream), result)
            if self._dry_run:
                self._say(
                    file, f"{counted(result.accepted, 'row')} would be sent, {_again(result, would=True)}"
                )
            else:
                self._settle(file, content, opened, take, result)

    def _settle(
        self,
        file: RejectedFile,
        content: IO[bytes],
        opened: Callable[[], Layout],
        take: Callable[[RejectedRow], bool],
        result: FileResult,
    ) -> None:
        """Steps 3 and 4."""
        content.seek(0)
        is_packed = content.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with contextlib.ExitStack() as stack:
            try:
                accepted, staying = (_Part(stack, is_packed=is_packed) for _ in range(2))
                has_new_reasons = _sort_out(opened(), take, result.new_reasons, accepted, staying)
            except OSError:
                raise TransientError(
                    f"This machine has no room to sort the rows of {file.key}. They were sent, and the file is as it was. "
                    "Give it more disk space for temporary files."
                ) from None
            if not accepted.rows and not has_new_reasons:
                self._say(file, _again(result))
                return
            self._check_unchanged(file)
            moved = ""
            if accepted.rows:
                moved = f" and moved to {self._bucket.keep_replayed(file, accepted.content)}"
                self._check_unchanged(file)
            if staying.rows:
                self._bucket.replace(file, staying.content)
            else:
                self._bucket.delete(file)
        self._say(file, f"{counted(result.accepted, 'row')} accepted{moved}, {_again(result)}")

    def _check_unchanged(self, file: RejectedFile) -> None:
        if not self._bucket.is_unchanged(file):
            raise UnusableFile("it was changed by somebody else while its rows were sent")

    def _count(self, stream: str, result: FileResult) -> None:
        self.outcome.accepted[stream] += result.accepted
        for (reason, column), rows in result.new_reasons.kinds.items():
            self.outcome.rejected[stream, reason, column] += rows
        if result.unreadable:
            self.outcome.rejected[stream, UNREADABLE, ""] += result.unreadable

    def _skip(self, file: RejectedFile, cause: str) -> None:
        self.outcome.skipped_files += 1
        self._say(file, f"left as it is, as {cause}")

    def _say(self, file: RejectedFile, words: str) -> None:
        self._view.say(f"{file.key}: {words}.")

    def _unknown_stream(self, file: RejectedFile) -> str:
        origin = self._origins.of(file.key, file.label)
        if origin is None:
            return (
                "neither its label nor its key says which stream it belongs to; name the stream with --stream"
            )
        if origin.is_exact:
            return f"the catalog has no stream {origin}"
        return (
            f"the catalog has no stream {origin}, or several that are spelled like that in a key; if there are several, "
            "name one with --stream"
        )


class _Part:
    """Rows of a file for another object: written to a temporary file, packed if the file was."""

    def __init__(self, stack: contextlib.ExitStack, *, is_packed: bool) -> None:
        self.rows = 0
        self._file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        self._packer = gzip.GzipFile(fileobj=self._file, mode="wb", mtime=0) if is_packed else None
        self._target = cast("IO[bytes]", self._packer or self._file)

    def add(self, header: bytes, text: bytes) -> None:
        if not self.rows:
            self._target.write(header)
        self.rows += 1
        self._target.write(text)

    def finish(self) -> None:
        if self._packer:
            self._packer.close()
        self._file.flush()
        self._file.seek(0)

    @property
    def content(self) -> IO[bytes]:
        return cast("IO[bytes]", self._file)


def _sort_out(
    layout: Layout,
    take: Callable[[RejectedRow], bool],
    new_reasons: NewReasons,
    accepted: _Part,
    staying: _Part,
) -> bool:
    """Write each row of the file to its part; whether a row that stays has other reasons than before."""
    has_new_reasons = False
    for row in read_rows(layout):
        if row.data is None or not take(row):
            staying.add(layout.header, row.text)
        elif (rejection := new_reasons.reason_of(row.number)) is not None:
            text = layout.with_reasons(row.text, rejection)
            has_new_reasons |= text != row.text
            staying.add(layout.header, text)
        else:
            accepted.add(layout.header, row.text)
    for part in (accepted, staying):
        part.finish()
    return has_new_reasons


def _again(result: FileResult, *, would: bool = False) -> str:
    return file_words(result.new_reasons.kinds.total(), result.unreadable, would=would)
