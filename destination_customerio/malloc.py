"""A setting of the C library's allocator, for processes that hold blocks of many megabytes for a moment."""

from __future__ import annotations

import contextlib

_M_MMAP_THRESHOLD = -3  # from malloc.h
_LARGE_BLOCK_BYTES = 1 << 20


def return_large_blocks() -> None:
    """Have glibc return large blocks of memory as soon as they are free.

    It would otherwise learn from the first one to keep such blocks, up to 64 MB for each thread, and they fragment its heap.
    """
    # Other C libraries have no such function, and no such habit.
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
