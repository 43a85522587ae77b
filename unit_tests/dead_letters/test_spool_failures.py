"""Rejected rows when the bucket, the disk or the configuration fails: a sentence, and nothing settled that is not stored."""

from __future__ import annotations

import io
import threading
from typing import IO, Any

import pytest

from destination_customerio.dead_letters import uploader as upload
from destination_customerio.dead_letters.spool import FileUploaded
from destination_customerio.errors import ConfigError, SyncError, TransientError
from unit_tests.dead_letters.bucket_server import Bucket, Refusal
from unit_tests.dead_letters.coordinator import (
    REJECTION,
    USERS,
    Coordinator,
    epoch,
    line,
)


def test_a_failed_upload_ends_all_of_them(bucket: Bucket, coordinator: Coordinator) -> None:
    """One error is posted; files that waited behind are not uploaded, and no row of them is settled."""
    bucket.refuse = lambda: Refusal(403, "AccessDenied") if bucket.objects else None
    letters = coordinator.with_bucket(bucket.url)
    tickets = [epoch() for _ in range(4)]
    for ticket in tickets:
        letters.add(USERS, line(1), REJECTION, ticket)
        letters.seal()
    first, second = coordinator.next_event(), coordinator.next_event()
    assert isinstance(first, FileUploaded)
    assert isinstance(second, ConfigError)
    letters.handle(first)
    bucket.refuse = lambda: None
    letters.add(USERS, line(1), REJECTION, tickets[3])
    letters.seal()
    letters.close()
    assert coordinator.inbox.empty()
    assert len(bucket.objects) == 1
    assert coordinator.settled == {tickets[0]: 1}
    assert letters.pending == 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"s3_endpoint": "", "s3_bucket_region": ""}, "The region of the bucket is not configured"),
        (
            {"s3_bucket_region": "in two words"},
            "The bucket for rejected rows can't be used: .* The sync did not start",
        ),
    ],
)
def test_a_client_that_cannot_be_made_ends_the_sync_before_its_first_row(
    bucket: Bucket, coordinator: Coordinator, settings: dict[str, str], words: str
) -> None:
    """Not when the first row is rejected, hours later."""
    with pytest.raises(ConfigError, match=words):
        coordinator.with_bucket(bucket.url, **settings)


def test_a_fault_of_our_own_is_told_of(
    bucket: Bucket, coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the uploader, the coordinator must not wait for it for ever."""

    def broken(*_: object) -> None:
        raise KeyError("row value")

    monkeypatch.setattr(upload, "upload", broken)
    letters = coordinator.with_bucket(bucket.url)
    letters.add(USERS, line(1), REJECTION, epoch())
    letters.seal()
    event = coordinator.next_event()
    assert isinstance(event, SyncError)
    assert event.failure_type == "system_error"
    assert "row value" not in str(event)


def full_disk() -> IO[bytes]:
    """A file that takes nothing."""
    return open("/dev/full", "r+b", buffering=0)  # noqa: PTH123 - it stands in for a temporary file


def test_a_full_disk_is_a_sentence_and_settles_nothing(bucket: Bucket, coordinator: Coordinator) -> None:
    """The file that may hold half a row is never uploaded."""
    letters = coordinator.with_bucket(bucket.url, open_spool=full_disk)
    with pytest.raises(TransientError, match=r"disk space") as caught:
        letters.add(USERS, line(1), REJECTION, epoch())
    assert "No space left on device" in str(caught.value)
    letters.seal()
    letters.close()
    assert (letters.pending, coordinator.settled, bucket.objects) == (1, {}, {})


def test_a_disk_that_fills_up_under_a_file_drops_the_whole_file(
    bucket: Bucket, coordinator: Coordinator
) -> None:
    """Rows that it held before are not settled either: they come again with the next attempt."""
    room = [2]

    class Filling(io.BytesIO):
        def write(self, text: Any) -> int:
            if not room[0]:
                raise OSError(28, "No space left on device")
            room[0] -= 1
            return super().write(text)

    letters = coordinator.with_bucket(bucket.url, open_spool=Filling)
    letters.add(USERS, line(1), REJECTION, epoch())
    with pytest.raises(TransientError):
        letters.add(USERS, line(2), REJECTION, epoch())
    assert letters.oldest_opened_at() is None
    letters.seal()
    letters.close()
    assert (letters.pending, coordinator.settled, bucket.objects) == (2, {}, {})


def test_bad_formats_are_told_before_the_first_row(bucket: Bucket, coordinator: Coordinator) -> None:
    """Not when the first row is rejected, hours later."""
    with pytest.raises(ConfigError, match="unknown variable"):
        coordinator.with_bucket(bucket.url, path_format="{foo}/")


def test_closing_drops_what_is_open_and_leaves_no_thread(bucket: Bucket, coordinator: Coordinator) -> None:
    """The coordinator waits for what is pending, or has given up on it."""
    letters = coordinator.with_bucket(bucket.url)
    letters.add(USERS, line(1), REJECTION, epoch())
    letters.seal()
    coordinator.handle_all()
    letters.add(USERS, line(2), REJECTION, epoch())
    letters.close()
    letters.close()
    assert len(bucket.objects) == 1
    assert "dead-letter-uploader" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("implementation", ["bucket", "counted"])
def test_rows_of_an_open_file_are_pending(
    bucket: Bucket, coordinator: Coordinator, implementation: str
) -> None:
    """A coordinator that ends at `pending == 0` has lost nothing."""
    if implementation == "bucket":
        coordinator.with_bucket(bucket.url)
    letters = coordinator.dead_letters
    for number in range(3):
        letters.add(USERS, line(number), REJECTION, epoch())
    assert letters.pending + coordinator.settled.total() == 3
    assert letters.pending == (3 if implementation == "bucket" else 0)
