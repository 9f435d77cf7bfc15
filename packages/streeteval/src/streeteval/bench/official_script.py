"""Run the functions of cityscapesScripts one by one and time them, in this process or as a script of another Python.

As a script it needs cityscapesScripts alone, not streeteval: it reads a request as JSON from stdin and writes the
result as JSON to stdout.
"""

import contextlib
import copy
import io
import json
import sys
import time
from typing import Any, Callable, Dict, List, Tuple

Timed = Tuple[float, Dict[str, float]]


def instances(truth: List[str], lines: List[str], results: str) -> Timed:
    """Score instances. Returns processor seconds, and "ap" and "ap50".

    Args:
        truth: Paths of instanceIds.png.
        lines: Paths of the .txt.
        results: Folder of the results.
    """
    import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as module  # noqa: N813

    args = copy.copy(module.args)
    args.quiet, args.predictionPath = True, results
    module.setInstanceLabels(args)
    begin = time.process_time()
    known = module.instances2dict(truth, False)
    matches = module.matchGtWithPreds(lines, truth, known, args)
    averages = module.computeAverages(module.evaluateMatches(matches, args), args)
    seconds = time.process_time() - begin
    return seconds, {"ap": float(averages["allAp"]), "ap50": float(averages["allAp50%"])}


def pixels(truth: List[str], maps: List[str]) -> Timed:
    """Score maps of label ids. Returns processor seconds, and "iou_class" and "iiou_class".

    Args:
        truth: Paths of labelIds.png.
        maps: Paths of the predicted maps.
    """
    import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as module  # noqa: N813

    args = copy.copy(module.args)
    args.quiet, args.JSONOutput = True, False
    begin = time.process_time()
    scores = module.evaluateImgLists(maps, truth, args)
    seconds = time.process_time() - begin
    keys = {"iou_class": "averageScoreClasses", "iiou_class": "averageScoreInstClasses"}
    return seconds, {key: float(scores[name]) for key, name in keys.items()}


def panoptic(truth: str, found: str) -> Timed:
    """Score panoptic maps on one core. Returns processor seconds, and "pq".

    Args:
        truth: Folder of the truth, beside a JSON file of its name.
        found: Folder of the predictions, likewise.
    """
    import cityscapesscripts.evaluation.evalPanopticSemanticLabeling as module  # noqa: N813

    held = []
    for folder in (truth, found):
        with open(folder + ".json") as file:  # noqa: PTH123 - runs in any Python
            held.append(json.load(file))
    categories = {one["id"]: one for one in held[0]["categories"]}
    by_image = {one["image_id"]: one for one in held[1]["annotations"]}
    pairs = [(one, by_image[one["image_id"]]) for one in held[0]["annotations"]]
    begin = time.process_time()
    stat = module.pq_compute_single_core(0, pairs, truth, found, categories)
    results = module.average_pq(stat, categories)
    return time.process_time() - begin, {"pq": float(results["All"]["pq"])}


KINDS: Dict[str, Callable[..., Timed]] = {"instances": instances, "pixels": pixels, "panoptic": panoptic}


def main() -> None:
    """Answer {"requests": {kind: arguments}, "rounds"} with {"seconds": {kind}, "scores", "numpy": version}."""
    import numpy

    asked = json.load(sys.stdin)
    seconds: Dict[str, float] = {}
    scores: Dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for kind, arguments in asked["requests"].items():
            for _ in range(asked["rounds"]):
                taken, figures = KINDS[kind](*arguments)
                seconds[kind] = min(taken, seconds.get(kind, taken))
                scores.update(figures)
    json.dump({"seconds": seconds, "scores": scores, "numpy": numpy.__version__}, sys.stdout)


if __name__ == "__main__":
    main()
