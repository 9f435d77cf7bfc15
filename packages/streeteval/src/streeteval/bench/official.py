"""Measure the time of cityscapesScripts on the same files.

Its functions are called one by one, because the tool as a whole fails with current NumPy (np.in1d was removed) and
writes into the working folder and into site-packages. All of its computation is included.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from streeteval.bench import official_script
from streeteval.bench.material import FrameFiles
from streeteval.errors import InputError

__all__ = ["require_official", "time_all", "time_official"]

_MOST_SECONDS = 3600


def require_official() -> None:
    """Check that cityscapesScripts is installed.

    Raises:
        ModuleNotFoundError: If it is not.
    """
    importlib.import_module("cityscapesscripts.helpers.labels")


def time_official(files: Sequence[FrameFiles], results: str) -> tuple[dict[str, float], dict[str, float]]:
    """Score all frames with the official evaluators of instances and of pixels, in this process.

    Args:
        files: The files of each frame.
        results: The folder of the predictions.

    Returns:
        Processor seconds of "instances" and "pixels", and the scores "ap", "ap50", "iou_class" and "iiou_class".

    Raises:
        ModuleNotFoundError: If cityscapesScripts is not installed.
    """
    requests = {
        "instances": ([one.instances for one in files], [one.lines for one in files], results),
        "pixels": ([one.labels for one in files], [one.pixels for one in files]),
    }
    timed = time_all(requests, 1)
    return timed["seconds"], timed["scores"]


def time_all(requests: Mapping[str, Sequence[Any]], rounds: int, python: str | None = None) -> dict[str, Any]:
    """Run the official functions, the best of some rounds.

    Args:
        requests: "instances", "pixels" and "panoptic" -> the arguments of the function in official_script.py.
        rounds: How often each is measured.
        python: Interpreter of an environment with cityscapesScripts; None for this process, with np.in1d put back.

    Returns:
        {"seconds": {kind: processor seconds}, "scores": {...}, "numpy": its version}.

    Raises:
        ModuleNotFoundError: If cityscapesScripts is not installed in this process.
        InputError: If it fails in the other interpreter.
    """
    if python is not None:
        return _time_in(python, {"requests": dict(requests), "rounds": rounds})
    require_official()
    seconds: dict[str, float] = {}
    scores: dict[str, float] = {}
    with mock.patch.object(np, "in1d", np.isin, create=True), contextlib.redirect_stdout(io.StringIO()):
        for kind, arguments in requests.items():
            for _ in range(rounds):
                taken, figures = official_script.KINDS[kind](*arguments)
                seconds[kind] = min(taken, seconds.get(kind, taken))
                scores |= figures
    return {"seconds": seconds, "scores": scores, "numpy": np.__version__}


def _time_in(python: str, request: dict[str, Any]) -> dict[str, Any]:
    script = str(Path(official_script.__file__))
    try:
        done = subprocess.run(
            [python, script],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=_MOST_SECONDS,
            check=True,
        )
        return json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise InputError(
            f"{python}: cityscapesScripts cannot be measured there ({said[-1] if said else error}): give an "
            "interpreter that has it and a NumPy that it runs with, such as 1.26"
        ) from None
