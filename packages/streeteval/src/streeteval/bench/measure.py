"""Measure the commands from files beside cityscapesScripts, and beside what no evaluator can save.

Seconds are of the processor (time.process_time), so that other work of the machine has little effect; only several
processes are measured by the clock. Every time is the best of some rounds.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from streeteval.bench.material import SPLIT, FrameFiles, link_again, predictions_of, results_of, write_files
from streeteval.bench.official import require_official, time_all
from streeteval.errors import InputError
from streeteval.machine import describe_machine
from streeteval.official import instance, panoptic, pixel
from streeteval.official.create import convert2panoptic
from streeteval.official.segment_files import pairs_of
from streeteval.reading.truth import TruthFolder
from streeteval.scene import EvenlySpaced, Scene

__all__ = ["bench"]

_SHIFT_PX = (2, 3)
_KINDS = ("instances", "pixels", "panoptic")


def bench(
    data: str | Path,
    split: str = "val",
    *,
    frames: int = 6,
    predictions: int = 100,
    rounds: int = 3,
    workers: int = 1,
    scaling_images: int = 48,
    official_python: str | None = None,
) -> dict[str, Any]:
    """Measure on frames of a data set with predictions that are made from its truth.

    Args:
        data: Root of the data set; only gtFine is read.
        split: The split.
        frames: Number of frames, evenly spaced.
        predictions: Number of predicted instances in each frame.
        rounds: How often each time is measured; the best counts.
        workers: If above 1, also compare this number of processes with one, by the clock.
        scaling_images: Number of frames for that.
        official_python: Interpreter of an environment with cityscapesScripts and a NumPy that it runs with; None for
            this process, with what NumPy has no more put back.

    Returns:
        All figures in JSON's own types: "seconds an image" has official, ours and the time that Pillow takes to decode
        the files, which is no work of scoring; "touch each pixel of the masks" is what counting takes at least.

    Raises:
        InputError: If cityscapesScripts is not installed, the data cannot be read, or a number is below 1.
    """
    if min(frames, predictions, rounds, workers) < 1:
        given = f"frames {frames}, predictions {predictions}, rounds {rounds}, workers {workers}"
        raise InputError(f"{given}: give numbers from 1 on")
    if official_python is None:
        require_official()
    rng = np.random.default_rng(0)
    scenes: list[Scene] = list(EvenlySpaced(TruthFolder(data, split), frames))
    found = [predictions_of(scene, predictions, rng) for scene in scenes]
    semantics = [np.roll(scene.semantic_HW, _SHIFT_PX, (0, 1)) for scene in scenes]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = write_files(root, scenes, found, semantics, bits=8)
        _write_panoptic(root)
        theirs = time_all(_requests(root, files), rounds, official_python)
        ours, scores = _ours_in_rounds(root, files, rounds)
        decode = {kind: _best(rounds, _decode, root, kind) for kind in _KINDS}
        touch = _best(rounds, _touch, root)
        scaling = _scaling(root, files, scaling_images, workers) if workers > 1 else None
    columns = {"official": theirs["seconds"], "ours": ours, "decode the files with Pillow": decode}
    per_image = {kind: {who: round(of[kind] / len(scenes), 4) for who, of in columns.items()} for kind in _KINDS}
    return {
        "machine": describe_machine(),
        "NumPy": {"official": theirs["numpy"], "ours": np.__version__},
        "images": len(scenes),
        "predictions an image": predictions,
        "size": "{1}x{0}".format(*scenes[0].size),
        "seconds an image": per_image,
        "touch each pixel of the masks, seconds an image": round(touch / len(scenes), 4),
        "times faster": {kind: round(theirs["seconds"][kind] / ours[kind], 1) for kind in _KINDS},
        "largest difference of a score": max(abs(scores[key] - value) for key, value in theirs["scores"].items()),
        "scaling": scaling,
    }


def _best(rounds: int, measure: Callable[..., float], *arguments: Any) -> float:
    return min(measure(*arguments) for _ in range(rounds))


def _write_panoptic(root: Path) -> None:
    """Write the truth and shifted truth in COCO's panoptic form."""
    with contextlib.redirect_stdout(io.StringIO()):
        convert2panoptic(str(root / "gtFine"), str(root), setNames=[SPLIT])
    truth = json.loads((root / f"cityscapes_panoptic_{SPLIT}.json").read_text())
    (root / "panoptic").mkdir()
    for entry in truth["annotations"]:
        image = np.asarray(Image.open(root / f"cityscapes_panoptic_{SPLIT}" / entry["file_name"]))
        Image.fromarray(np.roll(image, _SHIFT_PX, (0, 1))).save(root / "panoptic" / entry["file_name"])
    (root / "panoptic.json").write_text(json.dumps(truth))


def _requests(root: Path, files: Sequence[FrameFiles]) -> dict[str, tuple[Any, ...]]:
    """Return what the official functions are asked for."""
    return {
        "instances": ([x.instances for x in files], [x.lines for x in files], str(results_of(root))),
        "pixels": ([x.labels for x in files], [x.pixels for x in files]),
        "panoptic": (str(root / f"cityscapes_panoptic_{SPLIT}"), str(root / "panoptic")),
    }


def _ours_in_rounds(root: Path, files: Sequence[FrameFiles], rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return the seconds of each kind, and all scores."""
    seconds: dict[str, float] = {}
    scores: dict[str, float] = {}
    for kind in _KINDS:
        for _ in range(rounds):
            taken, figures = _ours(root, files, kind)
            seconds[kind] = min(taken, seconds.get(kind, taken))
            scores |= figures
    return seconds, scores


def _panoptic_pairs(root: Path) -> tuple[list, dict]:
    truth = root / f"cityscapes_panoptic_{SPLIT}"
    return pairs_of(f"{truth}.json", str(truth), str(root / "panoptic.json"), str(root / "panoptic"))


def _ours(
    root: Path, files: Sequence[FrameFiles], kind: str, workers: int = 1, clock: Callable[[], float] = time.process_time
) -> tuple[float, dict[str, float]]:
    """Return the seconds of one of our commands, and its scores."""
    if kind == "panoptic":
        pairs, categories = _panoptic_pairs(root)
        begin = clock()
        folders = str(root / f"cityscapes_panoptic_{SPLIT}"), str(root / "panoptic")
        stat = panoptic.pq_compute_multi_core(pairs, *folders, categories, workers)
        return clock() - begin, {"pq": panoptic.average_pq(stat, categories)["All"]["pq"]}
    module = {"instances": instance, "pixels": pixel}[kind]
    args = copy.copy(module.args)
    args.quiet, args.JSONOutput, args.predictionPath, args.workers = True, False, str(results_of(root)), workers
    begin = clock()
    if kind == "instances":
        averages = instance.evaluateImgLists([x.lines for x in files], [x.instances for x in files], args)["averages"]
        return clock() - begin, {"ap": float(averages["allAp"]), "ap50": float(averages["allAp50%"])}
    scores = pixel.evaluateImgLists([x.pixels for x in files], [x.labels for x in files], args)
    keys = {"iou_class": "averageScoreClasses", "iiou_class": "averageScoreInstClasses"}
    return clock() - begin, {key: scores[name] for key, name in keys.items()}


def _scaling(root: Path, files: list[FrameFiles], images: int, workers: int) -> dict[str, Any]:
    """Compare one process with several by the clock, including their start; instances alone."""
    link_again(files, root, images)
    names = sorted((root / "gtFine" / SPLIT).rglob("*_instanceIds.png"))
    lines = [str(results_of(root) / f"{path.name.removesuffix('_gtFine_instanceIds.png')}_pred.txt") for path in names]
    every = [FrameFiles("", str(path), line, "") for path, line in zip(names, lines, strict=True)]
    clock = {n: min(_ours(root, every, "instances", n, time.perf_counter)[0] for _ in range(2)) for n in (1, workers)}
    return {
        "images": len(every),
        "seconds by the clock": {f"{n} process{'es' if n > 1 else ''}": round(s, 2) for n, s in clock.items()},
        "times faster": round(clock[1] / clock[workers], 2),
    }


def _decode(root: Path, kind: str) -> float:
    """Return the seconds that Pillow takes to decode the files of a kind, truth and predictions."""
    results, truth = results_of(root), root / "gtFine"
    files = {
        "instances": [*results.glob("*_mask_*.png"), *truth.rglob("*_instanceIds.png")],
        "pixels": [*results.glob("*_labelIds.png"), *truth.rglob("*.png")],
        "panoptic": [*(root / "panoptic").glob("*.png"), *(root / f"cityscapes_panoptic_{SPLIT}").glob("*.png")],
    }[kind]
    begin = time.process_time()
    for path in files:
        with Image.open(path) as image:
            image.load()
    return time.process_time() - begin


def _touch(root: Path) -> float:
    """Return the seconds of counting the pixels of every mask once."""
    paths = sorted(results_of(root).glob("*_mask_*.png"))
    masks = [np.asarray(Image.open(path)) for path in paths[:20]]
    begin = time.process_time()
    for mask in masks:
        np.count_nonzero(mask)
    return (time.process_time() - begin) * len(paths) / len(masks)
