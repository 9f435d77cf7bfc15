"""cityscapesScripts on the same files, timed.

Its working parts are called one by one, because the tool as a whole fails on current NumPy (np.in1d is gone) and writes
into the working folder and into site-packages. Nothing that it computes is left out.
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
    """The evaluators of instances and of pixels. Raises PartwiseError where the package is not installed."""
    try:
        import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as instance  # noqa: N813
        import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as pixel  # noqa: N813
    except ImportError as error:
        raise PartwiseError(
            f"partwise bench evaluation measures against cityscapesScripts, which cannot be imported ({error}): "
            "pip install 'partwise[bench]'"
        ) from None
    return instance, pixel


def time_official(files: list[FrameFiles], results: str) -> tuple[dict[str, float], dict[str, float]]:
    """(processor seconds of "instances" and "pixels", {"ap", "ap50", "iou_class", "iiou_class"}) of all frames.

    results   the folder of the predictions
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
