"""The benchmark's submission form: written for a prediction, and a folder of any tool's results scored."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from partwise.data.faults import Fault, by_place, counted, listed
from partwise.errors import PartwiseError
from partwise.evaluation.distance import Depth, no_depth
from partwise.evaluation.evaluator import CityscapesEvaluator
from partwise.evaluation.result_files import ResultFiles
from partwise.evaluation.result_ids import no_class_with_ap
from partwise.evaluation.result_reader import ResultReader
from partwise.files import atomic_write, expanded
from partwise.scene import Prediction, Scenes, names_of
from partwise.workers import Workers
from partwise.written import PNG_TEXT

INSTANCES, PIXELS = "instances", "pixels"  # two folders, because the official pixel tool takes any <id>*.png


def check_name(name: str) -> None:
    """Raises PartwiseError for the name of an image that the form cannot hold."""
    if not name or any(character in name for character in " \t\n\r/\\"):
        raise PartwiseError(f"image name {name!r}: the submission form allows no space and no slash in it: rename it")


def submission_paths(name: str, out: Path) -> list[Path]:
    """The files of an image that do not depend on what is found in it, and the first mask."""
    return [out / INSTANCES / f"{name}_pred.txt", out / PIXELS / f"{name}_labelIds.png", _mask_path(name, 0, out)]


def _mask_path(name: str, i: int, out: Path) -> Path:
    return out / INSTANCES / "masks" / f"{name}_{i}.png"


def write_submission(
    name: str, prediction: Prediction, out: str | os.PathLike, *, instances: bool = True, overwrite: bool = False
) -> list[Path]:
    """Write one image's prediction in the form that the benchmark's server takes; returns the files written.

    out/instances/<name>_pred.txt and out/instances/masks/<name>_<i>.png (1 bit); where there is a semantic map,
    out/pixels/<name>_labelIds.png. Each of the two folders is one submission.

    instances   False for what tells none apart: a file without a line would say that there is none
    overwrite   replace files of these names that partwise did not write, too

    Raises ForeignFileError for such files without `overwrite`, and PartwiseError for a name with a space or a slash
    (the form cannot hold it), or if a file cannot be written.
    """
    check_name(name)
    folder = expanded(out)
    lines_path, pixels_path, _ = submission_paths(name, folder)
    written = []
    with ExitStack() as together:

        def save(path: Path, image: Image.Image) -> None:
            file = together.enter_context(atomic_write(path, overwrite=overwrite))
            image.save(file, format="PNG", pnginfo=PNG_TEXT)
            written.append(path)

        if instances:
            lines, found = [], prediction.instances
            for i in range(len(found)):
                mask = _mask_path(name, i, folder)
                save(mask, Image.fromarray(found.full_mask(i)))
                lines.append(f"masks/{mask.name} {found.labels[i]} {float(found.scores[i])!r}\n")
            together.enter_context(atomic_write(lines_path, "w", overwrite=overwrite)).write("".join(lines))
            written.append(lines_path)
        if prediction.semantic_HW is not None:
            save(pixels_path, Image.fromarray(prediction.semantic_HW.astype(np.uint8)))
    return written


class ResultFilesError(PartwiseError):
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

    What is scored, and what can be wrong, is said at `score_results`.

    Args:
        folder: the result files lie in it, at any depth.
        scenes: with their truth.
        evaluator: decides what is computed and keeps the counts; a plain one without it.
        workers: processes; more than 1 needs scenes and `depth` that can be pickled.
        depth: name of a scene -> (H, W) metres, or None where it is not known; for AP100m and AP50m.
        progress: is told how many scenes are done, of how many.

    Returns:
        What `compute()` of the evaluator gives, and under "warnings" a `Fault` as a dict for each file and line that
        was left out.
    """
    evaluator = CityscapesEvaluator() if evaluator is None else evaluator
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
    """Give the evaluator the results of all scenes; returns warnings of what was left out.

    Instances are scored if any frame has a .txt, pixels if any has label ids; then every scene needs one. The arguments
    are those of `evaluate_folder`.

    Raises:
        ResultFilesError: the files have faults: missing, ambiguous, of another size, unreadable, leaving the folder, no
            label ids, a confidence that is no number, spaces in names.
        PartwiseError: a process was ended from outside.
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
    return by_place([*warnings, *files.unread(names_of(scenes), masks)])


def _parts(
    files: ResultFiles, scenes: Scenes, evaluator: CityscapesEvaluator, workers: int, depth: Depth
) -> Iterator[tuple[CityscapesEvaluator, ResultReader, int]]:
    """Yield (evaluator of some scenes, the reader of their files, their number)."""
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
    """Score some scenes, each only if its files have no fault. Returns an evaluator set up as `empty`."""
    evaluator, reader = empty.fresh(), ResultReader(files)
    for i in indices:
        scene, before = scenes[i], len(reader.faults)
        instances, scores = (reader.instances(scene) or (None, None)) if files.instance else (None, None)
        semantic_HW = reader.semantic(scene) if files.pixel else None
        if len(reader.faults) == before:
            evaluator.update(scene, instances, semantic_HW, scores=scores, depth_HW=depth(scene.name))
    return evaluator, reader, len(indices)
