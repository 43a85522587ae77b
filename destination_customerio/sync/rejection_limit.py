"""`max_rejected_percent`: stops a sync of whose rows too many are rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.errors import ConfigError
from destination_customerio.wording import counted, reason_with_column

if TYPE_CHECKING:
    from destination_customerio.sync.stream_sync import StreamSync

# The first rows of a stream may be unlike the rest.
_MIN_ROWS_READ = 1_000
_MAX_LISTED_REASONS = 3


def too_many_rejected(sync: StreamSync, max_percent: float) -> ConfigError | None:
    """The error to end with if the stream's rejected rows exceed the limit; None if they don't."""
    counts = sync.counts
    rejected = counts.rejected.total()
    if counts.read < _MIN_ROWS_READ or rejected * 100 <= max_percent * counts.read:
        return None
    reasons = ", ".join(
        f"{reason_with_column(reason, column)}: {rows:,}"
        for (reason, column), rows in counts.rejected.most_common(_MAX_LISTED_REASONS)
    )
    return ConfigError(
        f"Stream {sync.stream}: {rejected:,} of {counted(counts.read, 'row')} were rejected, more than the "
        f"{max_percent:g} percent that max_rejected_percent allows, so the sync stopped. Most common reasons: {reasons}. "
        "Delivered rows are kept; the next attempt resumes from the last checkpoint. Fix the rows or the mapping, or raise "
        "max_rejected_percent."
    )
