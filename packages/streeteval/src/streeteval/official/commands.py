"""The commands that score files, with the options that the official ones have not."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from types import ModuleType

from streeteval.official import instance, pixel
from streeteval.official.pairs import add_workers

__all__ = ["evaluate_instances", "evaluate_pixels"]


def evaluate_instances(words: Sequence[str], prog: str | None = None) -> None:
    """Score instances as the words of a command line say."""
    _evaluate(instance, instance.evaluate, words, prog, "Compute AP of instances")


def evaluate_pixels(words: Sequence[str], prog: str | None = None) -> None:
    """Score label ids as the words of a command line say."""
    _evaluate(pixel, pixel.evaluate, words, prog, "Compute IoU of pixels")


def _evaluate(
    module: ModuleType,
    run: Callable[[Sequence[str], int | None], None],
    words: Sequence[str],
    prog: str | None,
    what: str,
) -> None:
    """Set the parameters of a module and score."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=f"{what} of all of val: the truth in CITYSCAPES_DATASET, the results in CITYSCAPES_RESULTS or in "
        "results/ of the data set; or of the files that are given.",
    )
    parser.add_argument("files", nargs="*", help="files of the truth ('gt' in the path) and of predictions ('pred')")
    parser.add_argument("--json", help="file for the result (default: in CITYSCAPES_EXPORT_DIR, if that is set)")
    add_workers(parser)
    parser.add_argument("--train-ids", action="store_true", help="the results hold train ids, not label ids")
    parser.add_argument("--enlarge", action="store_true", help="enlarge results that are smaller than the truth")
    if module is instance:
        parser.add_argument("--csv", action="store_true", help="separate the columns by commas")
    asked = parser.parse_args(words)
    module.args.trainIds, module.args.enlarge = asked.train_ids, asked.enlarge
    if module is instance:
        module.args.csv = asked.csv
    module.args.JSONOutput = bool(asked.json or os.environ.get("CITYSCAPES_EXPORT_DIR"))
    module.args.exportFile = asked.json or module.args.exportFile
    run(asked.files, asked.workers)
