"""A setting of the C library's allocator, for processes that hold blocks of many megabytes for a moment."""

from __future__ import annotations

import contextlib

# From malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK_BYTES = 1 << 20
_KEPT_BYTES = 4 << 20


def return_large_blocks() -> None:
    """Have glibc return large blocks of memory as soon as they are free.

    It would otherwise learn from the first one to keep such blocks, up to 64 MB for each thread, and they fragment its heap.
    """
    # Other C libraries have no such function, and no such habit.
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
        # With the former set, glibc no longer raises this one by itself, and would return the end of its heap after each batch:
        # a fifth more CPU time for rows of 30 KB.
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
