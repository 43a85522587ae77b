"""The files of rejected rows in the bucket: list, fetch, move, replace.

A file is one version of an object, identified by its ETag: content and version are fetched together, so that only what
was read is replaced later (`replacing`), and a change by somebody else in between is noticed. Content is read from a
temporary file, never from memory.
"""

from __future__ import annotations

import contextlib
import re
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any, Self, cast

from destination_customerio.dead_letters.keys import (
    LEASE_NAME,
    MAX_KEY_BYTES,
    REPLAYED,
    bucket_root,
    is_test_object,
    safe_text,
    shortened,
)
from destination_customerio.dead_letters.reading.rejected_file import SOURCE, RejectedFile
from destination_customerio.dead_letters.reading.replacing import (
    Replacing,
    VersionChanged,
    is_aside,
    target_of,
)
from destination_customerio.dead_letters.reading.row_texts import UnusableFile
from destination_customerio.dead_letters.s3_answers import code_of, status_of, version_in
from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_errors import explained
from destination_customerio.dead_letters.s3_upload import LAG_SECONDS, upload
from destination_customerio.temporary_files import open_temporary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

    from destination_customerio.config.storage import S3Storage

_CHUNK_BYTES = 1024 * 1024
_MAX_FETCHES = 3
_LOOKUPS_AT_ONCE = 8
_EXTENSION = re.compile(r"(\.[A-Za-z]+(?:\.gz)?)?$")
# How much the clocks of sources and of the bucket may differ.
_CLOCK_TOLERANCE_SECONDS = 3_600


class RejectedFiles:
    """The files below the bucket path, except those already replayed. A context manager.

    lag_seconds  the pauses between looks for a copy in the store

    Raises, from every method:
        SyncError: the bucket can't be used; the message says why, and what to do.
    """

    def __init__(self, storage: S3Storage, lag_seconds: Sequence[float] = LAG_SECONDS) -> None:
        self._storage = storage
        self._root = bucket_root(storage)
        with self._explained("The bucket of rejected rows could not be opened"):
            self._client: S3Client = make_client(storage)
        self._replacing = Replacing(self._client, storage, self._etag_of, lag_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def each(self, stored_since: int = 0) -> Iterator[RejectedFile]:
        """All files stored since a time (milliseconds since 1970) or shortly before, one page of keys at a time."""
        pages = iter(
            self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._storage.s3_bucket_name, Prefix=self._root
            )
        )
        with ThreadPoolExecutor(_LOOKUPS_AT_ONCE) as pool:
            while True:
                with self._explained("The rejected rows in the bucket could not be listed"):
                    page = next(pages, None)
                    if page is None:
                        return
                    found = list(pool.map(self._look_up, self._keys(page, stored_since)))
                yield from (file for file in found if file and not file.is_replayed)

    @contextlib.contextmanager
    def fetched(self, file: RejectedFile) -> Iterator[IO[bytes]]:
        """The content of a file, from its start.

        Raises:
            UnusableFile: the object was replaced, deleted or archived.
        """
        with open_temporary() as content:
            with self._explained(f"The file {file.key} could not be read"):
                self._fetch(file, content)
                content.seek(0)
            yield content

    def check_unchanged(self, file: RejectedFile) -> None:
        """Check that the object is still the version that was listed.

        Raises:
            UnusableFile: it is not.
        """
        with self._explained(f"The file {file.key} could not be checked for changes"):
            if self._etag_of(file.key) != file.etag:
                raise _modified()

    def keep_replayed(self, file: RejectedFile, content: IO[bytes]) -> str:
        """Store rows of a file that were sent; returns the key.

        The same version gets the same key again, so that an interrupted replay leaves no second copy. Another version,
        which holds other rows, gets a key with its ETag.
        """
        with self._explained(f"Rows of {file.key} were sent, but could not be moved to {REPLAYED}/"):
            key = self._replayed_key(file)
            upload(
                self._client,
                self._storage,
                key,
                content,
                file.content_type,
                {**file.metadata, SOURCE: file.etag},
            )
        return key

    def replace(self, file: RejectedFile, content: IO[bytes]) -> None:
        """Replace the content of a file atomically; its label stays.

        Raises:
            UnusableFile: the object is no longer the version that was listed, and was left as it is.
        """
        with self._explained(f"Rows of {file.key} were sent, but could not be removed from the file"):
            try:
                self._replacing.replace(file, content)
            except VersionChanged:
                raise _modified() from None

    def delete(self, file: RejectedFile) -> None:
        """Delete a file whose rows were all moved.

        Raises:
            UnusableFile: the object is no longer the version that was listed, and was left as it is.
        """
        with self._explained(f"All rows of {file.key} were sent, but the file could not be deleted"):
            try:
                self._replacing.delete(file)
            except VersionChanged:
                raise _modified() from None

    def settle_leftovers(self) -> None:
        """Delete what earlier replays have left beside the files; no other replay may be running.

        A file that lacks rows of it, since the store lost a copy, is completed first. What names no file stays.
        """
        with self._explained("What an earlier replay left in the bucket could not be restored or deleted"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._storage.s3_bucket_name, Prefix=self._root + "_replay_"
            )
            for found in (found for page in pages for found in page.get("Contents", ())):
                if is_aside(found["Key"].removeprefix(self._root)):
                    if found["Size"]:
                        self._complete_from(found["Key"])
                    else:  # by which a replay asked whether the store has conditional writes
                        self._client.delete_object(Bucket=self._storage.s3_bucket_name, Key=found["Key"])

    def _complete_from(self, aside_key: str) -> None:
        aside = self._look_up(aside_key)
        target = target_of(aside) if aside else None
        if aside is None or target is None:
            return
        # One that can't be read stays for the next replay.
        with contextlib.suppress(UnusableFile):
            if self._etag_of(target.key) != target.etag:
                with self.fetched(aside) as content, contextlib.suppress(VersionChanged):
                    self._replacing.complete(target, content)
            self._client.delete_object(Bucket=self._storage.s3_bucket_name, Key=aside.key)

    def _keys(self, page: ListObjectsV2OutputTypeDef, stored_since: int) -> Iterator[str]:
        for found in page.get("Contents", ()):
            rest = found["Key"].removeprefix(self._root)
            # The root may contain that of another connection, with objects of its checks and replays.
            name = rest.rpartition("/")[2]
            ours = (
                found["Size"]
                and name != LEASE_NAME
                and not is_test_object(name)
                and not rest.startswith(f"{REPLAYED}/")
                and not is_aside(name)
            )
            if ours and found["LastModified"].timestamp() + _CLOCK_TOLERANCE_SECONDS >= stored_since / 1_000:
                yield found["Key"]

    def _etag_of(self, key: str) -> str | None:
        found = self._look_up(key)
        return found.etag if found else None

    def _look_up(self, key: str) -> RejectedFile | None:
        from botocore.exceptions import ClientError

        try:
            head = self._client.head_object(Bucket=self._storage.s3_bucket_name, Key=key)
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise
        etag, stored_at = version_in(cast("Mapping[str, Any]", head), key)
        return RejectedFile(
            key=key,
            rest=key.removeprefix(self._root),
            etag=etag,
            stored_at=int(stored_at.timestamp() * 1_000),
            size=head.get("ContentLength", 0),
            content_type=head.get("ContentType", "application/octet-stream"),
            # Some stores return the names with capitals.
            metadata={name.lower(): value for name, value in head.get("Metadata", {}).items()},
        )

    def _fetch(self, file: RejectedFile, content: IO[bytes]) -> None:
        """Fetch the listed version."""
        from botocore.exceptions import (
            ClientError,
            HTTPClientError,
            IncompleteReadError,
            ResponseStreamingError,
        )

        for attempt in range(1, _MAX_FETCHES + 1):
            try:
                answer = self._client.get_object(
                    Bucket=self._storage.s3_bucket_name, Key=file.key, IfMatch=f'"{file.etag}"'
                )
                content.seek(0)
                content.truncate()
                with contextlib.closing(answer["Body"]) as body:
                    while chunk := body.read(_CHUNK_BYTES):
                        content.write(chunk)
            except ClientError as error:
                if status_of(error) in (404, 412):
                    raise _changed() from None
                if code_of(error) == "InvalidObjectState":
                    raise UnusableFile("it was archived; restore it first") from None
                raise
            except (HTTPClientError, IncompleteReadError, ResponseStreamingError):
                # boto3 retries requests, but not a body that breaks off.
                if attempt == _MAX_FETCHES:
                    raise
                continue
            # A store without conditional requests answers with whatever is there.
            etag, _ = version_in(cast("Mapping[str, Any]", answer), file.key)
            if etag != file.etag:
                raise _changed()
            # Rows that are missing here would be missing in the file that replaces it.
            if file.size and content.tell() != file.size:
                raise UnusableFile(f"the store returned {content.tell():,} of its {file.size:,} bytes")
            return

    def _replayed_key(self, file: RejectedFile) -> str:
        plain = self._below_replayed(file, "")
        there = self._look_up(plain)
        if there is None or there.metadata.get(SOURCE) == file.etag:
            return plain
        return self._below_replayed(file, "_" + safe_text(file.etag).replace("/", "_"))

    def _below_replayed(self, file: RejectedFile, suffix: str) -> str:
        stem = _EXTENSION.sub("", file.rest)
        extension = file.rest[len(stem) :]
        max_bytes = MAX_KEY_BYTES - len(self._root.encode())
        return self._root + shortened(f"{REPLAYED}/{stem}{suffix}{extension}", max_bytes, extension)

    def _explained(self, failed: str) -> AbstractContextManager[None]:
        return explained(self._storage, failed, passing=UnusableFile)


def _modified() -> UnusableFile:
    return UnusableFile("it was modified while its rows were being sent")


def _changed() -> UnusableFile:
    return UnusableFile("it was changed or removed just now")
