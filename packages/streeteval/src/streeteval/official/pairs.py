"""Pairs of files, a truth and a prediction each, as the official scripts take them; scored by any evaluator."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.evaluator import CityscapesEvaluator
from streeteval.files import atomic_write
from streeteval.labels import CITYSCAPES
from streeteval.reading.faults import id_faults, implied_ids, listed
from streeteval.reading.id_files import read_ids
from streeteval.reading.result_files import ReadOptions, ResultFiles
from streeteval.scene import Scenes, Truth
from streeteval.scoring import score_results

__all__ = [
    "InstanceTruth",
    "LabelTruth",
    "add_workers",
    "paired_files",
    "scored",
    "show_progress",
    "usable_workers",
    "write_export",
]

_WORTH_A_WORKER = 16  # images; a process takes as long to start as some images to score


class InstanceTruth(Sequence):
    """The truth of instanceIds.png files as a sequence of `Truth`, each called by its absolute path."""

    def __init__(self, paths: Sequence[str]):
        self.names = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - links in it stay
        self.label_set = CITYSCAPES

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Truth:  # type: ignore[override]  # takes no slices
        """Return truth i, read and checked."""
        ids_HW = read_ids(self.names[i])
        _require_ids(None, ids_HW, ("", self.names[i]))
        return Truth(self.names[i], implied_ids(ids_HW).astype(np.uint8), ids_HW)


class LabelTruth(InstanceTruth):
    """The truth of labelIds.png files; the instanceIds.png beside them give the weights of iIoU.

    Args:
        paths: Of the labelIds.png.
        instances: Whether the instances are read; otherwise there are none.
    """

    def __init__(self, paths: Sequence[str], instances: bool):
        super().__init__(paths)
        self.instances = instances

    def __getitem__(self, i: int) -> Truth:  # type: ignore[override]  # takes no slices
        """Return truth i, read and checked."""
        path, ids_HW = self.names[i], None
        semantic_HW = read_ids(path)
        if self.instances:
            ids_HW = read_ids(path.replace("labelIds", "instanceIds"))
        _require_ids(semantic_HW, ids_HW, (path, path.replace("labelIds", "instanceIds")))
        return Truth(path, semantic_HW.astype(np.uint8), np.zeros_like(semantic_HW) if ids_HW is None else ids_HW)


def _require_ids(semantic_HW: np.ndarray | None, ids_HW: np.ndarray | None, files: tuple[str, str]) -> None:
    faults = id_faults(semantic_HW, ids_HW, files, CITYSCAPES)
    if faults:
        raise InputError(str(faults[0]))


def paired_files(
    predictions: Sequence[str],
    groundTruth: Sequence[str],
    truth: InstanceTruth,
    args: SimpleNamespace,
    kind: str = "instance",
) -> tuple[ResultFiles, InstanceTruth]:
    """Return the result files of each truth.

    Raises:
        InputError: If the lists are empty, of different lengths, or name a truth twice.
    """
    if len(predictions) != len(groundTruth) or not predictions:
        raise InputError(
            f"{len(predictions)} predictions for {len(groundTruth)} images of the truth: give one for each"
        )
    if len(set(truth.names)) < len(truth):
        raise InputError(f"{len(truth) - len(set(truth.names))} images of the truth are given twice: give each once")
    own = [Path(os.path.abspath(path)) for path in predictions]  # noqa: PTH100 - links in it stay
    root = Path(args.predictionPath or os.path.commonpath([path.parent for path in own]))
    by_name = {name: [path] for name, path in zip(truth.names, own, strict=True)}
    options = ReadOptions(train_ids=args.trainIds, enlarge=args.enlarge)
    files = ResultFiles(Path(os.path.abspath(root)), {}, {}, {}, options=options)  # noqa: PTH100
    return (replace(files, instance=by_name) if kind == "instance" else replace(files, pixel=by_name)), truth


def scored(
    files: ResultFiles,
    truth: Scenes[Truth],
    evaluator: CityscapesEvaluator,
    args: SimpleNamespace,
    progress: Callable[[int, int], None],
) -> CityscapesEvaluator:
    """Give the evaluator all files, and say on stderr what was left out; returns the evaluator.

    Raises:
        InputError: If files have faults.
    """
    warnings = score_results(files, truth, evaluator, workers=args.workers, progress=progress)
    if not args.quiet:
        for line in listed(warnings):
            print(f"WARNING: {line}", file=sys.stderr)
    return evaluator


def show_progress(quiet: bool) -> Callable[[int, int], None]:
    """Return a function that shows how many images are done, on one line."""

    def show(done: int, total: int) -> None:
        if not quiet:
            print(f"\rImages Processed: {done}", end="\n" if done == total else " ", flush=True)

    return show


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the option --workers, None if it is not given."""
    default = f"one for each core, if there are {_WORTH_A_WORKER} images for each"
    parser.add_argument("--workers", type=_from_1, help=f"processes, from 1 on (default: {default})")


def _from_1(text: str) -> int:
    """Read a whole number from 1 on."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 on")
    return int(text)


def usable_workers(images: int, asked: int = 1) -> int:
    """Return how many processes are worth starting: more than 1 only for many images and cores."""
    if asked > 1:
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, images // _WORTH_A_WORKER))


def write_export(value: dict[str, Any], path: str) -> None:
    """Write a result as the official scripts do: sorted keys, four spaces, NaN as it is.

    Raises:
        InputError: If the file cannot be written.
    """
    with atomic_write(path, "w") as file:
        file.write(json.dumps(value, sort_keys=True, indent=4))
