"""Where the official scripts look for data and results, which file belongs to a frame, and their colours."""

from __future__ import annotations

import fnmatch
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from streeteval.errors import InputError, on_one_line
from streeteval.reading.faults import SHOWN_OF_A_KIND

__all__ = [
    "as_command",
    "colors",
    "dataset_path",
    "export_file",
    "frame_of",
    "getColorEntry",
    "lists_of",
    "only_file",
    "results_path",
    "warn_of_unread",
]

_FRAME = re.compile(r"[^_]+_\d{6}_\d{6}")
_PACKAGES = {"cityscapesscripts": "cityscapesScripts==2.3.0", "pycocotools": "pycocotools"}  # module -> distribution
ERROR_CODE = 255  # what sys.exit(-1) of the official scripts gives


class colors:
    """Escape sequences of terminals."""

    RED = "\033[31;1m"
    GREEN = "\033[32;1m"
    YELLOW = "\033[33;1m"
    BLUE = "\033[34;1m"
    MAGENTA = "\033[35;1m"
    CYAN = "\033[36;1m"
    BOLD = "\033[1m"
    UNDERLINE = "\033[4m"
    ENDC = "\033[0m"


def getColorEntry(val: Any, args: SimpleNamespace) -> str:
    """Return the colour of a score: red below .2, then yellow, blue, cyan, and green from .8 on."""
    if not args.colorized:
        return ""
    if not isinstance(val, float) or math.isnan(val):
        return colors.ENDC
    steps = ((0.2, colors.RED), (0.4, colors.YELLOW), (0.6, colors.BLUE), (0.8, colors.CYAN))
    return next((colour for below, colour in steps if val < below), colors.GREEN)


def dataset_path() -> str:
    """Return the folder of the data set: CITYSCAPES_DATASET, or the working folder."""
    return os.environ.get("CITYSCAPES_DATASET", os.curdir)


def results_path() -> str:
    """Return the folder of results: CITYSCAPES_RESULTS, or results/ of the data set."""
    return os.environ.get("CITYSCAPES_RESULTS") or str(Path(dataset_path(), "results"))


def export_file(name: str) -> str:
    """Return where a result goes: into CITYSCAPES_EXPORT_DIR, or evaluationResults/ of the data set.

    The official script for instances does not know CITYSCAPES_EXPORT_DIR.
    """
    folder = os.environ.get("CITYSCAPES_EXPORT_DIR")
    return str(Path(folder or Path(dataset_path(), "evaluationResults"), name))


def frame_of(path: str) -> str:
    """Return the name of a frame, city_sequence_frame, from the name of one of its files.

    Raises:
        InputError: If the name is not one of Cityscapes.

    Example:
        >>> frame_of("gtFine/val/ulm/ulm_000001_000019_gtFine_labelIds.png")
        'ulm_000001_000019'
    """
    parts = Path(path).name.split("_")
    if len(parts) not in (4, 5):
        raise InputError(f"{path}: no name of Cityscapes: name it city_123456_123456_gtFine_labelIds.png")
    return "_".join(parts[:3])


def only_file(groundTruthFile: str, ending: str, args: SimpleNamespace) -> str:
    """Return the one result file of a frame, below `args.predictionPath`.

    The folder is looked for if it is not set: CITYSCAPES_RESULTS, or results/ of the data set. Its files are listed
    once and kept in `args.predictionWalk`.

    Args:
        groundTruthFile: A file of the truth.
        ending: Such as ".txt".
        args: The arguments of the module.

    Raises:
        InputError: If there is no folder, or not one file.
    """
    if not args.predictionPath:
        root = results_path()
        if not Path(root).is_dir():
            raise InputError(f"{root}: no folder of results: set CITYSCAPES_RESULTS to it")
        args.predictionPath = os.path.abspath(root)  # noqa: PTH100 - links in it stay
    if not args.predictionWalk:
        args.predictionWalk = [(root, names) for root, _, names in os.walk(args.predictionPath)]
    pattern = f"{frame_of(groundTruthFile)}*{ending}"
    found = [
        str(Path(root, name)) for root, names in args.predictionWalk for name in sorted(fnmatch.filter(names, pattern))
    ]
    if len(found) > 1:
        raise InputError(
            f"Found multiple predictions for ground truth {groundTruthFile}: {found[0]} and {found[1]}: keep one"
        )
    if not found:
        raise InputError(
            f"Found no prediction for ground truth {groundTruthFile}: no {pattern} in {args.predictionPath} or below"
        )
    return found[0]


def lists_of(words: Sequence[str], search: str, find: Callable[[str], str]) -> tuple[list[str], list[str]]:
    """Return the files of predictions and of the truth that a command is to score.

    Args:
        words: The arguments of the command: none, or the files of both, told apart as the official scripts do: the path
            of a truth holds "gt" or "groundtruth", that of any other prediction "pred".
        search: Pattern of the truth, if there is no argument.
        find: Finds the prediction for a truth.

    Raises:
        InputError: If there is no truth, or not one prediction for each.
    """
    if not words:
        anchor = Path(search).anchor
        truth = sorted(str(path) for path in Path(anchor or os.curdir).glob(search[len(anchor) :]))
        if not truth:
            raise InputError(
                f"Cannot find any ground truth images to use for evaluation. Searched for: {search}. "
                "Set CITYSCAPES_DATASET to the folder of the data set"
            )
        return _all_found(truth, find), truth
    truth = [word for word in words if "gt" in word or "groundtruth" in word]
    predictions = [word for word in words if word not in truth and "pred" in word]
    if len(truth) != len(predictions) or not truth:
        raise InputError(
            f"{len(predictions)} files of predictions (with 'pred' in their paths) and {len(truth)} of the truth (with "
            "'gt'): give one for each, or none of both"
        )
    return predictions, truth


def _all_found(truth: Sequence[str], find: Callable[[str], str]) -> list[str]:
    """Return what is found for each truth.

    Raises:
        InputError: If something is not found; it names the first of all that are missing.
    """
    found, problems = [], []
    for path in truth:
        try:
            found.append(find(path))
        except InputError as error:
            problems.append(str(error))
    if problems:
        more = len(problems) - SHOWN_OF_A_KIND
        lines = problems[:SHOWN_OF_A_KIND] + ([f"and {more} more of {len(truth)} frames"] if more > 0 else [])
        raise InputError("\n".join(lines))
    return found


def warn_of_unread(truth: Sequence[str], ending: str, args: SimpleNamespace) -> None:
    """Say on stderr which result files belong to no frame of the truth, such as those of a city that it lacks.

    Args:
        truth: The files of the truth.
        ending: Of the result files, such as ".txt".
        args: The arguments of the module, after `only_file`.
    """
    frames = {frame_of(path) for path in truth}
    unread = [
        str(Path(root, name))
        for root, names in args.predictionWalk or ()
        for name in names
        if name.endswith(ending) and (start := _FRAME.match(name)) and start[0] not in frames
    ]
    if unread:
        what = "1 result file belongs" if len(unread) == 1 else f"{len(unread)} result files belong"
        print(f"WARNING: {what} to no frame of the truth, such as {min(unread)}: not read", file=sys.stderr)


def as_command(run: Callable[[Sequence[str]], object]) -> int:
    """Run a command on the words of the command line; bad input is one line "ERROR: ..." and the code 255."""
    try:
        run(sys.argv[1:])
    except InputError as error:
        print("ERROR: " + "\n".join(map(on_one_line, str(error).splitlines())))
        return ERROR_CODE
    except ModuleNotFoundError as error:
        package = _PACKAGES.get((error.name or "").partition(".")[0])
        if package is None:
            raise
        print(f"ERROR: {error.name} is not installed: pip install {package}")
        return ERROR_CODE
    return 0
