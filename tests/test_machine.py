"""What a process says of its memory, each in a process of its own."""

import os
import platform
import subprocess
import sys

import pytest
from PIL import Image

from partwise.machine import free_memory_bytes

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


@pytest.mark.skipif(platform.system() != "Linux", reason="only Linux has this limit")
@pytest.mark.parametrize(("scale", "fits"), [("0.1", True), ("4", False)])
def test_a_photo_too_large_for_the_memory_is_one_line(tiny_model_file, tmp_path, scale, fits):
    Image.new("RGB", (3000, 2000), (90, 120, 150)).save(tmp_path / "large.png")
    program = (
        "import sys; from partwise import machine; machine.free_memory_bytes = lambda: 400 * 2**20\n"
        "from partwise.cli.app import main; main(sys.argv[1:])"
    )
    words = ["predict", str(tmp_path / "large.png"), "--model", str(tiny_model_file), "--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", program, *words, "--device", "cpu", "--scale", scale]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, (tmp_path / "out" / "large.json").exists()) == ((0, True) if fits else (2, False))
    if not fits:
        assert "large.png: there is not enough memory for so large a photo" in done.stderr
        assert "--scale" in done.stderr and "tiles" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(platform.system() != "Linux", reason="only Linux has this limit")
def test_a_shard_goes_on_after_a_photo_too_large_for_the_memory(tiny_model_file, tmp_path):
    """Its results are written under the limit that the photo met."""
    table = pytest.importorskip("pyarrow.parquet")
    for name, size in (("a.png", (64, 48)), ("b.png", (3000, 2000)), ("c.png", (64, 48))):
        Image.new("RGB", size, (90, 120, 150)).save(tmp_path / name)
    program = (
        "import sys; from partwise import machine; machine.free_memory_bytes = lambda: 400 * 2**20\n"
        "from partwise.cli.app import main; main(sys.argv[1:])"
    )
    words = ["predict", str(tmp_path), "--model", str(tiny_model_file), "--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", program, *words, "--device", "cpu", "--scale", "4", "--format", "parquet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "1 photo failed" in done.stderr and "Traceback" not in done.stderr, done.stderr
    rows = {kind: table.read_table(next((tmp_path / "out").glob(f"*/{kind}-*"))) for kind in ("part", "faults")}
    assert rows["part"]["name"].to_pylist() == ["a.png", "c.png"] and rows["faults"]["name"].to_pylist() == ["b.png"]


def test_free_memory_is_less_than_all_memory():
    free = free_memory_bytes()
    assert free is None or 0 < free < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
