"""Replaces and deletes files, but only in the version that was fetched: what somebody uploaded since then is kept.

Where the store has conditional writes (If-Match), it compares and writes in one step. Whether it has them is asked once,
by a write that has to fail: some stores refuse the condition (501), others ignore it and write. Without conditional
writes the new content is uploaded under another key first; after a last look at the file it is copied over it within the
store, so that the gap between look and write does not depend on the size of the upload.

A store may confirm the copy and then lose it, and with it the rows that remain. So the copy is read back, and what was
uploaded under the other key (the aside) is kept until the file is proven to have its content. The aside's metadata names
the file, so that after a kill in between the next replay completes the replacement.
"""

from __future__ import annotations

import base64
import contextlib
import re
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, cast
from uuid import uuid4

from destination_customerio.dead_letters.keys import bucket_root
from destination_customerio.dead_letters.s3_answers import etag_in, status_of
from destination_customerio.dead_letters.s3_faults import Fault, UnprovenUploadError
from destination_customerio.dead_letters.s3_upload import Replaced, after_lag, md5, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_s3.client import S3Client

    from destination_customerio.config.storage import S3Storage

_CHUNK_BYTES = 16 << 20
_NO_VERSION = '"00000000000000000000000000000000"'
# Beside the files, for as long as one is replaced.
_ASIDE = "_replay_{}"
_IS_ASIDE = re.compile(r"_replay_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# In the metadata of an aside: the key, in Base64, and the version of the file that it replaces.
_TARGET_KEY, _TARGET_ETAG = "replaces-key", "replaces-version"
# S3 allows 2 KB. The copy gets the metadata too, as not every store can replace it; so what has no room for both keeps
# the file's own, and names no file.
_MAX_METADATA_BYTES = 2_000
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


class _Target(NamedTuple):
    key: str
    etag: str
    content_type: str
    metadata: Mapping[str, str]


class VersionChanged(Exception):  # noqa: N818 - what happened
    """The object is no longer the version that was fetched; it was left as it is."""


def is_aside(name: str) -> bool:
    """Whether an object below the bucket path is content that was uploaded to replace a file."""
    return _IS_ASIDE.fullmatch(name) is not None


def target_of(aside: Version) -> Version | None:
    """The version that an aside replaces; None where its metadata does not name one."""
    try:
        key = base64.b64decode(aside.metadata[_TARGET_KEY], validate=True).decode()
        etag = aside.metadata[_TARGET_ETAG]
    except (KeyError, ValueError):
        return None
    own = (_TARGET_KEY, _TARGET_ETAG)
    metadata = {name: value for name, value in aside.metadata.items() if name not in own}
    return _Target(key, etag, aside.content_type, metadata)


class Replacing:
    """Replaces and deletes versions of objects.

    etag_of      looks up the ETag of an object; None if there is no object
    lag_seconds  the pauses between looks for a copy

    Raises, from every method:
        VersionChanged: the object is another version, or gone.
        Exception: whatever boto3 raises.
    """

    def __init__(
        self,
        client: S3Client,
        storage: S3Storage,
        etag_of: Callable[[str], str | None],
        lag_seconds: Sequence[float],
    ) -> None:
        self._client = client
        self._storage = storage
        self._bucket = storage.s3_bucket_name
        self._etag_of = etag_of
        self._lag_seconds = lag_seconds

    def replace(self, version: Version, content: IO[bytes]) -> None:
        """Store content in place of a version, atomically; content type and metadata stay."""
        if self._has_conditional_writes:
            self._put_conditionally(version, content)
        else:
            self._put_aside_and_copy(version, content)

    def complete(self, version: Version, content: IO[bytes]) -> None:
        """Complete a replacement after its copy: what of the content the file lacks is uploaded."""
        match after_lag(partial(self._fault_of_copy, version, content), self._lag_seconds):
            case None:
                return
            case Fault.NOT_STORED:
                content.seek(0)
                upload(
                    self._client, self._storage, version.key, content, version.content_type, version.metadata
                )
            case fault:
                raise UnprovenUploadError(fault)

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
            if self._etag_of(version.key) != md5(content).hex():
                raise VersionChanged from None

    def _put_aside_and_copy(self, version: Version, content: IO[bytes]) -> None:
        aside = self._aside()
        upload(self._client, self._storage, aside, content, version.content_type, _metadata_of_aside(version))
        # Any other failure leaves the aside to the next replay: it may have the only copy of the rows that remain.
        try:
            self._look_at(version)
            self._client.copy_object(
                **self._target(version),
                CopySource={"Bucket": self._bucket, "Key": aside},
            )
            self.complete(version, content)
        except VersionChanged:
            self._delete_aside(aside)
            raise
        self._delete_aside(aside)

    def _delete_aside(self, aside: str) -> None:
        with contextlib.suppress(Exception):  # what is left here, the next replay deletes
            self._client.delete_object(Bucket=self._bucket, Key=aside)

    def _fault_of_copy(self, version: Version, content: IO[bytes]) -> Fault | None:
        """What is wrong with the file after the copy; None if it has the content.

        NOT_STORED if it is gone or has only the content's beginning, OTHER_CONTENT if it still is the version that was
        to be replaced.

        Raises:
            VersionChanged: it has other content, which somebody has uploaded since.
        """
        from botocore.exceptions import ClientError

        try:
            answer = self._client.get_object(**self._target(version))
        except ClientError as error:
            if status_of(error) == 404:
                return Fault.NOT_STORED
            raise
        content.seek(0)
        with contextlib.closing(answer["Body"]) as body:
            if etag_in(cast("Mapping[str, Any]", answer)) == version.etag:
                return Fault.OTHER_CONTENT
            while piece := body.read(_CHUNK_BYTES):
                if content.read(len(piece)) != piece:
                    raise VersionChanged
        return Fault.NOT_STORED if content.read(1) else None

    def _look_at(self, version: Version) -> None:
        if self._etag_of(version.key) != version.etag:
            raise VersionChanged

    def _target(self, version: Version) -> Any:
        return {"Bucket": self._bucket, "Key": version.key}

    def _aside(self) -> str:
        return bucket_root(self._storage) + _ASIDE.format(uuid4())


def _metadata_of_aside(version: Version) -> dict[str, str]:
    own = {_TARGET_KEY: base64.b64encode(version.key.encode()).decode(), _TARGET_ETAG: version.etag}
    both = {**version.metadata, **own}
    return both if sum(map(len, (*both, *both.values()))) <= _MAX_METADATA_BYTES else dict(version.metadata)


def _quoted(etag: str) -> str:
    return f'"{etag}"'
