"""The C library's memory allocator, set for training."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h
LARGEST_MMAP_THRESHOLD_BYTES = 32 << 20  # glibc's limit
TOP_PAD_BYTES = 64 << 20


def keep_freed_memory() -> None:
    """Let this process keep the memory it frees; nothing happens where the C library is not glibc.

    Every step frees its activations and allocates the next step's. By default glibc gives such large blocks back
    to the kernel, and every 4 kB of the new ones cost a page fault: tens of thousands in each step of SINet.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_TOP_PAD, TOP_PAD_BYTES)
