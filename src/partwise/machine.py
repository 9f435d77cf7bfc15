"""What a figure depends on and no setting shows: the machine, what else it does, how memory is taken and how much."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
from pathlib import Path

__all__ = [
    "describe_machine",
    "is_main_process",
    "is_out_of_memory",
    "keep_freed_memory",
    "peak_memory_mib",
    "process_number",
    "processor",
]


def describe_machine() -> dict:
    """{"processor", "cores", "cores of this process", "load average"}: JSON's own types.

    The load average (of one minute, at the time of the call) says how many other processes wanted a core.
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return {"processor": processor(), "cores": os.cpu_count(), "cores of this process": own, "load average": load}


def processor() -> str:
    """The processor's name, and whether it has AMX (which makes bf16 several times faster)."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {'with' if 'amx_bf16' in text else 'without'} AMX"


def process_number() -> int:
    """The number of this process among those that a launcher (torchrun, accelerate) started; 0 without a launcher."""
    return int(os.environ.get("RANK", "0"))


def is_main_process() -> bool:
    """Whether this process speaks to the person; true where there is only one."""
    return process_number() == 0


def keep_freed_memory() -> None:
    """Have this process keep the memory that it frees for what it needs next; where that is not glibc's, do nothing.

    Each of a network's maps is some 10 MB. By itself glibc takes every block of that size from the kernel, which
    clears it page by page, and gives it back: a fifth of the time of a network on a CPU.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1)):
        mallopt(option, value)


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short, of the machine or of a GPU. Torch has no type of its own for it.

    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
    True
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _MEMORY_WORDS)


# Of the CPU's allocator on Linux and macOS, and on Windows; of CUDA's; of Python, which needs some for a thread.
_MEMORY_WORDS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "could not create a memory object",  # oneDNN
    "ALLOC_FAILED",  # cuBLAS and cuDNN
    "can't start new thread",
)


def peak_memory_mib() -> float:
    """The most memory that this process has held so far, in MiB."""
    try:
        # Since the program began. The figure of getrusage would take over what the parent held before.
        status = Path("/proc/self/status").read_text()
    except OSError:
        status = ""
    if found := re.search(r"VmHWM:\s+(\d+) kB", status):
        return int(found[1]) / 1024
    import resource  # which Windows does not have

    unit = 2**20 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
