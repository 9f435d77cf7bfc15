"""Installed from source into an environment without anything else: small, quick to import, and all tests pass there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streeteval_tests.environments import constrained, environment, python_of

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
MOST_MB, MOST_SECONDS = 120, 0.3
NOT_PART_OF_IT = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "wheel")


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The folder of the environment with streeteval installed from its source, and that of tools for tests."""
    tools = (
        environment("tools", ["--target", "{env}/tools", "pytest>=8.3", "hypothesis>=6", "setuptools>=77"]) / "tools"
    )
    kept = environment("clean", ["numpy>=2.0", "pillow>=11.0", "deflate>=0.8", *constrained()])
    folder = tmp_path_factory.mktemp("clean") / "env"
    shutil.copytree(kept, folder, symlinks=True)
    source = folder.parent / "source"
    shutil.copytree(PROJECT, source, ignore=shutil.ignore_patterns("tests", "*.egg-info", "build"))
    install = [python_of(folder), "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", source]
    done = subprocess.run(install, env=surroundings(tools), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder, tools


def surroundings(*paths: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CITYSCAPES"))}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, paths))}


def test_it_is_small(clean):
    packages = next((clean[0] / "lib").glob("python*/site-packages"))
    entries = [entry for entry in packages.iterdir() if not entry.name.startswith(NOT_PART_OF_IT)]
    names = {entry.name.split("-")[0].lower() for entry in entries}
    assert {"streeteval", "numpy", "pil", "deflate"} <= names
    assert not names & {"torch", "matplotlib", "pydantic", "scipy", "rich"}
    files = [path for entry in entries for path in ([entry] if entry.is_file() else entry.rglob("*")) if path.is_file()]
    size_mb = sum(path.stat().st_size for path in files if path.suffix != ".pyc") / 1e6
    assert size_mb < MOST_MB


def test_import_and_command_are_quick(clean):
    code = "import time; import streeteval; streeteval.CityscapesEvaluator; print(time.process_time())"
    how = {"env": surroundings(), "capture_output": True, "text": True, "timeout": 60}
    run = lambda: subprocess.run([python_of(clean[0]), "-c", code], **how)
    assert min(float(run().stdout) for _ in range(3)) < MOST_SECONDS, "seconds of the processor, with Python and NumPy"
    command = subprocess.run([clean[0] / "bin" / "streeteval", "--help"], **how)
    assert command.returncode == 0 and "compare" in command.stdout


def test_every_test_passes_there(clean):
    if os.environ.get("STREETEVAL_CLEAN"):
        pytest.skip("this is the clean environment")
    left_out = (Path(__file__).name, "test_bad_results.py")  # the second takes long, and reads as everywhere
    tests = [path for path in sorted(HERE.glob("test_*.py")) if path.name not in left_out]
    command = [python_of(clean[0]), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, *tests]
    environment = surroundings(clean[1], HERE.parent) | {"STREETEVAL_CLEAN": "1"}
    done = subprocess.run(command, env=environment, cwd=clean[0].parent, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout and sys.executable not in done.stdout
