"""What the coordinator does with dead letters, for their tests: rows, an inbox, a clock, and the books."""

from __future__ import annotations

import json
import queue
from collections import Counter
from typing import TYPE_CHECKING, Any

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.dead_letters.spool import BucketDeadLetters, CountedDeadLetters, FileUploaded
from destination_customerio.errors import Rejection
from destination_customerio.ledger import Epoch, StreamQueue
from unit_tests.dead_letters import bucket_server

if TYPE_CHECKING:
    from destination_customerio.dead_letters.spool import DeadLetters

USERS = Stream("users", "shop", properties={"n": {}}, sync_id=42)
ORDERS = Stream("orders", sync_id=42)
REJECTION = Rejection("required", "person_email", "The column person_email is empty.")
JSONL = {"format_type": "JSONL"}
FLAT_CSV = {"format_type": "CSV", "flattening": "Root level flattening"}


def epoch() -> Epoch:
    """A ticket as the ledger gives them."""
    return Epoch(StreamQueue("users"))


def line(number: int, padding: int = 0, stream: Stream = USERS, **columns: Any) -> bytes:
    """A RECORD message of about this many bytes more than it needs."""
    data = {"n": number, **columns} | ({"padding": "x" * padding} if padding else {})
    record = {"stream": stream.name, "namespace": stream.namespace, "data": data, "emitted_at": 1}
    return json.dumps({"type": "RECORD", "record": record}).encode()


class Coordinator:
    """What the coordinator does with dead letters: an inbox, a clock, and the books."""

    def __init__(self) -> None:
        self.inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.settled: Counter[Epoch] = Counter()
        self.now = 100.0
        self.dead_letters: DeadLetters = CountedDeadLetters(self.settle)

    def settle(self, settled: Epoch, count: int) -> None:
        """Keep the books; a settlement of nothing would be one too many."""
        assert count > 0
        self.settled[settled] += count

    def with_bucket(self, endpoint: str, **values: Any) -> BucketDeadLetters:
        """Put rejected rows into a bucket from now on."""
        options = {name: values.pop(name) for name in list(values) if name.startswith(("max_", "open_"))}
        letters = BucketDeadLetters(
            bucket_server.storage(endpoint, **values),
            self.inbox.put,
            self.settle,
            lambda: self.now,
            lambda: 1_793_678_706.0,
            **options,
        )
        self.dead_letters = letters
        return letters

    def next_event(self) -> object:
        """What the uploader has to say next."""
        return self.inbox.get(timeout=30)

    def handle_all(self) -> None:
        """Handle events until nothing is pending."""
        while self.dead_letters.pending:
            event = self.next_event()
            assert isinstance(event, FileUploaded), event
            self.dead_letters.handle(event)
