"""Measure the time of cityscapesScripts on the same files.

Its functions are called one by one, because the tool as a whole fails with current NumPy (np.in1d was removed) and
writes into the working folder and into site-packages. All of its computation is included.
"""

from __future__ import annotations

import contextlib
import copy
import io
import time
from types import ModuleType
from unittest import mock

import numpy as np

from partwise.bench.material import FrameFiles
from partwise.errors import PartwiseError


def official_modules() -> tuple[ModuleType, ModuleType]:
    """Import the official evaluators of instances and of pixels.

    Raises:
        PartwiseError: If cityscapesScripts is not installed.
    """
    try:
        import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as instance  # noqa: N813
        import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as pixel  # noqa: N813
    except ImportError as error:
        raise PartwiseError(
            f"partwise bench evaluation compares with cityscapesScripts, which cannot be imported ({error}): "
            "pip install 'partwise[bench]'"
        ) from None
    return instance, pixel


def time_official(files: list[FrameFiles], results: str) -> tuple[dict[str, float], dict[str, float]]:
    """Score all frames with the official evaluators.

    Args:
        files: The files of each frame.
        results: The folder of the predictions.

    Returns:
        Processor seconds of "instances" and "pixels", and the scores "ap", "ap50", "iou_class" and "iiou_class".
    """
    instance, pixel = official_modules()
    with mock.patch.object(np, "in1d", np.isin, create=True), contextlib.redirect_stdout(io.StringIO()):
        instance_s, averages = _instances(instance, files, results)
        pixel_s, scores = _pixels(pixel, files)
    return {"instances": instance_s, "pixels": pixel_s}, {
        "ap": float(averages["allAp"]),
        "ap50": float(averages["allAp50%"]),
        "iou_class": float(scores["averageScoreClasses"]),
        "iiou_class": float(scores["averageScoreInstClasses"]),
    }


def _instances(module: ModuleType, files: list[FrameFiles], results: str) -> tuple[float, dict]:
    args = copy.copy(module.args)
    args.quiet, args.predictionPath = True, results
    module.setInstanceLabels(args)
    truth, lines = [one.instances for one in files], [one.lines for one in files]
    begin = time.process_time()
    known = module.instances2dict(truth, False)
    matches = module.matchGtWithPreds(lines, truth, known, args)
    averages = module.computeAverages(module.evaluateMatches(matches, args), args)
    return time.process_time() - begin, averages


def _pixels(module: ModuleType, files: list[FrameFiles]) -> tuple[float, dict]:
    args = copy.copy(module.args)
    args.quiet, args.JSONOutput = True, False
    truth, pixels = [one.labels for one in files], [one.pixels for one in files]
    begin = time.process_time()
    scores = module.evaluateImgLists(pixels, truth, args)
    return time.process_time() - begin, scores
