"""Rejected rows on their way to the bucket: settled when, and only when, the bucket has them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import threading
from collections import Counter
from typing import Any

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.dead_letters.spool import SpoolLimits
from destination_customerio.dead_letters.uploader import UploadFailed
from destination_customerio.errors import TransientError
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

IN_ORDER = SpoolLimits(uploads_at_once=1)


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
        coordinator.settle_all()
        assert coordinator.settled == dict.fromkeys(epochs, 20)
        assert letters.backlog.rows == 0

    def test_every_row_is_in_the_backlog_or_settled(self, coordinator: Coordinator) -> None:
        """A coordinator that ends without a backlog has lost nothing."""
        for number in range(3):
            coordinator.dead_letters.add(USERS, line(number), REJECTION, epoch())
            assert coordinator.dead_letters.backlog.rows + coordinator.settled.total() == number + 1

    def test_nothing_is_open_at_first_or_after_sealing(self, coordinator: Coordinator) -> None:
        """The coordinator sets its timer by it."""
        letters = coordinator.dead_letters
        assert letters.seal() is None
        letters.add(USERS, line(1), REJECTION, epoch())
        assert letters.seal() is None
        coordinator.settle_all()

    def test_without_rows_there_is_nothing_to_do(self, coordinator: Coordinator, bucket: Bucket) -> None:
        """Sealing is always allowed, and makes no empty file."""
        letters = coordinator.dead_letters
        letters.seal()
        letters.seal(0)
        assert letters.backlog == (0, False)
        coordinator.close()
        assert not bucket.objects

    def test_one_small_row_does_not_fill_it(self, coordinator: Coordinator) -> None:
        """Input is held back only when very much waits."""
        coordinator.dead_letters.add(USERS, line(1), REJECTION, epoch())
        assert not coordinator.dead_letters.backlog.is_full
        coordinator.dead_letters.seal()
        coordinator.settle_all()


def test_without_a_bucket_a_row_is_settled_at_once(coordinator: Coordinator) -> None:
    """There is nothing to wait for: it is counted."""
    an_epoch = epoch()
    coordinator.dead_letters.add(USERS, line(1), REJECTION, an_epoch)
    assert coordinator.settled == {an_epoch: 1}


def test_a_row_is_not_settled_before_the_bucket_has_it(bucket: Bucket, coordinator: Coordinator) -> None:
    """Neither when it is spooled, nor when its file is sealed, nor during the upload."""
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
    assert (letters.backlog.rows, coordinator.settled) == (1, {})
    may_answer.set()
    file = coordinator.next_file()
    assert (letters.backlog.rows, coordinator.settled) == (1, {}), "settled from another thread"
    letters.uploaded(file)
    assert (letters.backlog.rows, coordinator.settled.total()) == (0, 1)


def test_a_duplicate_upload_event_settles_once(bucket: Bucket, coordinator: Coordinator) -> None:
    """A row settled twice would let a state go too early."""
    letters = coordinator.with_bucket(bucket.url)
    letters.add(USERS, line(1), REJECTION, epoch())
    letters.seal()
    file = coordinator.next_file()
    letters.uploaded(file)
    letters.uploaded(file)
    assert (coordinator.settled.total(), letters.backlog.rows) == (1, 0)


def test_each_stream_has_files_of_its_own(bucket: Bucket, coordinator: Coordinator) -> None:
    """Rows keep their order, and each has an id of its own."""
    letters = coordinator.with_bucket(bucket.url, IN_ORDER, format=JSONL)
    for number in range(5):
        letters.add(USERS, line(number), REJECTION, epoch())
    letters.add(ORDERS, line(9), REJECTION, epoch())
    letters.seal()
    coordinator.settle_all()
    assert [(file.stream, file.rows) for file in coordinator.stored] == [(USERS, 5), (ORDERS, 1)]
    assert [file.key for file in coordinator.stored] == list(bucket.objects)
    users, orders = ([json.loads(row) for row in file.splitlines()] for file in bucket.objects.values())
    assert [row["_airbyte_data"]["n"] for row in users] == [0, 1, 2, 3, 4]
    assert [row["_airbyte_data"]["n"] for row in orders] == [9]
    assert len({row["_airbyte_raw_id"] for row in users}) == 5


def test_files_roll_before_they_are_too_large(bucket: Bucket, coordinator: Coordinator) -> None:
    """A file over the limit holds one row, which no file can hold otherwise; the rows keep their order."""
    letters = coordinator.with_bucket(
        bucket.url, SpoolLimits(max_file_bytes=2_000, uploads_at_once=1), format=FLAT_CSV
    )
    paddings = [100] * 20 + [5_000] + [100] * 20
    for number, padding in enumerate(paddings):
        letters.add(USERS, line(number, padding), REJECTION, epoch())
    letters.seal()
    coordinator.settle_all()
    files = [list(csv.DictReader(io.StringIO(file.decode(), newline=""))) for file in bucket.objects.values()]
    assert [row["n"] for rows in files for row in rows] == [str(number) for number in range(41)]
    sizes = [len(file) for file in bucket.objects.values()]
    assert all(size <= 2_000 or len(rows) == 1 for size, rows in zip(sizes, files, strict=True))
    assert len(files) < 15
    assert [file.rows for file in coordinator.stored] == [len(rows) for rows in files]


def test_a_row_with_a_column_outside_the_schema_goes_into_the_open_file(
    bucket: Bucket, coordinator: Coordinator
) -> None:
    """Columns made of ids must not make a file of every row."""
    letters = coordinator.with_bucket(bucket.url, format=FLAT_CSV)
    for number in range(300):
        columns: dict[str, Any] = {f"key_{number}": "new"}
        letters.add(USERS, line(number, **columns), REJECTION, epoch())
    letters.seal()
    coordinator.settle_all()
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
def test_the_content_type_is_that_of_the_file(
    bucket: Bucket, coordinator: Coordinator, file_format: str, compression: str, content_type: str
) -> None:
    """Compression is not declared as an encoding, which readers would undo on the way."""
    values: dict[str, Any] = {
        "format": {"format_type": file_format},
        "compression": {"compression_type": compression},
    }
    letters = coordinator.with_bucket(bucket.url, **values)
    for number in range(3):
        letters.add(USERS, line(number), REJECTION, epoch())
    letters.seal()
    coordinator.settle_all()
    ((key, content),) = bucket.objects.items()
    assert bucket.content_types[key] == content_type
    assert key.endswith(".gz") == (compression == "GZIP")
    text = gzip.decompress(content) if compression == "GZIP" else content
    assert text.count(b"person_email is empty.") == 3


def test_a_file_that_moved_from_memory_to_disk_arrives_whole(
    bucket: Bucket, coordinator: Coordinator
) -> None:
    """No row is lost or doubled by the move."""
    letters = coordinator.with_bucket(bucket.url, format=JSONL)
    for number in range(300):
        letters.add(USERS, line(number, 1_000), REJECTION, epoch())
    letters.seal()
    coordinator.settle_all()
    (content,) = bucket.objects.values()
    assert len(content) > 300_000
    assert [json.loads(row)["_airbyte_data"]["n"] for row in content.splitlines()] == list(range(300))


def test_only_old_files_are_sealed_when_asked(bucket: Bucket, coordinator: Coordinator) -> None:
    """A file opened exactly at the given time is old enough, or a timer set for it would not end."""
    letters = coordinator.with_bucket(bucket.url, IN_ORDER)
    letters.add(USERS, line(1), REJECTION, epoch())
    coordinator.now = 105.0
    letters.add(ORDERS, line(1), REJECTION, epoch())
    coordinator.now = 110.0
    letters.add(USERS, line(2), REJECTION, epoch())
    assert letters.seal(99.9) == 100.0
    assert letters.seal(100.0) == 105.0
    assert letters.seal() is None
    coordinator.settle_all()
    assert [file.rows for file in coordinator.stored] == [2, 1]


def test_open_files_are_bounded_together(bucket: Bucket, coordinator: Coordinator) -> None:
    """With many streams no file may reach its own limit; the largest goes first."""
    letters = coordinator.with_bucket(bucket.url, SpoolLimits(max_open_bytes=10_000), format=JSONL)
    letters.add(USERS, line(1, 6_000), REJECTION, epoch())
    letters.add(ORDERS, line(1, 1_000), REJECTION, epoch())
    for number in range(2, 8):
        letters.add(ORDERS, line(number, 400), REJECTION, epoch())
    coordinator.settle_next_file()
    assert [file.stream for file in coordinator.stored] == [USERS]
    letters.seal()
    coordinator.settle_all()
    assert [file.stream for file in coordinator.stored] == [USERS, ORDERS]


@pytest.mark.parametrize(
    "limits",
    [
        SpoolLimits(max_open_files=3, uploads_at_once=1),
        SpoolLimits(max_open_files_on_disk=3, uploads_at_once=1),
    ],
    ids=["in all", "on disk"],
)
def test_open_files_are_bounded_in_number(
    bucket: Bucket, coordinator: Coordinator, limits: SpoolLimits
) -> None:
    """Those on disk cost a descriptor each, all cost memory; the largest goes first."""
    letters = coordinator.with_bucket(bucket.url, limits, format=JSONL)
    streams = [Stream(f"stream_{number}") for number in range(4)]
    for number, stream in enumerate(streams):
        letters.add(stream, line(1, 70_000 - number), REJECTION, epoch())
    coordinator.settle_next_file()
    assert [file.stream for file in coordinator.stored] == streams[:1]
    letters.seal()
    coordinator.settle_all()
    assert [file.stream for file in coordinator.stored] == streams


def test_the_backlog_is_full_while_too_many_bytes_wait_for_the_uploader(
    bucket: Bucket, coordinator: Coordinator
) -> None:
    """Open files do not count, as nobody would make room for more of them."""
    may_answer = threading.Event()
    bucket.refuse = lambda: None if may_answer.wait(30) else Refusal(500, "NobodyLetIt")
    limits = SpoolLimits(max_file_bytes=5_000, max_waiting_bytes=8_000)
    letters = coordinator.with_bucket(bucket.url, limits, format=JSONL)
    letters.add(USERS, line(1, 4_000), REJECTION, epoch())
    letters.add(USERS, line(2, 4_000), REJECTION, epoch())
    fullness = [letters.backlog.is_full]
    letters.seal()
    fullness.append(letters.backlog.is_full)
    may_answer.set()
    coordinator.settle_all()
    assert [*fullness, letters.backlog.is_full] == [False, True, False]


def test_the_backlog_is_full_while_too_many_files_wait_for_the_uploader(
    bucket: Bucket, coordinator: Coordinator
) -> None:
    """However small they are."""
    letters = coordinator.with_bucket(bucket.url, SpoolLimits(max_waiting_files=2))
    for number in range(3):
        letters.add(Stream(f"stream_{number}"), line(1), REJECTION, epoch())
    letters.seal()
    was_full = letters.backlog.is_full
    coordinator.settle_all()
    assert (was_full, letters.backlog.is_full) == (True, False)


def test_files_are_uploaded_several_at_a_time(bucket: Bucket, coordinator: Coordinator) -> None:
    """As many as allowed, and no more; a slow store makes states wait for its slowest answer, not for all of them."""
    running, most = Counter[str](), [0]
    all_running = threading.Barrier(4)
    lock = threading.Lock()

    def hold() -> None:
        with lock:
            running["now"] += 1
            most[0] = max(most[0], running["now"])
        all_running.wait(30)
        with lock:
            running["now"] -= 1

    bucket.refuse = hold
    letters = coordinator.with_bucket(bucket.url, SpoolLimits(uploads_at_once=4))
    epochs = [epoch() for _ in range(12)]
    for number, an_epoch in enumerate(epochs):
        letters.add(Stream(f"stream_{number}"), line(1), REJECTION, an_epoch)
    letters.seal()
    coordinator.settle_all()
    assert most == [4]
    assert coordinator.settled == dict.fromkeys(epochs, 1)


def test_a_machine_without_room_for_a_thread_fails_the_upload(
    bucket: Bucket, coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a sentence that names the limit; nothing waits for an upload that never begins."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    letters = coordinator.with_bucket(bucket.url)
    letters.add(USERS, line(1), REJECTION, epoch())
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        letters.seal()
    event = coordinator.next_event()
    assert isinstance(event, UploadFailed)
    assert isinstance(event.error, TransientError)
    assert "could not start another thread" in str(event.error)
