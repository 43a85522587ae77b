"""Replaces and deletes files, but only in the version that was fetched: what somebody uploaded since then is kept.

Where the store has conditional writes (If-Match), it compares and writes in one step. Whether it has them is asked once,
by a write that has to fail: some stores refuse the condition (501), others ignore it and write. Without conditional
writes the new content is uploaded under another key first; after a last look at the file it is copied over it within the
store, so that the gap between look and write does not depend on the size of the upload. The copy is read back: a store
that confirms it and loses it would lose the rows that remain.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any, Protocol, cast
from uuid import uuid4

from destination_customerio.dead_letters.keys import bucket_root
from destination_customerio.dead_letters.s3_answers import etag_in
from destination_customerio.dead_letters.s3_errors import status_of
from destination_customerio.dead_letters.s3_faults import Fault, UnprovenUploadError
from destination_customerio.dead_letters.s3_upload import Replaced, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_s3.client import S3Client

    from destination_customerio.config.storage import S3Storage

_PART_BYTES = 16 << 20
_NO_VERSION = '"00000000000000000000000000000000"'
# Beside the files, for as long as one is replaced.
_ASIDE = "_replay_{}"
_IS_ASIDE = re.compile(r"_replay_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CONDITION_FAILED = (404, 409, 412)
_CONDITION_UNKNOWN = (400, 405, 501)


class Version(Protocol):
    """The version of an object that may be replaced."""

    @property
    def key(self) -> str: ...  # noqa: D102 - see the class
    @property
    def etag(self) -> str: ...  # noqa: D102
    @property
    def content_type(self) -> str: ...  # noqa: D102
    @property
    def metadata(self) -> Mapping[str, str]: ...  # noqa: D102


class VersionChanged(Exception):  # noqa: N818 - what happened
    """The object is no longer the version that was fetched; it was left as it is."""


def is_aside(name: str) -> bool:
    """Whether an object below the bucket path is content that was uploaded to replace a file."""
    return _IS_ASIDE.fullmatch(name) is not None


class Replacing:
    """Replaces and deletes versions of objects.

    etag_of  looks up the ETag of an object; None if there is no object

    Raises, from every method:
        VersionChanged: the object is another version, or gone.
        Exception: whatever boto3 raises.
    """

    def __init__(self, client: S3Client, storage: S3Storage, etag_of: Callable[[str], str | None]) -> None:
        self._client = client
        self._storage = storage
        self._bucket = storage.s3_bucket_name
        self._etag_of = etag_of

    def replace(self, version: Version, content: IO[bytes]) -> None:
        """Store content in place of a version, atomically; content type and metadata stay."""
        if self._has_conditional_writes:
            self._put_conditionally(version, content)
        else:
            self._put_aside_and_copy(version, content)

    def delete(self, version: Version) -> None:
        """Delete a version; a look at it comes right before, as few stores compare by themselves."""
        from botocore.exceptions import ClientError

        self._look_at(version)
        try:
            self._client.delete_object(Bucket=self._bucket, Key=version.key, IfMatch=_quoted(version.etag))
        except ClientError as error:
            match status_of(error):
                case 404:  # also when the answer to a first attempt was lost
                    return
                case 409 | 412:
                    raise VersionChanged from None
                case status if status in _CONDITION_UNKNOWN:
                    self._client.delete_object(Bucket=self._bucket, Key=version.key)
                case _:
                    raise

    @cached_property
    def _has_conditional_writes(self) -> bool:
        from botocore.exceptions import ClientError

        key = self._aside()
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=b"", IfMatch=_NO_VERSION)
        except ClientError as error:
            status = status_of(error)
            if status in (*_CONDITION_FAILED, *_CONDITION_UNKNOWN):
                return status in _CONDITION_FAILED
            raise
        self._client.delete_object(Bucket=self._bucket, Key=key)
        return False

    def _put_conditionally(self, version: Version, content: IO[bytes]) -> None:
        from botocore.exceptions import ClientError

        self._look_at(version)
        replaced = Replaced(version.etag, partial(self._look_at, version))
        try:
            upload(
                self._client,
                self._storage,
                version.key,
                content,
                version.content_type,
                version.metadata,
                replaced,
            )
        except ClientError as error:
            if status_of(error) not in _CONDITION_FAILED:
                raise
            # The answer to a first attempt may have been lost; the version is our own then.
            if self._etag_of(version.key) != _md5(content):
                raise VersionChanged from None

    def _put_aside_and_copy(self, version: Version, content: IO[bytes]) -> None:
        aside = self._aside()
        try:
            upload(self._client, self._storage, aside, content, version.content_type, version.metadata)
            self._look_at(version)
            self._client.copy_object(
                **self._target(version), CopySource={"Bucket": self._bucket, "Key": aside}
            )
            if not self._is_copied(version, content):
                upload(
                    self._client, self._storage, version.key, content, version.content_type, version.metadata
                )
        finally:
            with contextlib.suppress(Exception):  # what is left here, the next replay deletes
                self._client.delete_object(Bucket=self._bucket, Key=aside)

    def _is_copied(self, version: Version, content: IO[bytes]) -> bool:
        """Whether the file has the content now; nothing, or only its beginning, is a copy that was lost.

        Raises:
            VersionChanged: it has other content, which somebody has uploaded since.
            UnprovenUploadError: it is the version that was to be replaced.
        """
        from botocore.exceptions import ClientError

        try:
            answer = self._client.get_object(**self._target(version))
        except ClientError as error:
            if status_of(error) == 404:
                content.seek(0)
                return False
            raise
        if etag_in(cast("Mapping[str, Any]", answer)) == version.etag:
            raise UnprovenUploadError(Fault.OTHER_CONTENT)
        content.seek(0)
        with contextlib.closing(answer["Body"]) as body:
            while piece := body.read(_PART_BYTES):
                if content.read(len(piece)) != piece:
                    raise VersionChanged
        is_whole = not content.read(1)
        content.seek(0)
        return is_whole

    def _look_at(self, version: Version) -> None:
        if self._etag_of(version.key) != version.etag:
            raise VersionChanged

    def _target(self, version: Version) -> Any:
        return {"Bucket": self._bucket, "Key": version.key}

    def _aside(self) -> str:
        return bucket_root(self._storage) + _ASIDE.format(uuid4())


def _quoted(etag: str) -> str:
    return f'"{etag}"'


def _md5(content: IO[bytes]) -> str:
    content.seek(0)
    digest = hashlib.md5(usedforsecurity=False)
    while piece := content.read(_PART_BYTES):
        digest.update(piece)
    return digest.hexdigest()
