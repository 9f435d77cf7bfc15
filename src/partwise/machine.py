"""This process: its number among those of a launcher, and what it does with memory that it frees."""

from __future__ import annotations

import ctypes
import os

__all__ = ["is_main_process", "keep_freed_memory", "process_number"]


def process_number() -> int:
    """Return the number of this process among those that a launcher (torchrun, accelerate) started; 0 without one."""
    return int(os.environ.get("RANK", "0"))


def is_main_process() -> bool:
    """Whether this process prints to the terminal: the only process, or the first one of a launcher."""
    return process_number() == 0


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, for later use. Without glibc nothing is done.

    Each map of a network takes about 10 MB. By default glibc takes every block of this size from the kernel, which
    clears it page by page, and returns it after use. This takes a fifth of the time of a network on a CPU.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1)):
        mallopt(option, value)


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
