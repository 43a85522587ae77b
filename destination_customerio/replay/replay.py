"""Replay: rejected rows are sent again, and the rows that Customer.io accepts are moved aside.

Theory of operation. Files are replayed one at a time, in the order in which they were written, each by its own pipeline,
which ends before the next begins. So rows stay in order as far as the files record it: within a stream, and between
streams from file to file. For each file:

1. The object is fetched, and identified from then on by its ETag.
2. All selected rows are sent. Nothing in the bucket has changed yet.
3. When the outcome of every row is known, the accepted rows are stored unchanged as
   `<bucket_path>/replayed/<rest of the key>` (PUT).
4. The file is replaced, under its own key, by the remaining rows (PUT): those that were rejected again, with their new
   reasons, those that were not selected, and those that can't be read. If no row remains, the file is deleted (DELETE).

Each PUT and DELETE is atomic. So at any moment every row is in the file, among the replayed rows, or in both, and no row is
lost, whenever the process is killed:

- before step 3 the file is unchanged; the next replay sends all its rows again;
- between steps 3 and 4 likewise; step 3 then overwrites the object with the same key, as its metadata names the same
  version of the file (`replayed-from`). A different version, with other rows replayed, gets a key with its ETag instead;
- after step 4 only the remaining rows are left to replay.

A row may thus be sent twice, but counts once: writes to people and objects are idempotent, and events without an id of
their own get one derived from `_airbyte_raw_id`, which is the same in every replay (`from_row` gives the same id anyway).
That applies to `event_id_strategy: none` too, since a replay without ids could not be repeated. Rows that are copied within
a file need different raw ids to count twice.

A file may change during a replay: somebody edits it by hand, or replays it too. Before step 3 and in step 4 the object
must still be the version that was fetched; otherwise it is left unchanged, and the report says so. A store with conditional
writes compares and writes in one step. Without them a gap of milliseconds remains between the last look and a copy within
the store, or the deletion (`dead_letters/reading/replacing.py`). A second replay also notices the lease of the first
(`replay/lease.py`) before it sends anything.
"""

from __future__ import annotations

import contextlib
import gzip
from functools import partial
from itertools import chain
from typing import IO, TYPE_CHECKING, cast

from destination_customerio.dead_letters.kinds import Kind
from destination_customerio.dead_letters.reading.layout import UNREADABLE, DeadLetter
from destination_customerio.dead_letters.reading.reader import GZIP_MAGIC, layout_of, read_rows
from destination_customerio.dead_letters.reading.row_texts import UnusableFile
from destination_customerio.dead_letters.reading.stream_of_file import Origin, Origins, stream_named
from destination_customerio.errors import SyncError
from destination_customerio.replay.filters import Found
from destination_customerio.replay.report import Outcome, file_words
from destination_customerio.temporary_files import open_temporary
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.reading.bucket import RejectedFiles
    from destination_customerio.dead_letters.reading.layout import Layout
    from destination_customerio.dead_letters.reading.rejected_file import RejectedFile
    from destination_customerio.replay.console import View
    from destination_customerio.replay.file_replay import FileReplay, FileResult
    from destination_customerio.replay.filters import Filters
    from destination_customerio.replay.new_reasons import NewReasons
    from destination_customerio.sync.stream_sync import StreamSync


class Replay:
    """Replays the rejected rows in a bucket.

    syncs      the streams of the catalog
    dry_run    whether `file_replay` sends nothing, so that nothing in the bucket may change
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
        """Replay all selected rows.

        Raises:
            SyncError: the bucket or Customer.io fails. No row is lost, and the next replay resumes.
        """
        if not self._dry_run:
            self._bucket.settle_leftovers()
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
        """The files that may hold selected rows, in the order in which they were written."""
        found, seen = [], Found()
        for file in self._bucket.each(filters.since or 0):
            if self._is_stopping():
                return []
            origin = self._origin_of(file, filters)
            seen.add(file, origin)
            # A file whose stream is unknown is reported as left unchanged, whichever stream is selected.
            if origin is None or filters.may_hold(file, origin):
                found.append(file)
        self.outcome.note = seen.instead_of(filters)
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
        with self._bucket.fetched(file) as content, open_temporary() as spool:
            # A truncated file is detected before any of its rows is sent.
            for _ in layout_of(content, stream.properties).texts():
                pass
            if self._origins.of(file.key, file.label) is None:
                self._say(
                    file, f"its stream is unknown, so its rows are treated as rows of {stream} (--stream)"
                )

            def opened() -> Layout:
                content.seek(0)
                return layout_of(content, stream.properties)

            result = self._file_replay.run(opened(), self._sync_of[stream], take, spool)
            if result.stopped_by is not None:
                self._say(file, "stopped early; the file is unchanged")
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
        take: Callable[[DeadLetter], bool],
        result: FileResult,
    ) -> None:
        """Steps 3 and 4."""
        content.seek(0)
        is_compressed = content.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with contextlib.ExitStack() as stack:
            accepted, remaining = (_Part(stack, is_compressed=is_compressed) for _ in range(2))
            has_new_reasons = _sort_out(opened(), take, result.new_reasons, accepted, remaining)
            if not accepted.rows and not has_new_reasons:
                self._say(file, _again(result))
                return
            self._bucket.check_unchanged(file)
            moved = ""
            if accepted.rows:
                moved = f" and moved to {self._bucket.keep_replayed(file, accepted.content)}"
            if remaining.rows:
                self._bucket.replace(file, remaining.content)
            else:
                self._bucket.delete(file)
        self._say(file, f"{counted(result.accepted, 'row')} accepted{moved}, {_again(result)}")

    def _count(self, stream: str, result: FileResult) -> None:
        self.outcome.accepted[stream] += result.accepted
        for (reason, column), kind in result.new_reasons.kinds.items():
            self.outcome.kind(stream, reason, column).merge(kind)
        if result.unreadable:
            self.outcome.kind(stream, UNREADABLE, "").merge(Kind(result.unreadable, example=result.fault))

    def _skip(self, file: RejectedFile, cause: str) -> None:
        self.outcome.skipped_files += 1
        self._say(file, f"left unchanged: {cause}")

    def _say(self, file: RejectedFile, message: str) -> None:
        self._view.say(f"{file.key}: {message}.")

    def _unknown_stream(self, file: RejectedFile) -> str:
        origin = self._origins.of(file.key, file.label)
        if origin is None:
            return (
                "neither its label nor its key says which stream it belongs to; name the stream with --stream"
            )
        if origin.is_exact:
            return f"the catalog has no stream {origin}"
        return (
            f"the catalog has no stream {origin}, or several whose names look the same in a key; if there are several, "
            "name one with --stream"
        )


class _Part:
    """Some of a file's rows, in a temporary file that is compressed if the original is."""

    def __init__(self, stack: contextlib.ExitStack, *, is_compressed: bool) -> None:
        self.rows = 0
        self._file = stack.enter_context(open_temporary())
        self._gzip = gzip.GzipFile(fileobj=self._file, mode="wb", mtime=0) if is_compressed else None
        self._target = cast("IO[bytes]", self._gzip or self._file)

    def add(self, header: bytes, pieces: Iterable[bytes]) -> None:
        if not self.rows:
            self._target.write(header)
        self.rows += 1
        for piece in pieces:
            self._target.write(piece)

    def finish(self) -> None:
        if self._gzip:
            self._gzip.close()
        self._file.flush()
        self._file.seek(0)

    @property
    def content(self) -> IO[bytes]:
        return self._file


def _sort_out(
    layout: Layout,
    take: Callable[[DeadLetter], bool],
    new_reasons: NewReasons,
    accepted: _Part,
    remaining: _Part,
) -> bool:
    """Write each row of the file to its part; returns whether any remaining row has new reasons."""
    has_new_reasons = False
    for row in read_rows(layout):
        if row.data is None or not take(row):
            remaining.add(layout.header, chain([row.text], row.rest or ()))
        elif (rejection := new_reasons.reason_of(row.number)) is not None:
            text = layout.with_reasons(row.text, rejection)
            has_new_reasons |= text != row.text
            remaining.add(layout.header, [text])
        else:
            accepted.add(layout.header, [row.text])
    for part in (accepted, remaining):
        part.finish()
    return has_new_reasons


def _again(result: FileResult, *, would: bool = False) -> str:
    return file_words(result.new_reasons.rows, result.unreadable, result.fault, would=would)
