"""Environments of Python that tests make with pip once, and keep in the cache of the user."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONSTRAINTS = Path(__file__).resolve().parents[4] / "constraints.txt"


def environment(name: str, *installs: list[str]) -> Path:
    """Return the folder of an environment into which each list of arguments was given to pip install.

    The test is skipped if pip cannot install it, such as without a network.
    """
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    known = CONSTRAINTS.read_bytes() if CONSTRAINTS.exists() else b""
    digest = hashlib.sha256(repr(installs).encode() + known).hexdigest()[:12]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streeteval"
    folder = base / f"{name}-{version}-{digest}"
    if folder.exists():
        return folder
    base.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f"{folder.name}-{os.getpid()}")  # several processes of tests may make one
    try:
        subprocess.run([sys.executable, "-m", "venv", made], check=True, capture_output=True, timeout=120)
        for arguments in installs:
            pip = [python_of(made), "-m", "pip", "install", "-q", "--retries", "1", *arguments]
            subprocess.run([str(word).replace("{env}", str(made)) for word in pip], check=True, capture_output=True,
                           text=True, timeout=300)  # fmt: skip
        made.rename(folder)
    except (OSError, subprocess.SubprocessError) as error:
        if not folder.exists():
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            pytest.skip(f"pip cannot make the environment {name}: {said[-1] if said else error}")
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def constrained() -> list[str]:
    """The arguments that make pip install the versions that are tested."""
    return ["-c", str(CONSTRAINTS)] if CONSTRAINTS.exists() else []
