"""The limits and timers of a pipeline."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace

from destination_customerio.mapping.limits import MAX_BODY_BYTES

# With a limit on rows per second, a batch has at most a quarter of these.
_PACED_BATCHES_PER_SECOND = 4


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """The coordinator's own limits and timers.

    max_body_bytes             the largest request body
    max_batch_rows             the largest number of rows in a batch
    max_rows_in_flight         how many rows may be sent or wait for it before no more are read
    max_weight_bytes           budget for data read and not yet settled, including Python's overhead
    linger_seconds             how long a batch stays open for more rows
    dead_letter_linger_seconds how long a file of dead letters stays open while states wait for it
    quiet_seconds              the same when nothing else holds the states back
    stop_seconds               how long batches may stay in flight after a signal; Airbyte kills after ten
    failure_seconds            how long other lanes may still finish after one has failed
    max_rejected_percent       the largest share of a stream's rows that may be rejected
    """

    max_body_bytes: int = MAX_BODY_BYTES
    max_batch_rows: int = sys.maxsize
    max_rows_in_flight: float = math.inf
    max_weight_bytes: int = 48 << 20
    linger_seconds: float = 5.0
    dead_letter_linger_seconds: float = 10.0
    quiet_seconds: float = 2.0
    stop_seconds: float = 8.0
    failure_seconds: float = 20.0
    max_rejected_percent: float = 100.0

    def at_most(self, rows_per_second: int) -> PipelineSettings:
        """These settings for lanes that send no more than this many rows per second.

        Batches are small enough that one of them is no burst, and rows wait in the source, not in memory.
        """
        return replace(
            self,
            max_batch_rows=max(1, rows_per_second // _PACED_BATCHES_PER_SECOND),
            max_rows_in_flight=rows_per_second * self.linger_seconds,
        )
