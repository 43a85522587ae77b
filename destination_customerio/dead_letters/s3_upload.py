"""The upload of one file, and the proof that the store has it.

A status of 200 proves nothing: proxies, portals and web consoles answer it to every request. A file counts as stored when

1. each request's answer is 200 with an ETag. Content-MD5 makes the store refuse a damaged body, which buckets with Object
   Lock require; for AWS, boto3 adds a CRC32. An ETag in the form of an MD5 must be that of the content, unless the
   answer names encryption with somebody's own key (SSE-KMS, SSE-C), whose ETags only look like one;
2. HEAD finds an object with the ETag of the upload and of the same size. Some stores need a moment until it does. Some
   proxies lose the size in answers to HEAD, so where it differs, the object is read back and compared. Credentials that
   may write but not read find nothing: then the first proof suffices, if the ETag is the MD5 of the content.

The ETag of an upload in parts is not recomputed, as stores make it differently; those of its parts are checked.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import re
import time
from functools import partial
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from destination_customerio.dead_letters.s3_answers import etag_in, status_of
from destination_customerio.dead_letters.s3_faults import Fault, UnprovenUploadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

    from destination_customerio.config.storage import S3Storage

_PART_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_OK = 200
_FORBIDDEN, _NOT_FOUND = 403, 404
# Stores that are eventually consistent, or replicated, may show an older state for a while.
LAG_SECONDS = (0.5, 1.0, 2.0)
_LAGS = frozenset({Fault.NOT_STORED, Fault.OTHER_CONTENT})
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
# With any other value of this header, the ETag is not the MD5 of the content.
_ENCRYPTION_WITH_MD5 = ("", "AES256")


class Replaced(NamedTuple):
    """The version of an object that an upload replaces, and no other.

    look  raises if the object is no longer this version
    """

    etag: str
    look: Callable[[], None]


def upload(
    client: S3Client,
    storage: S3Storage,
    key: str,
    file: IO[bytes],
    content_type: str,
    metadata: Mapping[str, str] | None = None,
    replacing: Replaced | None = None,
    lag_seconds: Sequence[float] = LAG_SECONDS,
) -> None:
    """Upload a file from its current position, in this thread; large ones in parts. It appears whole or not at all.

    `lag_seconds` are the pauses between looks for the object in the store.

    A .gz file has a content type and no content encoding, so that no client decompresses it on the way.

    Raises:
        Exception: whatever boto3 raises, after its own retries, or `UnprovenUploadError`; see `s3_errors.explain`.
    """
    condition: dict[str, Any] = {"IfMatch": f'"{replacing.etag}"'} if replacing else {}
    start = file.tell()
    size = file.seek(0, io.SEEK_END) - start
    target: dict[str, Any] = {"Bucket": storage.s3_bucket_name, "Key": key}
    described: dict[str, Any] = {"ContentType": content_type, "Metadata": dict(metadata or {})}
    if size <= _PART_BYTES:
        etag = put(client, target, _Part(file, start, size), **described, **condition)
    else:
        etag = _put_in_parts(
            client,
            target,
            [
                _Part(file, at, min(_PART_BYTES, start + size - at))
                for at in range(start, start + size, _PART_BYTES)
            ],
            described,
            replacing.look if replacing else lambda: None,
            condition,
        )
    content = _Part(file, start, size)
    if fault := after_lag(partial(_fault_of_stored, client, target, content, etag), lag_seconds):
        raise UnprovenUploadError(fault)


def after_lag(look: Callable[[], Fault | None], lag_seconds: Sequence[float] = LAG_SECONDS) -> Fault | None:
    """What a look at the store finds to be wrong with an object; repeated while an older state may explain it."""
    for pause in lag_seconds:
        fault = look()
        if fault not in _LAGS:
            return fault
        time.sleep(pause)
    return look()


def put(client: S3Client, target: dict[str, Any], content: _Part | IO[bytes], **described: Any) -> str:
    """Write an object in one request; returns its ETag.

    Raises:
        Exception: as for `upload`.
    """
    digest = md5(content)
    answer = client.put_object(
        **target, Body=cast("IO[bytes]", content), ContentMD5=_in_base64(digest), **described
    )
    return _proven_etag(cast("Mapping[str, Any]", answer), digest)


def _put_in_parts(
    client: S3Client,
    target: dict[str, Any],
    parts: list[_Part],
    described: dict[str, Any],
    last_look: Callable[[], None],
    condition: dict[str, Any],
) -> str:
    # AWS wants to know at the start that the parts will have checksums.
    checksums = client.meta.config.request_checksum_calculation == "when_supported"  # type: ignore[attr-defined]
    algorithm: dict[str, Any] = {"ChecksumAlgorithm": "CRC32"} if checksums else {}
    begun = client.create_multipart_upload(**target, **described, **algorithm)
    upload_id = begun.get("UploadId")
    if not upload_id:
        raise UnprovenUploadError(Fault.NO_ETAG)
    begun_upload: dict[str, Any] = {**target, "UploadId": upload_id}
    try:
        completed = [
            _put_part(client, begun_upload, number, part, algorithm) for number, part in enumerate(parts, 1)
        ]
        last_look()  # some stores ignore the condition here
        answer = client.complete_multipart_upload(
            **begun_upload, MultipartUpload={"Parts": completed}, **condition
        )
    except BaseException:
        # What remains of it would cost storage.
        with contextlib.suppress(Exception):
            client.abort_multipart_upload(**begun_upload)
        raise
    return _etag(cast("Mapping[str, Any]", answer))


def _put_part(
    client: S3Client, begun_upload: dict[str, Any], number: int, part: _Part, algorithm: dict[str, Any]
) -> CompletedPartTypeDef:
    digest = md5(part)
    answer = client.upload_part(
        **begun_upload,
        PartNumber=number,
        Body=cast("IO[bytes]", part),
        ContentMD5=_in_base64(digest),
        **algorithm,
    )
    _proven_etag(cast("Mapping[str, Any]", answer), digest)
    completed: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
    if checksum := answer.get("ChecksumCRC32"):
        completed["ChecksumCRC32"] = checksum
    return completed


def _fault_of_stored(client: S3Client, target: dict[str, Any], content: _Part, etag: str) -> Fault | None:
    from botocore.exceptions import ClientError

    try:
        head = client.head_object(**target)
    except ClientError as error:
        status = status_of(error)
        if status == _NOT_FOUND:
            return Fault.NOT_STORED
        if status == _FORBIDDEN and etag == md5(content).hex():
            return None
        raise
    if _etag(cast("Mapping[str, Any]", head)) != etag:
        return Fault.OTHER_CONTENT
    if head.get("ContentLength") == content.size:
        return None
    with contextlib.closing(client.get_object(**target)["Body"]) as body:
        is_same = _md5_of(body.read) == md5(content)
    return None if is_same else Fault.OTHER_SIZE


def _proven_etag(answer: Mapping[str, Any], digest: bytes) -> str:
    etag = _etag(answer)
    is_md5 = (
        _MD5.fullmatch(etag)
        and answer.get("ServerSideEncryption", "") in _ENCRYPTION_WITH_MD5
        and not answer.get("SSECustomerAlgorithm")
    )
    if is_md5 and etag != digest.hex():
        raise UnprovenUploadError(Fault.OTHER_CONTENT)
    return etag


def _etag(answer: Mapping[str, Any]) -> str:
    """The ETag of an answer, as it can be compared: some stores use capitals."""
    etag = etag_in(answer)
    if answer["ResponseMetadata"]["HTTPStatusCode"] != _OK or not etag:
        raise UnprovenUploadError(Fault.NO_ETAG)
    return etag.lower() if _MD5.match(etag) else etag


def md5(content: _Part | IO[bytes]) -> bytes:
    """The digest of all bytes of a file, which is at its start afterwards."""
    content.seek(0)
    digest = _md5_of(content.read)
    content.seek(0)
    return digest


def _md5_of(read: Callable[[int], bytes]) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    while chunk := read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.digest()


def _in_base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


class _Part:
    """A part of a file as a file of its own, as boto3 reads it: from its start, again for each attempt."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file = file
        self._start = start
        self.size = size
        self._at = 0

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes; all that are left without a size."""
        left = self.size - self._at
        self._file.seek(self._start + self._at)
        found = self._file.read(left if size is None or size < 0 else min(size, left))
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.IOBase`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """See `io.IOBase`."""
        return self._at
