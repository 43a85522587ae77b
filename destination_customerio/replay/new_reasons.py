"""Why rows of a replayed file were rejected again, until the file is rewritten with these reasons."""

from __future__ import annotations

import json
import math
from array import array
from typing import IO, TYPE_CHECKING

from destination_customerio.dead_letters.kinds import Kind, kind_of, masked_example
from destination_customerio.dead_letters.row_format import RecordParts
from destination_customerio.dead_letters.spool import Backlog
from destination_customerio.errors import Rejection
from destination_customerio.replay.record_message import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.dead_letters.uploader import SpooledFile
    from destination_customerio.foreign_text import KnownColumns
    from destination_customerio.ledger import Epoch


class NewReasons:
    """The reasons of rows that are rejected again; `DeadLetters` that store no rows, as these are in the file.

    Reasons are kept in a temporary file, so that memory holds eight bytes for each row.

    kinds  the rows by reason and field, as they may be shown
    """

    backlog = Backlog(0, is_full=False)

    def __init__(self, settle: Callable[[Epoch, int], None], spool: IO[bytes], columns: KnownColumns) -> None:
        self._settle = settle
        self._columns = columns
        self._spool = spool
        self._starts = array("q")  # by the row's number; 0 for rows that were not rejected
        self.kinds: dict[tuple[str, str], Kind] = {}
        spool.write(b"\n")

    def add(self, stream: Stream, line: bytes, rejection: Rejection, epoch: Epoch) -> None:
        """See `DeadLetters`."""
        del stream
        number = origin_of(line).row
        while len(self._starts) <= number:
            self._starts.append(0)
        self._starts[number] = self._spool.seek(0, 2)
        self._spool.write(json.dumps([rejection.reason, rejection.field, rejection.message]).encode() + b"\n")
        parts = RecordParts.of(line)
        kind = kind_of(self.kinds, *self._columns.countable(rejection))
        kind.add(int(parts.emitted_at) or None, lambda: masked_example(parts.data, rejection.field))
        self._settle(epoch, 1)

    @property
    def rows(self) -> int:
        """How many rows were rejected again."""
        return sum(kind.rows for kind in self.kinds.values())

    def reason_of(self, number: int) -> Rejection | None:
        """Why the row at an index of the file was rejected again; None if it was not."""
        start = self._starts[number] if number < len(self._starts) else 0
        if not start:
            return None
        self._spool.seek(start)
        return Rejection(*json.loads(self._spool.readline()))

    def uploaded(self, file: SpooledFile) -> None:
        """See `DeadLetters`; there are no files."""

    def seal(self, opened_before: float = math.inf) -> float | None:  # noqa: ARG002
        """See `DeadLetters`; there are no files."""
        return None
