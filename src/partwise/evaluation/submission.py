"""The benchmark's submission form: written for a prediction, and a folder of any tool's results scored."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from partwise.errors import PartwiseError
from partwise.evaluation.distance import Depth, no_depth
from partwise.evaluation.evaluator import CityscapesEvaluator
from partwise.evaluation.result_files import (
    ResultFiles,
    read_instances,
    read_lines,
    read_pixels,
)
from partwise.files import atomic_write
from partwise.instances import Instances
from partwise.scene import Prediction, Scene
from partwise.workers import Workers

INSTANCES, PIXELS = "instances", "pixels"  # two folders, because the official pixel tool takes any <id>*.png


def check_name(name: str) -> None:
    """Raises PartwiseError for the name of an image that the form cannot hold."""
    if not name or any(character in name for character in " \t\n\r/\\"):
        raise PartwiseError(f"image name {name!r}: the submission form allows no space and no slash in it: rename it")


def write_submission(
    name: str, prediction: Prediction, out: str | os.PathLike, *, instances: bool = True
) -> list[Path]:
    """Write one image's prediction in the form that the benchmark's server takes; returns the files written.

    out/instances/<name>_pred.txt and out/instances/masks/<name>_<i>.png (1 bit); where there is a semantic map,
    out/pixels/<name>_labelIds.png. Each of the two folders is one submission.

    instances   False for what tells none apart: a file without a line would say that there is none

    Raises PartwiseError for a name with a space or a slash (the form cannot hold it), or if a file cannot be written.
    """
    check_name(name)
    folder = Path(out)
    written = []
    with ExitStack() as together:

        def save(path: Path, image: Image.Image) -> None:
            image.save(together.enter_context(atomic_write(path)), format="PNG")
            written.append(path)

        if instances:
            lines, found = [], prediction.instances
            for i in range(len(found)):
                mask = folder / INSTANCES / "masks" / f"{name}_{i}.png"
                save(mask, Image.fromarray(found.full_mask(i)))
                lines.append(f"masks/{mask.name} {found.labels[i]} {float(found.scores[i])!r}\n")
            path = folder / INSTANCES / f"{name}_pred.txt"
            together.enter_context(atomic_write(path, "w")).write("".join(lines))
            written.append(path)
        if prediction.semantic_HW is not None:
            ids_HW = prediction.semantic_HW.astype(np.uint8)
            save(folder / PIXELS / f"{name}_labelIds.png", Image.fromarray(ids_HW))
    return written


def evaluate_folder(
    folder: str | os.PathLike,
    scenes: Sequence[Scene],
    evaluator: CityscapesEvaluator | None = None,
    *,
    workers: int = 1,
    depth: Depth = no_depth,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Score a folder of result files (the submission form, from any tool) against scenes; what `compute()` gives.

    Instances are scored if there is any `<id>*.txt`, pixels if there is any `<id>*labelIds.png`; then every scene needs
    one.
    evaluator   decides what is computed and keeps the counts; a plain one without it
    workers     processes; more than 1 needs scenes and `depth` that can be pickled
    depth       name of a scene -> (H, W) metres, or None where it is not known; for AP100m and AP50m

    Raises PartwiseError with one line for every fault of the files: missing, of another size, unreadable, leaving the
    folder, a foreign class, a confidence that is no number, wrong line ends, spaces in names.
    """
    evaluator = CityscapesEvaluator() if evaluator is None else evaluator
    files = ResultFiles.find(folder)
    total, done, faults = len(scenes), 0, []
    for part, part_faults, count in _parts(files, scenes, evaluator, workers, depth):
        evaluator.merge(part)
        faults += part_faults
        done += count
        progress(done, total)
    if faults:
        number = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise PartwiseError("\n".join([f"{files.root}: {number}, nothing was scored:", *sorted(faults)]))
    return evaluator.compute()


def _parts(files: ResultFiles, scenes: Sequence[Scene], evaluator: CityscapesEvaluator, workers: int, depth: Depth):
    """Yield (evaluator of some scenes, their faults, their number)."""
    score = functools.partial(_score, files, scenes, evaluator.fresh(), depth)
    if workers <= 1:
        yield from map(score, ([i] for i in range(len(scenes))))
        return
    # Chunks small enough to show progress; spawn, because a fork of a process with threads can hang.
    chunks = np.array_split(np.arange(len(scenes)), min(len(scenes), 8 * workers))
    with Workers(score, min(workers, len(chunks)), context="spawn", advice="give fewer workers") as processes:
        yield from processes.map((chunk.tolist() for chunk in chunks), ahead=2)


def _score(
    files: ResultFiles, scenes: Sequence[Scene], empty: CityscapesEvaluator, depth: Depth, indices: list[int]
) -> tuple[CityscapesEvaluator, list[str], int]:
    """Score some scenes, each only if its files have no fault. Returns an evaluator set up as `empty`."""
    evaluator, faults = empty.fresh(), []
    for i in indices:
        scene, before = scenes[i], len(faults)
        instances = scores = semantic_HW = None
        if files.instance:
            instances, scores = _instances_of(files, scene, faults)
        if files.pixel and (path := files.pixel_file(scene.name, faults)):
            semantic_HW = read_pixels(path, scene.size, scene.label_set, faults)
        if len(faults) == before:
            evaluator.update(scene, instances, semantic_HW, scores=scores, depth_HW=depth(scene.name))
    return evaluator, faults, len(indices)


def _instances_of(files: ResultFiles, scene: Scene, faults: list[str]) -> tuple[Instances | None, np.ndarray | None]:
    path = files.instance_file(scene.name, faults)
    if path is None:
        return None, None
    lines = read_lines(path, files.root, scene.label_set, faults)
    return read_instances(lines, scene.size, faults)
