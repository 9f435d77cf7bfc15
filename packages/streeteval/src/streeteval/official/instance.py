"""AP of instances with the names of evaluation/evalInstanceLevelSemanticLabeling.py of cityscapesScripts 2.3.0.

Change one import, and what called the official module calls this one::

    import streeteval.official.instance as cityscapes_eval

Axes: D distances (one: any), C classes with instances, O overlaps.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import CITYSCAPES
from streeteval.metrics.average_precision import OVERLAPS, class_table
from streeteval.metrics.instance import InstanceScores
from streeteval.metrics.matching import EVERYWHERE
from streeteval.official.pairs import InstanceTruth, paired_files, scored, show_progress, usable_workers, write_export
from streeteval.official.places import (
    as_command,
    colors,
    dataset_path,
    export_file,
    getColorEntry,
    lists_of,
    only_file,
    warn_of_unread,
)

__all__ = [
    "args",
    "computeAverages",
    "evaluateImgLists",
    "getPrediction",
    "main",
    "prepareJSONDataForResults",
    "printResults",
    "setInstanceLabels",
]

args = SimpleNamespace(
    cityscapesPath=dataset_path(),
    exportFile=export_file("resultInstanceLevelSemanticLabeling.json"),
    groundTruthSearch=str(Path(dataset_path(), "gtFine", "val", "*", "*_gtFine_instanceIds.png")),
    overlaps=OVERLAPS.copy(),  # at least .5
    minRegionSizes=np.array([100, 1000, 1000]),
    distanceThs=np.array([float("inf"), 100, 50]),
    distanceConfs=np.array([-float("inf"), 0.5, 0.5]),
    gtInstancesFile=None,  # neither read nor written
    distanceAvailable=False,
    JSONOutput=True,
    quiet=False,
    csv=False,
    colorized=True,
    instLabels=[],
    predictionPath=None,
    predictionWalk=None,
    workers=1,  # processes; a program that asks for more needs `if __name__ == "__main__":`
    trainIds=False,  # whether the results hold train ids
    enlarge=False,  # whether masks smaller than the truth are enlarged
)
"""The parameters of the module, which callers change."""


def setInstanceLabels(args: SimpleNamespace) -> None:
    """Set `args.instLabels` to the names of the classes with AP."""
    args.instLabels = [label.name for label in CITYSCAPES.things]


def getPrediction(groundTruthFile: str, args: SimpleNamespace) -> str:
    """Return the .txt of a frame, below `args.predictionPath`, CITYSCAPES_RESULTS or results/ of the data set.

    Raises:
        InputError: If there is not one.
    """
    return only_file(groundTruthFile, ".txt", args)


def evaluateImgLists(predictionList: Sequence[str], groundTruthList: Sequence[str], args: SimpleNamespace) -> dict:
    """Score files of instances.

    Args:
        predictionList: The .txt of each frame.
        groundTruthList: The instanceIds.png of each frame.
        args: The parameters. With `JSONOutput` the result is written to `exportFile`; `quiet` prints nothing.

    Returns:
        {"averages": {"allAp", "allAp50%", "classes": {name: {"ap", "ap50%"}}}, "resultApMatrix", "instLabels", ...} as
        the official script returns it; NaN for a class without truth.

    Raises:
        InputError: If files have faults, all of which it names; or `args` ask for what is not supported.
    """
    _require_supported(args)
    setInstanceLabels(args)
    files, truth = paired_files(predictionList, groundTruthList, InstanceTruth(groundTruthList), args)
    if not args.quiet:
        print(f"Matching {len(truth)} pairs of images...")
    evaluator = scored(files, truth, CityscapesEvaluator(), args, show_progress(args.quiet))
    apScores = _aps(evaluator, args)
    avgDict = computeAverages(apScores, args)
    resDict = prepareJSONDataForResults(avgDict, apScores, args)
    if args.JSONOutput:
        write_export(resDict, args.exportFile)
    if not args.quiet:
        printResults(avgDict, args)
    return resDict


def _require_supported(args: SimpleNamespace) -> None:
    """Check the parameters.

    Raises:
        InputError: If distances, other sizes of regions or overlaps below .5 are asked for.
    """
    if args.distanceAvailable:
        raise InputError(
            "distanceAvailable: distances are not read from gtInstances.json: use CityscapesEvaluator with depth_HW"
        )
    if args.minRegionSizes[0] != EVERYWHERE.min_px:
        raise InputError(f"minRegionSizes {args.minRegionSizes[0]}: give {EVERYWHERE.min_px}, as the benchmark has it")
    if np.min(args.overlaps) < 0.5:
        raise InputError(f"overlaps from {np.min(args.overlaps):g}: give at least .5, so that a match is unique")


def _aps(evaluator: CityscapesEvaluator, args: SimpleNamespace) -> np.ndarray:
    """Return the (1, C, O) APs of all images; NaN without truth."""
    observed = {metric.name: records for metric, records in evaluator.observed()}
    matches = [record[EVERYWHERE.name] for record in observed.get(InstanceScores.name, [])]
    overlaps = np.asarray(args.overlaps, np.float64)
    tables = [class_table(matches, CITYSCAPES[name].id, overlaps=overlaps) for name in args.instLabels]
    return np.array([[table.average_precision() for table in tables]])


def computeAverages(aps: np.ndarray, args: SimpleNamespace) -> dict[str, Any]:
    """Return the means of (1, C, O) APs over classes and overlaps, and the figures of each class."""
    o50 = np.isclose(args.overlaps, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is NaN, as it should be
        return {
            "allAp": np.nanmean(aps[0]),
            "allAp50%": np.nanmean(aps[0][:, o50]),
            "classes": {
                name: {"ap": np.average(aps[0, c]), "ap50%": np.mean(aps[0, c, o50])}
                for c, name in enumerate(args.instLabels)
            },
        }


def prepareJSONDataForResults(avgDict: dict, aps: np.ndarray, args: SimpleNamespace) -> dict[str, Any]:
    """Return what the result file holds."""
    return {
        "averages": avgDict,
        "overlaps": np.asarray(args.overlaps).tolist(),
        "minRegionSizes": np.asarray(args.minRegionSizes).tolist(),
        "distanceThresholds": np.asarray(args.distanceThs).tolist(),
        "minStereoDensities": np.asarray(args.distanceConfs).tolist(),
        "instLabels": args.instLabels,
        "resultApMatrix": aps.tolist(),
    }


def printResults(avgDict: dict, args: SimpleNamespace) -> None:
    """Print the table of AP and AP50 of each class and their means; separated by commas with `args.csv`."""
    sep, col1 = ("," if args.csv else ""), ("" if args.csv else ":")
    bold, ends = (colors.BOLD, colors.ENDC) if args.colorized else ("", "")
    rule, thin = ("" if args.csv else "#" * 50), ("" if args.csv else "-" * 50)

    def show(what: str, *values: float) -> None:
        cells = [getColorEntry(float(value), args) + sep + f"{value:>15.3f}" + sep for value in values]
        print(f"{what:<15}" + sep + col1 + "".join(cells) + ends)

    head = bold + f"{'what':<15}" + sep + col1 + f"{'AP':>15}" + sep + f"{'AP_50%':>15}" + sep + ends
    print("", *filter(None, (rule, head, rule)), sep="\n")
    for name in args.instLabels:
        of_class = avgDict["classes"][name]
        show(name, of_class["ap"], of_class["ap50%"])
    if thin:
        print(thin)
    show("average", avgDict["allAp"], avgDict["allAp50%"])
    print("")


def evaluate(words: Sequence[str], workers: int | None = None) -> None:
    """Score the files that the words name, or all of val, as the official command does."""
    predictions, truth = lists_of(words, args.groundTruthSearch, lambda path: getPrediction(path, args))
    warn_of_unread(truth, ".txt", args)
    args.workers = workers or usable_workers(len(truth), args.workers)
    evaluateImgLists(predictions, truth, args)


def main() -> None:
    """Run the command csEvalInstanceLevelSemanticLabeling."""
    sys.exit(as_command(evaluate))


if __name__ == "__main__":
    main()
