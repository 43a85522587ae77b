"""The memory that answers may take, over all lanes."""

from __future__ import annotations

import threading

from destination_customerio.malloc import return_large_blocks

# A request of 500 KB whose rows are all rejected is usually answered with less.
FREE_ANSWER_BYTES = 256 * 1024
# A 207 that rejects every row of a full request takes a few megabytes.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
# Far more than there are rows in a request; a small value takes many times its length once it is parsed.
_MAX_OBJECTS = 100_000
_MAX_VALUES = 2_000_000


class AnswerMemory:
    """Room for one large answer, which is read and judged before the next one is. Thread-safe; shared by all lanes.

    An answer takes several times its length once it is parsed, so large ones in all lanes at once would exceed any limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def reserve(self) -> None:
        """Wait until no other large answer is in memory."""
        self._lock.acquire()
        # The command has set this already; a program that uses the connector as a class has not.
        return_large_blocks()

    def release(self) -> None:
        """The answer has been judged, or given up, and nothing refers to it any more."""
        self._lock.release()


def is_parsable(answer: bytearray) -> bool:
    """Whether an answer has few enough values to be parsed in the memory of a large one."""
    return answer.count(b"{") + answer.count(b"[") <= _MAX_OBJECTS and answer.count(b",") <= _MAX_VALUES
