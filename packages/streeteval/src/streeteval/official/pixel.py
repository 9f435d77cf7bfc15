"""IoU of pixels with the names of evaluation/evalPixelLevelSemanticLabeling.py of cityscapesScripts 2.3.0.

Change one import, and what called the official module calls this one::

    import streeteval.official.pixel as cityscapes_eval

Axes: D label ids, N images.
"""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from streeteval.labels import CITYSCAPES
from streeteval.official.confusion import ConfusionEvaluator, Confusions
from streeteval.official.labels import category2labels, id2label
from streeteval.official.pairs import LabelTruth, paired_files, scored, show_progress, usable_workers, write_export
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
    "createResultDict",
    "evaluateImgLists",
    "getPrediction",
    "getScoreAverage",
    "main",
    "printCategoryScores",
    "printClassScores",
    "printConfMatrix",
]

_IN_COLOUR = sys.stderr is not None and sys.stderr.isatty() and platform.system() == "Linux"
args = SimpleNamespace(
    cityscapesPath=dataset_path(),
    exportFile=export_file("resultPixelLevelSemanticLabeling.json"),
    groundTruthSearch=str(Path(dataset_path(), "gtFine", "val", "*", "*_gtFine_labelIds.png")),
    evalInstLevelScore=True,
    evalPixelAccuracy=False,
    evalLabels=[],
    printRow=5,
    normalized=True,
    colorized=_IN_COLOUR,
    bold=colors.BOLD if _IN_COLOUR else "",
    nocol=colors.ENDC if _IN_COLOUR else "",
    JSONOutput=True,
    quiet=False,
    avgClassSize={label.name: label.mean_instance_px for label in CITYSCAPES if label.has_instances},
    predictionPath=None,
    predictionWalk=None,
    workers=1,  # processes; a program that asks for more needs `if __name__ == "__main__":`
    trainIds=False,  # whether the results hold train ids
    enlarge=False,  # whether maps smaller than the truth are enlarged
)
"""The parameters of the module, which callers change."""


def getPrediction(args: SimpleNamespace, groundTruthFile: str) -> str:
    """Return the .png of a frame, below `args.predictionPath`, CITYSCAPES_RESULTS or results/ of the data set.

    Raises:
        InputError: If there is not one.
    """
    return only_file(groundTruthFile, ".png", args)


def evaluateImgLists(
    predictionImgList: Sequence[str], groundTruthImgList: Sequence[str], args: SimpleNamespace
) -> dict[str, Any]:
    """Score maps of label ids.

    Args:
        predictionImgList: The map of each frame.
        groundTruthImgList: The labelIds.png of each frame. The instanceIds.png beside it are read as well, unless
            `args.evalInstLevelScore` is False.
        args: The parameters. With `JSONOutput` the result is written to `exportFile`; `quiet` prints nothing.

    Returns:
        {"averageScoreClasses", "averageScoreInstClasses", "averageScoreCategories", "averageScoreInstCategories",
        "classScores", "classInstScores", "categoryScores", "categoryInstScores", "confMatrix", "priors", "labels"} as
        the official script returns it; NaN for a score without a value.

    Raises:
        InputError: If files have faults, all of which it names.
    """
    args.evalLabels = [label.id for label in CITYSCAPES]
    truth = LabelTruth(groundTruthImgList, args.evalInstLevelScore)
    files, _ = paired_files(predictionImgList, groundTruthImgList, truth, args, kind="pixel")
    if not args.quiet:
        print(f"Evaluating {len(truth)} pairs of images...")
    evaluator = scored(files, truth, ConfusionEvaluator(), args, show_progress(args.quiet))
    counts = Confusions.of(evaluator)
    result = createResultDict(counts, args)
    if args.evalPixelAccuracy:
        by_name = counts.accuracy_by_name()
        pairs = zip(predictionImgList, truth.names, strict=True)
        result["perImageScores"] = {path: by_name[name] for path, name in pairs}
    if not args.quiet:
        _print_all(result, counts.confusion_DD, args)
    if args.JSONOutput:
        write_export(result, args.exportFile)
    return result


def createResultDict(counts: Confusions, args: SimpleNamespace) -> dict[str, Any]:
    """Return what the result file holds, from the counts of all images."""
    confusion_DD = counts.confusion_DD
    names = {id_: id2label[id_].name for id_ in args.evalLabels}
    scores = counts.scores()
    none = dict.fromkeys(names.values(), math.nan)
    categories = dict.fromkeys(category2labels, math.nan)
    by_kind = {
        "classScores": none | scores["classes"],
        "classInstScores": none | scores["things"],
        "categoryScores": categories | scores["categories"],
        "categoryInstScores": categories | scores["thing categories"],
    }
    averages = {
        "averageScoreClasses": "classScores",
        "averageScoreInstClasses": "classInstScores",
        "averageScoreCategories": "categoryScores",
        "averageScoreInstCategories": "categoryInstScores",
    }
    return {
        "confMatrix": confusion_DD.tolist(),
        "priors": {name: _prior(id_, confusion_DD) for id_, name in names.items()},
        "labels": {name: id_ for id_, name in names.items()},
        **by_kind,
        **{average: getScoreAverage(by_kind[kind], args) for average, kind in averages.items()},
    }


def getScoreAverage(scoreList: Mapping[str, float], args: SimpleNamespace) -> float:
    """Return the mean of the scores that have a value; NaN if none has."""
    valid = [score for score in scoreList.values() if not math.isnan(score)]
    return sum(valid) / len(valid) if valid else math.nan


def _prior(id_: int, confusion_DD: np.ndarray) -> float:
    """Return the share of the pixels whose truth is this class."""
    return float(confusion_DD[id_].sum() / confusion_DD.sum())


def _print_all(result: Mapping[str, Any], confusion_DD: np.ndarray, args: SimpleNamespace) -> None:
    """Print the tables of the official script."""
    print("")
    printConfMatrix(confusion_DD, args)
    for show, kind in ((printClassScores, "class"), (printCategoryScores, "category")):
        plural = {"class": "Classes", "category": "Categories"}[kind]
        print("\n" * (2 if kind == "class" else 1), end="")
        show(result[f"{kind}Scores"], result[f"{kind}InstScores"], args)
        means = (result[f"averageScore{plural}"], result[f"averageScoreInst{plural}"])
        print("-" * 32)
        print("Score Average : " + "    ".join(_coloured(mean, args) for mean in means))
        print("-" * 32)
        print("")


def _coloured(value: float, args: SimpleNamespace) -> str:
    return getColorEntry(value, args) + f"{value:>5.3f}" + args.nocol


def printConfMatrix(confMatrix: np.ndarray, args: SimpleNamespace) -> None:
    """Print the confusion of the classes that are in the truth, as shares of each row with `args.normalized`."""
    wide = args.printRow
    rule = "".join("\b" + f"{' ':->{width}} " for width in (15, *[wide + 2] * len(args.evalLabels)))
    last = "\b" + f"{' ':->{wide + 3}}"
    print(rule + last)
    heads = "".join("\b" + f"{id2label[id_].name[0]:^{wide}} | " for id_ in args.evalLabels)
    print("\b" + f"{'':>13} | " + heads + "\b" + f"{'Prior':>6} |")
    print(rule + last)
    for id_ in args.evalLabels:
        prior = _prior(id_, confMatrix)
        if prior < 1e-9:
            continue
        row = confMatrix[id_] / confMatrix[id_].sum() if args.normalized else confMatrix[id_]
        cells = (
            getColorEntry(float(row[y]), args) + "\b" + f"{row[y]:>{wide}.2f}  " + args.nocol + " "
            for y in args.evalLabels
        )
        name = "\b" + f"{id2label[id_].name[:13]:>13} | "
        print(name + "".join(cells) + getColorEntry(prior, args) + "\b" + f"{prior:>6.4f} " + args.nocol)
    print(rule + last, end=" ")


def printClassScores(scoreList: Mapping[str, float], instScoreList: Mapping[str, float], args: SimpleNamespace) -> None:
    """Print IoU and iIoU of each class that is evaluated."""
    names = [id2label[id_].name for id_ in args.evalLabels if not id2label[id_].ignoreInEval]
    _print_scores("classes", names, scoreList, instScoreList, args)


def printCategoryScores(
    scoreDict: Mapping[str, float], instScoreDict: Mapping[str, float], args: SimpleNamespace
) -> None:
    """Print IoU and iIoU of each category that is evaluated."""
    names = [name for name in scoreDict if not all(label.ignoreInEval for label in category2labels[name])]
    _print_scores("categories", names, scoreDict, instScoreDict, args)


def _print_scores(
    what: str, names: Sequence[str], iou: Mapping[str, float], iiou: Mapping[str, float], args: SimpleNamespace
) -> None:
    if args.quiet:
        return
    print(args.bold + f"{what:<17}IoU      nIoU" + args.nocol)
    print("-" * 32)
    for name in names:
        print(f"{name:<14}: " + _coloured(iou[name], args) + "    " + _coloured(iiou[name], args))


def evaluate(words: Sequence[str], workers: int | None = None) -> None:
    """Score the files that the words name, or all of val, as the official command does."""
    predictions, truth = lists_of(words, args.groundTruthSearch, lambda path: getPrediction(args, path))
    warn_of_unread(truth, ".png", args)
    args.workers = workers or usable_workers(len(truth), args.workers)
    evaluateImgLists(predictions, truth, args)


def main() -> None:
    """Run the command csEvalPixelLevelSemanticLabeling."""
    sys.exit(as_command(evaluate))


if __name__ == "__main__":
    main()
