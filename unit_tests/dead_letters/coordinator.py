"""What the coordinator does with dead letters, for their tests: rows, an inbox, a clock, and the books."""

from __future__ import annotations

import json
import queue
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.dead_letters.spool import BucketDeadLetters, CountedDeadLetters, SpoolLimits
from destination_customerio.dead_letters.uploader import (
    FileUploaded,
    SpooledFile,
    UploadFailed,
)
from destination_customerio.errors import Rejection
from destination_customerio.ledger import Epoch, StreamQueue
from destination_customerio.temporary_files import open_temporary
from unit_tests.dead_letters import bucket_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.dead_letters.spool import DeadLetters

USERS = Stream("users", "shop", properties={"n": {}}, sync_id=42)
ORDERS = Stream("orders", sync_id=42)
REJECTION = Rejection("required", "person_email", "The column person_email is empty.")
JSONL = {"format_type": "JSONL"}
FLAT_CSV = {"format_type": "CSV", "flattening": "Root level flattening"}


def epoch() -> Epoch:
    """An epoch as the ledger creates them."""
    return Epoch(StreamQueue("users"))


def line(number: int, padding: int = 0, stream: Stream = USERS, **columns: Any) -> bytes:
    """A RECORD message of about this many bytes more than it needs."""
    data = {"n": number, **columns} | ({"padding": "x" * padding} if padding else {})
    record = {"stream": stream.name, "namespace": stream.namespace, "data": data, "emitted_at": 1}
    return json.dumps({"type": "RECORD", "record": record}).encode()


class Coordinator:
    """An inbox, a clock, and the books.

    settled  how many rows were settled of each epoch
    stored   the files that the bucket has accepted, in the order of their events
    """

    def __init__(self) -> None:
        self.inbox: queue.SimpleQueue[FileUploaded | UploadFailed] = queue.SimpleQueue()
        self.settled: Counter[Epoch] = Counter()
        self.stored: list[SpooledFile] = []
        self.now = 100.0
        self.dead_letters: DeadLetters = CountedDeadLetters(self.settle)

    def settle(self, settled: Epoch, count: int) -> None:
        """Keep the books; a settlement of no rows would be one too many."""
        assert count > 0
        self.settled[settled] += count

    def with_bucket(
        self,
        endpoint: str,
        limits: SpoolLimits | None = None,
        open_spool: Callable[[], IO[bytes]] = open_temporary,
        **settings: Any,
    ) -> BucketDeadLetters:
        """Put rejected rows into a bucket from now on, under these settings."""
        letters = BucketDeadLetters(
            bucket_server.storage(endpoint, **settings),
            self.inbox.put,
            self.settle,
            lambda: self.now,
            lambda: 1_793_678_706.0,
            limits,
            open_spool,
        )
        self.dead_letters = letters
        return letters

    def next_event(self) -> FileUploaded | UploadFailed:
        """What the uploader posts next."""
        return self.inbox.get(timeout=30)

    def next_file(self) -> SpooledFile:
        """The next file that the bucket has accepted; its rows are not settled yet."""
        event = self.next_event()
        assert isinstance(event, FileUploaded), event
        return event.file

    def settle_next_file(self) -> None:
        """Settle the next file that the bucket has accepted."""
        file = self.next_file()
        self.dead_letters.uploaded(file)
        self.stored.append(file)

    def settle_all(self) -> None:
        """Settle files until no row is left."""
        while self.dead_letters.backlog.rows:
            self.settle_next_file()

    def close(self) -> None:
        """End what was started."""
        if isinstance(self.dead_letters, BucketDeadLetters):
            self.dead_letters.close()
