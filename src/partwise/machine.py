"""The machine: its processor and load, the number of this process, and memory."""

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
    """Describe the machine on which a figure is measured.

    Returns:
        {"processor", "cores", "cores of this process", "load average"} in JSON's own types. The load average of the
        last minute says how many processes wanted a core.
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return {"processor": processor(), "cores": os.cpu_count(), "cores of this process": own, "load average": load}


def processor() -> str:
    """Return the name of the processor, and whether it has AMX (which makes bf16 several times faster)."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {'with' if 'amx_bf16' in text else 'without'} AMX"


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of the machine or of a GPU is full. Torch has no exception type for it.

    Example:
        >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
        True
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _MEMORY_WORDS)


# Parts of the messages of the CPU's allocator on Linux, macOS and Windows, of CUDA, and of Python, which needs memory
# for a thread.
_MEMORY_WORDS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "could not create a memory object",  # oneDNN
    "ALLOC_FAILED",  # cuBLAS and cuDNN
    "can't start new thread",
)


def peak_memory_mib() -> float:
    """Return the largest amount of memory that this process has held so far, in MiB."""
    try:
        # Since the program began. getrusage would include what the parent process held before.
        status = Path("/proc/self/status").read_text()
    except OSError:
        status = ""
    if found := re.search(r"VmHWM:\s+(\d+) kB", status):
        return int(found[1]) / 1024
    import resource  # which Windows does not have

    unit = 2**20 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
