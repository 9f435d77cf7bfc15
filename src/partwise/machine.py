"""This process: its number among those of a launcher, and what it does with memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from partwise.errors import PartwiseError
from streeteval.machine import is_out_of_memory

__all__ = [
    "OF_FRAMES",
    "free_memory_bytes",
    "is_main_process",
    "keep_freed_memory",
    "limit_memory",
    "memory_for",
    "process_number",
    "return_freed_memory",
    "share_of_time",
]

OF_PHOTO = (
    "so large a photo: give a smaller --scale, such as 0.25, or cut it into tiles that overlap by the size of the "
    "largest object"
)
OF_FRAMES = "frames of this size: give a smaller --scale, such as 0.25"


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


def free_memory_bytes() -> int | None:
    """Return how much more memory the processes of this machine, or of this container, can take.

    Returns:
        A number of bytes, or None where the system does not say it as Linux does.
    """
    try:
        meminfo = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    found = re.search(r"MemAvailable:\s+(\d+) kB", meminfo)
    if found is None:
        return None
    free = int(found[1]) * 1024
    try:  # a container's own limit, cgroup version 2
        most, used = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
    except (OSError, ValueError):  # there is none, or it is "max"
        return free
    return max(0, min(free, most - used))


def limit_memory(free_bytes: int | None = None) -> None:
    """Let an allocation fail that the machine has no memory for. Without this, Linux kills the process later on.

    Networks on a GPU reserve more than they use, so this is for the CPU. Where the system has no such limit, nothing is
    done.

    Args:
        free_bytes: How much more this process may take; None for all that is free now.
    """
    free = free_memory_bytes() if free_bytes is None else free_bytes
    try:
        import resource  # which Windows does not have

        status = Path("/proc/self/status").read_text()
        taken, resident = (re.search(rf"{name}:\s+(\d+) kB", status) for name in ("VmData", "RssAnon"))
        if free is None or taken is None or resident is None:
            return
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        # Memory that is taken and was never touched is not missing yet. A tenth stays for the other processes.
        limit = max(int(resident[1]) * 1024 + free * 9 // 10, int(taken[1]) * 1024 + free // 2)
        resource.setrlimit(resource.RLIMIT_DATA, (limit if most < 0 else min(limit, most), most))
    except (ImportError, OSError, ValueError):
        return


def return_freed_memory() -> None:
    """Give memory that was freed back to the system, so that other threads and libraries get some. glibc only."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def memory_for(source: str | os.PathLike, what: str = OF_PHOTO) -> Iterator[None]:
    """Turn an error about missing memory into a PartwiseError about a photo or a video.

    Args:
        source: The photo or the video, as the error names it.
        what: What the memory does not suffice for, and what to do.

    Raises:
        PartwiseError: If the memory does not suffice.
    """
    try:
        yield
        return
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    # Raised outside the handler: with a context the error would keep the maps of the network in memory.
    raise PartwiseError(f"{os.fspath(source)}: there is not enough memory for {what}")


def share_of_time(one: Callable[[], object], other: Callable[[], object], repeats: int) -> float:
    """Measure the time of a call as a share of the time of another one.

    They are called in turns, so that other processes on the machine disturb both in the same way.

    Args:
        one: What is measured.
        other: What it is compared with.
        repeats: Number of measurements of each; the shortest one counts.
    """

    def seconds(call: Callable[[], object]) -> float:
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin

    of_each = zip(*((seconds(one), seconds(other)) for _ in range(repeats)), strict=True)
    of_one, of_other = map(min, of_each)
    return of_one / of_other


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
