"""Score a folder of any tool's results."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from streeteval.errors import InputError
from streeteval.evaluator import CityscapesEvaluator
from streeteval.metrics.pixel import PixelScores
from streeteval.reading.depth import Depth, no_depth
from streeteval.reading.faults import Fault, by_place, counted, listed
from streeteval.reading.result_files import ResultFiles
from streeteval.reading.result_ids import no_class_with_ap
from streeteval.reading.result_reader import ResultReader
from streeteval.scene import Scenes, labels_of, names_of
from streeteval.workers import Workers


class ResultFilesError(InputError):
    """Result files that cannot be scored: some faults of each kind in words, all of them in `faults`."""

    def __init__(self, root: Path, faults: Sequence[Fault]):
        self.root, self.faults, lines = root, list(faults), listed(faults)
        self.all_shown = len(lines) == len(faults)
        super().__init__("\n".join([f"{root}: {counted(len(faults), 'fault')}, nothing was scored:", *lines]))


def evaluate_folder(
    folder: str | os.PathLike,
    scenes: Scenes,
    evaluator: CityscapesEvaluator | None = None,
    *,
    workers: int = 1,
    depth: Depth = no_depth,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Score a folder of result files (the submission form, from any tool) against scenes.

    `score_results` says what is scored, and what can be wrong.

    Args:
        folder: The folder; the files lie in it at any depth.
        scenes: Scenes with their truth.
        evaluator: Decides what is computed and keeps the counts; None for one with the default settings.
        workers: Processes; more than 1 needs scenes and `depth` that can be pickled.
        depth: Name of a scene -> (H, W) distances in metres, or None if they are not known; for AP100m and AP50m.
        progress: Called after each scene with how many are done, and how many there are.

    Returns:
        What `compute()` of the evaluator gives, and under "warnings" a `Fault` as a dict for each file and line that
        was left out.
    """
    evaluator = CityscapesEvaluator(labels_of(scenes)) if evaluator is None else evaluator
    files = ResultFiles.find(folder, names_of(scenes))
    warnings = score_results(files, scenes, evaluator, workers=workers, depth=depth, progress=progress)
    return evaluator.compute() | {"warnings": [asdict(warning) for warning in warnings]}


def score_results(
    files: ResultFiles,
    scenes: Scenes,
    evaluator: CityscapesEvaluator,
    *,
    workers: int = 1,
    depth: Depth = no_depth,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Fault]:
    """Give the evaluator the results of all scenes.

    Instances are scored if any frame has a .txt, pixels if any has label ids; then every scene needs one. The arguments
    are those of `evaluate_folder`.

    Returns:
        Warnings of what was left out.

    Raises:
        ResultFilesError: If files have faults: missing, ambiguous, of another size, unreadable, outside the folder, no
            label ids, a confidence that is no number, spaces in names.
        InputError: If a process was ended from outside.
    """
    done, faults, warnings = 0, [], list(files.warnings)
    labels: Counter[int] = Counter()
    masks: set[str] = set()
    for part, reader, count in _parts(files, scenes, evaluator, workers, depth):
        evaluator.merge(part)
        faults += reader.faults
        warnings += reader.warnings
        labels += reader.labels
        masks |= reader.masks
        done += count
        progress(done, len(scenes))
    if labels and (fault := no_class_with_ap(labels, evaluator.label_set, str(files.root))):
        faults.append(fault)
    if faults:
        raise ResultFilesError(files.root, by_place(faults))
    return by_place([*warnings, *files.unread(names_of(scenes), masks), *_nothing_right(evaluator, files)])


def _nothing_right(evaluator: CityscapesEvaluator, files: ResultFiles) -> list[Fault]:
    """Return a warning if not one pixel of any class is right, which even a bad result hardly ever is."""
    for metric, records in evaluator.observed():
        if isinstance(metric, PixelScores) and metric.summarise(records, np.ones((1, len(records))))["iou_class"] == 0:
            road = evaluator.label_set.evaluated[0]
            problem = "IoU class is 0: not one pixel of an evaluated class is right"
            remedy = f"check that these are label ids ({road.id} for {road.name}) of these frames"
            return [Fault(str(files.root), problem, remedy)]
    return []


def _parts(
    files: ResultFiles, scenes: Scenes, evaluator: CityscapesEvaluator, workers: int, depth: Depth
) -> Iterator[tuple[CityscapesEvaluator, ResultReader, int]]:
    """Yield an evaluator of some scenes, the reader of their files, and their number."""
    score = functools.partial(_score, files, scenes, evaluator.fresh(), depth)
    if workers <= 1:
        yield from map(score, ([i] for i in range(len(scenes))))
        return
    # Chunks small enough to show progress; spawn, because a fork of a process with threads can hang.
    chunks = np.array_split(np.arange(len(scenes)), min(len(scenes), 8 * workers))
    with Workers(score, min(workers, len(chunks)), context="spawn", advice="give fewer workers") as processes:
        yield from processes.map((chunk.tolist() for chunk in chunks), ahead=2)


def _score(
    files: ResultFiles, scenes: Scenes, empty: CityscapesEvaluator, depth: Depth, indices: list[int]
) -> tuple[CityscapesEvaluator, ResultReader, int]:
    """Score some scenes, each only if its files have no fault, with an evaluator set up as `empty`.

    Returns:
        The evaluator, the reader of the files, and the number of scenes.
    """
    evaluator, reader = empty.fresh(), ResultReader(files)
    for i in indices:
        scene, before = scenes[i], len(reader.faults)
        instances, scores = (reader.instances(scene) or (None, None)) if files.instance else (None, None)
        semantic_HW = reader.semantic(scene) if files.pixel else None
        if len(reader.faults) == before:
            evaluator.update(scene, instances, semantic_HW, scores=scores, depth_HW=depth(scene.name))
    return evaluator, reader, len(indices)
