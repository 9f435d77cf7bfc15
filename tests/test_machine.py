"""What a process says of its memory, each in a process of its own."""

import os
import platform
import subprocess
import sys

import pytest

PAGES_OF = """
import resource
import numpy as np
from partwise.machine import keep_freed_memory
{first}
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
block = lambda: np.ones(10 * 2**20 // 8)  # 10 MiB, every page of it touched
block()
before = faults()
for _ in range(20):
    block()
print(faults() - before)
"""


def pages(first: str) -> int:
    """Pages that the kernel had to give while 20 times 10 MiB were taken and freed."""
    program = PAGES_OF.format(first=first)
    # Huge pages, where the kernel happens to have some, are given 512 at a time.
    environment = os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"}
    command = [sys.executable, "-c", program]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of glibc alone is told")
def test_freed_memory_is_kept():
    assert pages("keep_freed_memory()") < 500 < pages("import ctypes; ctypes.CDLL(None).mallopt(-3, 2**20)")
