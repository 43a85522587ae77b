"""Rejected rows when the bucket, the disk or the configuration fails: an explanation, and no row settled that is not stored."""

from __future__ import annotations

import io
import threading
import time
from typing import IO, Any

import pytest

from destination_customerio.dead_letters.spool import SpoolLimits
from destination_customerio.dead_letters.uploader import FileUploaded, UploadFailed
from destination_customerio.errors import ConfigError, TransientError
from unit_tests.dead_letters.bucket_server import Bucket, Refusal
from unit_tests.dead_letters.coordinator import REJECTION, USERS, Coordinator, epoch, line

# Long enough for a machine under load.
PATIENCE_SECONDS = 60.0


def test_a_failed_upload_ends_all_uploads(bucket: Bucket, coordinator: Coordinator) -> None:
    """One failure is posted; files that waited behind are not uploaded, and no row of them is settled."""
    letters = coordinator.with_bucket(bucket.url)
    stored = epoch()
    letters.add(USERS, line(1), REJECTION, stored)
    letters.seal()
    coordinator.settle_next_file()
    bucket.refuse = lambda: Refusal(403, "AccessDenied")
    for number in range(20):
        letters.add(USERS, line(number), REJECTION, epoch())
        letters.seal()
    failed = coordinator.next_event()
    assert isinstance(failed, UploadFailed)
    assert isinstance(failed.error, ConfigError)
    letters.add(USERS, line(1), REJECTION, epoch())
    letters.seal()
    letters.close()
    assert coordinator.inbox.empty()
    assert len(bucket.objects) == 1
    assert coordinator.settled == {stored: 1}
    assert letters.backlog.rows == 21


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"s3_endpoint": "", "s3_bucket_region": ""}, "the region of the bucket is missing"),
        (
            {"s3_bucket_region": "in two words"},
            "The bucket for rejected rows can't be used: .* The sync did not start",
        ),
        ({"path_format": "{foo}/"}, "unknown variable {foo}"),
    ],
)
def test_settings_that_can_not_work_end_the_sync_before_its_first_row(
    bucket: Bucket, coordinator: Coordinator, settings: dict[str, Any], words: str
) -> None:
    """Not when the first row is rejected, hours later."""
    with pytest.raises(ConfigError, match=words):
        coordinator.with_bucket(bucket.url, **settings)


class BrokenSpool(io.BytesIO):
    """A temporary file that takes rows, and fails in an unforeseen way when it is read."""

    def seek(self, *_: Any) -> int:
        """Fail."""
        raise KeyError("row value")


def test_a_bug_in_the_uploader_is_posted(bucket: Bucket, coordinator: Coordinator) -> None:
    """Whatever ends the uploader, the coordinator must not wait for it forever."""
    letters = coordinator.with_bucket(bucket.url, open_spool=BrokenSpool)
    letters.add(USERS, line(1), REJECTION, epoch())
    letters.seal()
    event = coordinator.next_event()
    assert isinstance(event, UploadFailed)
    assert event.error.failure_type == "system_error"
    assert "row value" not in f"{event.error} {event.error.internal_message}"
    assert "uploader.py" in event.error.internal_message


def test_an_upload_that_is_never_answered_to_its_end_fails(bucket: Bucket, coordinator: Coordinator) -> None:
    """An answer may drip for ever, which no timeout of a socket notices; later files are not uploaded either."""
    is_over = threading.Event()

    def wait() -> None:
        is_over.wait(PATIENCE_SECONDS)

    bucket.refuse = wait
    letters = coordinator.with_bucket(bucket.url, SpoolLimits(stall_seconds=0.2))
    letters.add(USERS, line(1), REJECTION, epoch())
    while coordinator.inbox.empty():
        letters.seal()
        time.sleep(0.01)
    failed = coordinator.next_event()
    is_over.set()
    assert isinstance(failed, UploadFailed)
    assert isinstance(failed.error, TransientError)
    assert "did not answer in time" in str(failed.error)
    assert coordinator.settled == {}
    letters.close()


def full_disk() -> IO[bytes]:
    """A file that takes nothing."""
    return open("/dev/full", "r+b", buffering=0)  # noqa: PTH123 - it replaces a temporary file


def test_a_full_disk_settles_nothing(bucket: Bucket, coordinator: Coordinator) -> None:
    """The file may hold half a row, so it is never uploaded."""
    letters = coordinator.with_bucket(bucket.url, open_spool=full_disk)
    with pytest.raises(TransientError, match=r"disk space") as caught:
        letters.add(USERS, line(1), REJECTION, epoch())
    assert "No space left on device" in str(caught.value)
    letters.seal()
    letters.close()
    assert (letters.backlog.rows, coordinator.settled, bucket.objects) == (1, {}, {})


def test_a_disk_that_fills_up_under_a_file_drops_the_whole_file(
    bucket: Bucket, coordinator: Coordinator
) -> None:
    """Rows that were in it before are not settled either: the next attempt sends them again."""
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
    assert letters.seal(0) is None, "a file is still open"
    letters.close()
    assert (letters.backlog.rows, coordinator.settled, bucket.objects) == (2, {}, {})


def test_closing_drops_what_is_open_and_leaves_no_thread(bucket: Bucket, coordinator: Coordinator) -> None:
    """The coordinator waits until the backlog is empty, or has given up on it."""
    letters = coordinator.with_bucket(bucket.url)
    letters.add(USERS, line(1), REJECTION, epoch())
    letters.seal()
    assert isinstance(coordinator.next_event(), FileUploaded)
    letters.add(USERS, line(2), REJECTION, epoch())
    letters.close()
    letters.close()
    assert len(bucket.objects) == 1
    assert "dead-letter-uploader" not in {thread.name for thread in threading.enumerate()}
