"""Compare partwise's evaluator with cityscapesScripts on the same predictions in one run.

The floor is the time that no evaluator can save, such as inflating the masks. Seconds are of the processor
(time.process_time), so that other work of the machine has little effect. Where several processes share the work,
seconds are by the clock. Every time is the best of three.
"""

from __future__ import annotations

import functools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from partwise.bench.material import Material, make_material, renamed
from partwise.errors import PartwiseError
from partwise.scene import Scene
from streeteval.bench.material import SPLIT, FrameFiles, link_again, results_of, write_files
from streeteval.bench.official import require_official, time_official
from streeteval.evaluator import CityscapesEvaluator
from streeteval.instances import Instances
from streeteval.machine import describe_machine, peak_memory_mib
from streeteval.reading.mask_png import inflated_rows
from streeteval.reading.truth import TruthFolder
from streeteval.scoring import evaluate_folder
from streeteval.workers import Workers

ROUNDS = 3
ADVICE = "give fewer images or fewer memory-images"
BITS = (8, 1)  # bits per pixel of a mask: as most tools write masks, and as partwise does

Progress = Callable[..., None]


def bench_evaluation(
    *,
    images: int = 6,
    predictions: int = 100,
    size: tuple[int, int] = (1024, 2048),
    data: Path | None = None,
    split: str = "val",
    workers: int = 1,
    scaling_images: int = 48,
    memory_images: int = 500,
    progress: Progress = lambda part, done, total: None,
) -> dict:
    """Measure time and memory of partwise's evaluator and of cityscapesScripts.

    Args:
        images: Number of frames.
        predictions: Number of predicted instances in each frame.
        size: (H, W) of rendered frames in pixels.
        data: Root of a Cityscapes tree; its first frames are used instead of rendered frames.
        split: Split of that tree.
        workers: If above 1, also compare this number of processes with one process, by the clock.
        scaling_images: Number of frames for the comparison of processes.
        memory_images: Number of frames for the measurement of memory.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        All figures in JSON's own types. Seconds are per image.

    Raises:
        PartwiseError: If cityscapesScripts is not installed, a number is below 1, or the data are not those that it can
            score.
    """
    counts = {"images": images, "predictions": predictions, "workers": workers}
    counts |= {"scaling-images": scaling_images, "memory-images": memory_images}
    if wrong := [f"--{name} {count}" for name, count in counts.items() if count < 1]:
        raise PartwiseError(f"{' '.join(wrong)}: give numbers from 1 on")
    require_official()
    machine = describe_machine()
    material = make_material(images, predictions, size, data, split, progress)
    in_memory = {}
    for number, what in enumerate(("instances", "pixels")):
        progress(f"{what} in memory", number, 2)
        in_memory[what] = best_of(ROUNDS, _score_in_memory, material, what)
    figures = {
        "machine": machine,
        "images": len(material),
        "predictions an image": predictions,
        "size": "{1}x{0}".format(*material.scenes[0].size),
        "in memory, seconds an image": {what: round(s / len(material), 4) for what, (s, _) in in_memory.items()},
    }
    ours_s = sum(seconds for seconds, _ in in_memory.values())
    peaks = {}
    for bits in BITS:
        begin = functools.partial(progress, f"masks of {bits} bit")
        with tempfile.TemporaryDirectory() as folder:
            files = write_files(Path(folder), material.scenes, material.instances, material.semantics, bits)
            row = _against_official(Path(folder), material, files, ours_s, begin)
            if bits == BITS[0]:
                peaks[f"{len(material)} images from files"] = _peak_of(_score_files, Path(folder), 1)
                if workers > 1:
                    progress(f"{workers} processes", 0, 0)
                    row["scaling"] = _scaling(Path(folder), files, scaling_images, workers)
        figures[f"{bits} bit masks"] = row
    progress("memory", 0, 0)
    peaks[f"{memory_images} images in memory"] = _peak_of(
        _score_many, material.scenes[0], material.instances[0], memory_images
    )
    return figures | {"peak MiB": peaks}


def best_of(rounds: int, measure: Callable, *arguments: Any) -> tuple[float, dict]:
    """Call a measurement several times, and return the fastest result.

    Args:
        rounds: Number of calls.
        measure: Returns (seconds, scores).
        *arguments: Arguments of `measure`.
    """
    return min((measure(*arguments) for _ in range(rounds)), key=lambda result: result[0])


def _score_in_memory(material: Material, what: str) -> tuple[float, dict]:
    begin = time.process_time()
    evaluator = CityscapesEvaluator()
    for scene, instances, semantic_HW in zip(material.scenes, material.instances, material.semantics, strict=True):
        evaluator.update(scene, instances if what != "pixels" else None, semantic_HW if what != "instances" else None)
    scores = evaluator.compute()
    return time.process_time() - begin, scores


def _score_files(root: Path, workers: int, clock: Callable[[], float] = time.process_time) -> tuple[float, dict]:
    """Read, check and score truth and predictions, as `partwise evaluate --predictions` does."""
    begin = clock()
    scores = evaluate_folder(results_of(root), TruthFolder(root, SPLIT), workers=workers)
    return clock() - begin, scores


def _against_official(
    root: Path, material: Material, files: list[FrameFiles], in_memory_s: float, progress: Callable[[int, int], None]
) -> dict:
    """Measure the official tool, partwise from the same files, and the floor."""
    rounds = []
    for number in range(ROUNDS):
        progress(number, ROUNDS + 2)
        rounds.append(time_official(files, str(results_of(root))))
    theirs, their_scores = min(rounds, key=lambda result: sum(result[0].values()))
    progress(ROUNDS, ROUNDS + 2)
    ours_s, scores = best_of(ROUNDS, _score_files, root, 1)
    progress(ROUNDS + 1, ROUNDS + 2)
    least = {what: best_of(ROUNDS, measure, root, material)[0] for what, measure in FLOORS.items()}
    their_s, decode_s = sum(theirs.values()), least["decode the masks with Pillow"]
    per_image = lambda seconds: round(seconds / len(material), 4)
    return {
        "seconds an image": {
            **{f"official, {what}": per_image(seconds) for what, seconds in theirs.items()},
            "ours from files": per_image(ours_s),
            **{f"floor, {what}": per_image(seconds) for what, seconds in least.items()},
        },
        "times faster": {
            "in memory than official": round(their_s / in_memory_s, 1),
            "in memory than official without decoding": round((their_s - decode_s) / in_memory_s, 1),
            "from files than official": round(their_s / ours_s, 1),
        },
        "difference of the scores": {
            key: abs(scores["instance" if key.startswith("ap") else "semantic"][key] - value)
            for key, value in their_scores.items()
        },
    }


def _masks(root: Path) -> list[Path]:
    return sorted(results_of(root).glob("*_mask_*.png"))


def _inflate(root: Path, material: Material) -> tuple[float, dict]:
    contents = [path.read_bytes() for path in _masks(root)]
    begin = time.process_time()
    for content in contents:
        inflated_rows(content, material.scenes[0].size)
    return time.process_time() - begin, {}


def _decode(root: Path, material: Material) -> tuple[float, dict]:
    begin = time.process_time()
    for path in _masks(root):
        with Image.open(path) as image:
            image.load()
    return time.process_time() - begin, {}


def _touch(root: Path, material: Material) -> tuple[float, dict]:
    begin = time.process_time()
    for instances in material.instances:
        for mask in instances.masks:
            np.count_nonzero(mask)
    return time.process_time() - begin, {}


# Work that no evaluator can save, and decoding with Pillow, which the official tool uses.
FLOORS = {
    "inflate the masks": _inflate,
    "touch the masks": _touch,
    "decode the masks with Pillow": _decode,
}


def _scaling(root: Path, files: list[FrameFiles], images: int, workers: int) -> dict:
    """Compare one process with several by the clock, including their start.

    The processor seconds of all processes together show what sharing the work costs if cores are not free.
    """
    link_again(files, root, images)
    name = {1: "1 process", workers: f"{workers} processes"}
    clock, processor = {}, {}
    for n in name:
        rounds = [_clock_and_processor(root, n) for _ in range(2)]
        clock[n], processor[n] = (min(seconds) for seconds in zip(*rounds, strict=True))
    return {
        "images": max(images, len(files)),
        "seconds by the clock": {name[n]: round(s, 2) for n, s in clock.items()},
        "seconds of the processor, together": {name[n]: round(s, 2) for n, s in processor.items()},
        "times faster": round(clock[1] / clock[workers], 2),
        "machine": describe_machine(),
    }


def _clock_and_processor(root: Path, workers: int) -> tuple[float, float]:
    begin = sum(os.times()[:4])  # user and system time of this process and of its finished children
    seconds, _ = _score_files(root, workers, time.perf_counter)
    return seconds, sum(os.times()[:4]) - begin


def _score_many(scene: Scene, instances: Instances, images: int) -> None:
    evaluator = CityscapesEvaluator()
    for i in range(images):
        evaluator.update(renamed(scene, f"frame_{i}"), instances, scene.semantic_HW)
    evaluator.compute()


def _peak_of(function: Callable, *arguments: Any) -> float:
    """Return the peak memory in MiB of a new process that calls the function, with interpreter and libraries."""
    with Workers(functools.partial(_peak_here, function, arguments), 1, context="spawn", advice=ADVICE) as process:
        return round(next(process.map([None])), 1)


def _peak_here(function: Callable, arguments: tuple, _request: None) -> float:
    function(*arguments)
    return peak_memory_mib()
