"""Long rows take memory and time by their length, whatever is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import Connector, catalog_of, config_for, record, stream, stream_state

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

MEGABYTES = 10
LENGTH = MEGABYTES * 1_000_000
MAX_LENGTHS = 6
START = (
    b'{"type":"RECORD","record":{"stream":"users","emitted_at":1764000000000,"data":{"person_email":"a@b.c"'
)


def repeated(begin: bytes, piece: bytes, end: bytes) -> bytes:
    """A row whose last columns are a beginning, a piece repeated to the length, and an end."""
    return b"".join((START, begin, piece * (LENGTH // len(piece)), end, b"}}}"))


def columns(value: bytes) -> bytes:
    """A row of as many columns as its length has room for."""
    return b"".join((START, *(b',"c%d":%b' % (number, value) for number in range(LENGTH // 13)), b"}}}"))


ROWS = {
    "text": lambda: repeated(b',"x":"', b"lorem ipsum ", b'"'),
    "escapes": lambda: repeated(b',"x":"', rb"\"\\\u00e9", b'"'),
    "lone surrogates": lambda: repeated(b',"x":"', rb"\ud800", b'"'),
    "NaN": lambda: repeated(b',"x":[0', b",NaN", b"]"),
    "NaN before objects": lambda: repeated(b',"x":[NaN', b',{"a":1}', b"]"),
    "columns": lambda: columns(b"0"),
    "columns and NaN": lambda: columns(b"NaN"),
    "objects in an identifier": lambda: repeated(b',"person_email":[0', b',{"a":1}', b"]"),
    "digits in an identifier": lambda: repeated(b',"person_email":1', b"1234567890", b""),
    "objects in an attribute that acts": lambda: repeated(b',"unsubscribed":[0', b',{"a":1}', b"]"),
    "relationships": lambda: repeated(b',"cio_relationships":[0', b",0", b"]"),
    "nested arrays": lambda: repeated(b',"x":[0', b"," + b"[" * 500 + b"]" * 500, b"]"),
}


def grown_lengths(api: LocalTrackApi, line: bytes, times: int = 1, **config: object) -> float:
    """How many times the length of a line the memory grows by, while it is read several times and rejected."""
    with Connector(
        "write", config_for(api.url, **config), catalog_of(stream("users", "person_identify"))
    ) as sync:
        sync.send([record("users", {"person_email": None}), stream_state("users", 0)])
        sync.next_message("STATE")
        before = sync.peak_memory_kib
        for _ in range(times):
            sync.send([line])
        sync.send([stream_state("users", 1)])
        assert sync.next_message("STATE")["destinationStats"] == {
            "recordCount": 0.0,
            "rejectedRecordCount": float(times),
        }
        grown = sync.peak_memory_kib - before
        assert sync.finish().exit_code == 0
    return grown * 1024 / len(line)


@pytest.mark.parametrize("content", ROWS)
def test_memory_is_a_small_multiple_of_the_longest_line(api: LocalTrackApi, content: str) -> None:
    """No content is parsed into objects that take many times its length."""
    assert grown_lengths(api, ROWS[content]()) < MAX_LENGTHS


def test_long_rows_do_not_queue_up(api: LocalTrackApi) -> None:
    """The source waits until a long row is processed, as for many short ones."""
    assert grown_lengths(api, ROWS["text"](), times=12) < MAX_LENGTHS


@pytest.mark.parametrize("file_format", ["CSV", "JSONL"])
def test_dead_letters_keep_few_copies_of_a_long_row(
    api: LocalTrackApi, bucket: Bucket, file_format: str
) -> None:
    """While it is turned into a line of a file, and while that is uploaded."""
    storage = bucket.config(format={"format_type": file_format, "flattening": "No flattening"})
    line = ROWS["escapes"]()
    assert grown_lengths(api, line, times=3, object_storage_config=storage) < MAX_LENGTHS
    keys = bucket.keys()
    assert sum(len(bucket.read(key)) for key in keys) > 3 * len(line)
