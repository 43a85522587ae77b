"""Rejected rows on their way to the bucket: settled when, and only when, the bucket has them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import threading
from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.dead_letters import spool as writer
from destination_customerio.dead_letters.spool import FileUploaded
from unit_tests.dead_letters.bucket_server import Bucket, Refusal
from unit_tests.dead_letters.coordinator import (
    FLAT_CSV,
    JSONL,
    ORDERS,
    REJECTION,
    USERS,
    Coordinator,
    epoch,
    line,
)


class TestEveryImplementation:
    """What the coordinator may rely on, with a bucket and without."""

    @pytest.fixture(params=["bucket", "counted"])
    def coordinator(
        self, request: pytest.FixtureRequest, bucket: Bucket, coordinator: Coordinator
    ) -> Coordinator:
        """The coordinator with either implementation."""
        if request.param == "bucket":
            coordinator.with_bucket(bucket.url, format=JSONL)
        return coordinator

    def test_every_row_is_settled_once_for_its_own_epoch(self, coordinator: Coordinator) -> None:
        """Several epochs may share a file, and one may be spread over several."""
        letters = coordinator.dead_letters
        epochs = [epoch(), epoch(), epoch()]
        for number in range(60):
            letters.add((USERS, ORDERS)[number % 2], line(number), REJECTION, epochs[number % 3])
            if number == 30:
                letters.seal()
        letters.seal()
        coordinator.handle_all()
        assert coordinator.settled == dict.fromkeys(epochs, 20)
        assert letters.pending == 0

    def test_nothing_is_open_at_first_or_after_sealing(self, coordinator: Coordinator) -> None:
        """The coordinator sets its timer by it."""
        letters = coordinator.dead_letters
        assert letters.oldest_opened_at() is None
        letters.add(USERS, line(1), REJECTION, epoch())
        letters.seal()
        assert letters.oldest_opened_at() is None
        coordinator.handle_all()

    def test_without_rows_there_is_nothing_to_do(self, coordinator: Coordinator, bucket: Bucket) -> None:
        """Sealing and closing are always allowed, and make no empty file."""
        letters = coordinator.dead_letters
        letters.seal()
        letters.seal(0)
        assert (letters.pending, letters.is_full, list(letters.stored)) == (0, False, [])
        letters.close()
        letters.close()
        assert not bucket.objects

    def test_one_small_row_does_not_fill_it(self, coordinator: Coordinator) -> None:
        """Input is held back only when very much waits."""
        coordinator.dead_letters.add(USERS, line(1), REJECTION, epoch())
        assert not coordinator.dead_letters.is_full
        coordinator.dead_letters.seal()
        coordinator.handle_all()


def test_without_a_bucket_a_row_is_settled_at_once(coordinator: Coordinator) -> None:
    """There is nothing to wait for: it is counted."""
    ticket = epoch()
    coordinator.dead_letters.add(USERS, line(1), REJECTION, ticket)
    assert coordinator.settled == {ticket: 1}


def test_a_row_is_not_settled_before_the_bucket_has_it(bucket: Bucket, coordinator: Coordinator) -> None:
    """Neither when it is spooled, nor when its file is sealed, nor when the upload is under way."""
    may_answer = threading.Event()
    uploading = threading.Event()

    def hold() -> None:
        uploading.set()
        assert may_answer.wait(30)

    bucket.refuse = hold
    letters = coordinator.with_bucket(bucket.url)
    letters.add(USERS, line(1), REJECTION, epoch())
    letters.seal()
    assert uploading.wait(30)
    assert (letters.pending, coordinator.settled) == (1, {})
    may_answer.set()
    event = coordinator.next_event()
    assert (letters.pending, coordinator.settled) == (1, {}), "settled from another thread"
    assert isinstance(event, FileUploaded)
    letters.handle(event)
    assert (letters.pending, coordinator.settled.total()) == (0, 1)


def test_a_file_is_settled_once_however_often_it_is_told_of(bucket: Bucket, coordinator: Coordinator) -> None:
    """A row settled twice would let a state go too early."""
    letters = coordinator.with_bucket(bucket.url)
    letters.add(USERS, line(1), REJECTION, epoch())
    letters.seal()
    event = coordinator.next_event()
    assert isinstance(event, FileUploaded)
    letters.handle(event)
    letters.handle(event)
    assert (coordinator.settled.total(), letters.pending) == (1, 0)


def test_files_of_several_streams_with_what_lies_in_them(bucket: Bucket, coordinator: Coordinator) -> None:
    """Each stream has files of its own, and the report names them with their rows."""
    letters = coordinator.with_bucket(bucket.url, format=JSONL)
    for number in range(5):
        letters.add(USERS, line(number), REJECTION, epoch())
    letters.add(ORDERS, line(9), REJECTION, epoch())
    letters.seal()
    coordinator.handle_all()
    assert [(file.stream, file.rows) for file in letters.stored] == [(USERS, 5), (ORDERS, 1)]
    assert [file.key for file in letters.stored] == list(bucket.objects)
    users, orders = ([json.loads(row) for row in file.splitlines()] for file in bucket.objects.values())
    assert [row["_airbyte_data"]["n"] for row in users] == [0, 1, 2, 3, 4]
    assert [row["_airbyte_data"]["n"] for row in orders] == [9]
    assert len({row["_airbyte_raw_id"] for row in users}) == 5


def test_files_roll_before_they_are_too_large(bucket: Bucket, coordinator: Coordinator) -> None:
    """A file over the limit holds one row, which no file can hold otherwise; the rows keep their order."""
    letters = coordinator.with_bucket(bucket.url, format=FLAT_CSV, max_file_bytes=2_000)
    paddings = [100] * 20 + [5_000] + [100] * 20
    for number, padding in enumerate(paddings):
        letters.add(USERS, line(number, padding), REJECTION, epoch())
    letters.seal()
    coordinator.handle_all()
    files = [list(csv.DictReader(io.StringIO(file.decode(), newline=""))) for file in bucket.objects.values()]
    assert [row["n"] for rows in files for row in rows] == [str(number) for number in range(41)]
    sizes = [len(file) for file in bucket.objects.values()]
    assert all(size <= 2_000 or len(rows) == 1 for size, rows in zip(sizes, files, strict=True))
    assert len(files) < 15
    assert [file.rows for file in letters.stored] == [len(rows) for rows in files]


def test_a_row_with_a_column_outside_the_schema_goes_into_the_open_file(
    bucket: Bucket, coordinator: Coordinator
) -> None:
    """Columns made of ids must not make a file of every row."""
    letters = coordinator.with_bucket(bucket.url, format=FLAT_CSV)
    for number in range(300):
        columns: dict[str, Any] = {f"key_{number}": "new"}
        letters.add(USERS, line(number, **columns), REJECTION, epoch())
    letters.seal()
    coordinator.handle_all()
    (content,) = bucket.objects.values()
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["n"] for row in rows] == [str(number) for number in range(300)]
    assert json.loads(rows[299]["_airbyte_data"]) == {"key_299": "new"}


@pytest.mark.parametrize(
    ("file_format", "compression", "content_type"),
    [
        ("CSV", "No Compression", "text/csv; charset=utf-8"),
        ("JSONL", "No Compression", "application/x-ndjson"),
        ("CSV", "GZIP", "application/gzip"),
        ("JSONL", "GZIP", "application/gzip"),
    ],
)
def test_files_say_what_they_are(
    bucket: Bucket, coordinator: Coordinator, file_format: str, compression: str, content_type: str
) -> None:
    """A .gz file is a gz file, and not declared as an encoding that readers take off on the way."""
    values = {"format": {"format_type": file_format}, "compression": {"compression_type": compression}}
    letters = coordinator.with_bucket(bucket.url, **values)
    for number in range(3):
        letters.add(USERS, line(number), REJECTION, epoch())
    letters.seal()
    coordinator.handle_all()
    ((key, content),) = bucket.objects.items()
    assert bucket.content_types[key] == content_type
    assert key.endswith(".gz") == (compression == "GZIP")
    text = gzip.decompress(content) if compression == "GZIP" else content
    assert text.count(b"person_email is empty.") == 3


def test_a_file_over_its_place_in_memory_arrives_whole(bucket: Bucket, coordinator: Coordinator) -> None:
    """It moved to the disk in between."""
    letters = coordinator.with_bucket(bucket.url, format=JSONL)
    for number in range(300):
        letters.add(USERS, line(number, 1_000), REJECTION, epoch())
    letters.seal()
    coordinator.handle_all()
    (content,) = bucket.objects.values()
    assert len(content) > 300_000
    assert [json.loads(row)["_airbyte_data"]["n"] for row in content.splitlines()] == list(range(300))


def test_only_old_files_are_sealed_when_asked(bucket: Bucket, coordinator: Coordinator) -> None:
    """A file opened exactly at the given time is old enough, or a timer set for it would not end."""
    letters = coordinator.with_bucket(bucket.url)
    letters.add(USERS, line(1), REJECTION, epoch())
    coordinator.now = 105.0
    letters.add(ORDERS, line(1), REJECTION, epoch())
    coordinator.now = 110.0
    letters.add(USERS, line(2), REJECTION, epoch())
    assert letters.oldest_opened_at() == 100.0
    letters.seal(99.9)
    assert letters.oldest_opened_at() == 100.0
    letters.seal(100.0)
    assert letters.oldest_opened_at() == 105.0
    letters.seal()
    coordinator.handle_all()
    assert [file.rows for file in letters.stored] == [2, 1]


def test_open_files_are_bounded_together(bucket: Bucket, coordinator: Coordinator) -> None:
    """With many streams no file may reach its own limit; the largest goes first."""
    letters = coordinator.with_bucket(bucket.url, format=JSONL, max_open_bytes=10_000)
    letters.add(USERS, line(1, 6_000), REJECTION, epoch())
    letters.add(ORDERS, line(1, 1_000), REJECTION, epoch())
    for number in range(2, 8):
        letters.add(ORDERS, line(number, 400), REJECTION, epoch())
    event = coordinator.next_event()
    assert isinstance(event, FileUploaded)
    letters.handle(event)
    assert [file.stream for file in letters.stored] == [USERS]
    letters.seal()
    coordinator.handle_all()
    assert [file.stream for file in letters.stored] == [USERS, ORDERS]


@pytest.mark.parametrize("bound", ["_MAX_OPEN_FILES_ON_DISK", "_MAX_OPEN_FILES"])
def test_open_files_are_bounded_in_number(
    bucket: Bucket, coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Those on the disk cost a descriptor each, all cost memory; the largest goes first."""
    monkeypatch.setattr(writer, bound, 3)
    letters = coordinator.with_bucket(bucket.url, format=JSONL)
    streams = [Stream(f"stream_{number}") for number in range(4)]
    for number, stream in enumerate(streams):
        letters.add(stream, line(1, 70_000 - number), REJECTION, epoch())
    event = coordinator.next_event()
    assert isinstance(event, FileUploaded)
    letters.handle(event)
    assert [file.stream for file in letters.stored] == streams[:1]
    letters.seal()
    coordinator.handle_all()
    assert [file.stream for file in letters.stored] == streams


def test_it_is_full_while_too_much_waits_for_the_uploader(bucket: Bucket, coordinator: Coordinator) -> None:
    """And no longer once the bucket has it; what is open does not count, as nobody would make room of it."""
    may_answer = threading.Event()
    bucket.refuse = lambda: None if may_answer.wait(30) else Refusal(500, "NobodyLetIt")
    letters = coordinator.with_bucket(bucket.url, format=JSONL, max_file_bytes=5_000, max_waiting_bytes=8_000)
    letters.add(USERS, line(1, 4_000), REJECTION, epoch())
    letters.add(USERS, line(2, 4_000), REJECTION, epoch())
    fullness = [letters.is_full]
    letters.seal()
    fullness.append(letters.is_full)
    may_answer.set()
    coordinator.handle_all()
    assert [*fullness, letters.is_full] == [False, True, False]


def test_it_is_full_while_too_many_files_wait_for_the_uploader(
    bucket: Bucket, coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small they are."""
    monkeypatch.setattr(writer, "_MAX_WAITING_FILES", 2)
    letters = coordinator.with_bucket(bucket.url)
    for number in range(3):
        letters.add(Stream(f"stream_{number}"), line(1), REJECTION, epoch())
    letters.seal()
    was_full = letters.is_full
    coordinator.handle_all()
    assert (was_full, letters.is_full) == (True, False)
