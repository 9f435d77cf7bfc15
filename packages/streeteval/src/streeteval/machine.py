"""The machine: its processor and load, and memory."""

from __future__ import annotations

import errno
import os
import platform
import re
from pathlib import Path

__all__ = [
    "describe_machine",
    "is_out_of_memory",
    "peak_memory_mib",
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
    "could not create a primitive",  # oneDNN, where the memory for its code is missing
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
