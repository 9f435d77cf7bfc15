"""Our evaluator against cityscapesScripts on the same predictions, in one run, with the floor beside it.

    python benchmarks/evaluation.py [--images 8] [--predictions 100] [--workers N] [--data ROOT --split SPLIT]

Scenes are rendered at 2048x1024, or read from a Cityscapes tree. Predictions are the truth's masks, shifted and
relabelled, and rectangles, 100 an image, written as 8 bit PNGs (as most tools do) and as 1 bit PNGs (as partwise does).
The official tool has no way but files; its working parts are called one by one, because it fails on current NumPy and
writes into site-packages. Seconds are of one processor (time.process_time), so that other load on the machine does not
count, except where several processes work: those are by the clock.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from partwise.evaluation.evaluator import CityscapesEvaluator
from partwise.evaluation.submission import evaluate_folder
from partwise.scene import Instances, Scene

SIZE = (1024, 2048)
MEMORY_IMAGES = 500


def scenes_of(data: str | None, split: str, count: int) -> list[Scene]:
    if data is not None:
        from partwise.data.cityscapes import CityscapesFolder

        frames = CityscapesFolder(data, split)
        return [frames[i] for i in range(min(count, len(frames)))]
    from partwise.data.streets import Streets

    streets = Streets(count, SIZE, seed=0)
    return [streets[i] for i in range(count)]


def predictions_of(scene: Scene, count: int, rng: np.random.Generator) -> Instances:
    """`count` predictions as a network that proposes too much would give them."""
    height, width = scene.size
    truth = scene.instances
    things = [label.id for label in scene.label_set.things]
    labels, masks = [], []
    while len(masks) < count:
        if len(truth) and len(masks) % 4:
            i = rng.integers(len(truth))
            mask = np.roll(truth.full_mask(i), rng.integers(-9, 10, 2), (0, 1))
            label = truth.labels[i] if truth.labels[i] in things else rng.choice(things)
        else:
            x, y, w, h = rng.integers(0, (width - 20, height - 20, 300, 200))
            mask = np.zeros(scene.size, bool)
            mask[y : y + h + 10, x : x + w + 10] = True
            label = rng.choice(things)
        if mask.any():
            labels.append(label)
            masks.append(mask)
    return Instances.from_masks(labels, rng.random(count), masks, scene.size)


def write_files(folder: Path, scene: Scene, instances: Instances, semantic_HW: np.ndarray, bits: int) -> dict[str, str]:
    """Truth and predictions as files, masks with 8 bits or 1."""
    folder.mkdir(exist_ok=True)
    paths = {kind: folder / f"{scene.name}_gtFine_{kind}.png" for kind in ("labelIds", "instanceIds")}
    Image.fromarray(scene.semantic_HW).save(paths["labelIds"])
    Image.fromarray(scene.instance_ids_HW.astype(np.uint16)).save(paths["instanceIds"])
    results = folder / "results"
    results.mkdir(exist_ok=True)
    paths |= {"txt": results / f"{scene.name}_pred.txt", "pixels": results / f"{scene.name}_pred_labelIds.png"}
    Image.fromarray(semantic_HW).save(paths["pixels"])
    lines = []
    for i in range(len(instances)):
        mask = results / f"{scene.name}_mask_{i}.png"
        full = instances.full_mask(i)
        Image.fromarray(full if bits == 1 else full.astype(np.uint8) * 255).save(mask)
        lines.append(f"{mask.name} {instances.labels[i]} {float(instances.scores[i])!r}\n")
    paths["txt"].write_text("".join(lines))
    return {kind: str(path) for kind, path in paths.items()}


def official(files: list[dict[str, str]], folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """(seconds, scores) of cityscapesScripts."""
    import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as instance  # noqa: N813
    import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as pixel  # noqa: N813

    column = lambda kind: [paths[kind] for paths in files]
    seconds = {}
    with mock.patch.object(np, "in1d", np.isin, create=True):
        args = copy.copy(instance.args)
        args.quiet, args.predictionPath = True, str(folder / "results")
        instance.setInstanceLabels(args)
        begin = time.process_time()
        known = instance.instances2dict(column("instanceIds"), False)
        matches = instance.matchGtWithPreds(column("txt"), column("instanceIds"), known, args)
        averages = instance.computeAverages(instance.evaluateMatches(matches, args), args)
        seconds["instances"] = time.process_time() - begin
        args = copy.copy(pixel.args)
        args.quiet, args.JSONOutput = True, False
        begin = time.process_time()
        scores = pixel.evaluateImgLists(column("pixels"), column("labelIds"), args)
        seconds["pixels"] = time.process_time() - begin
    return seconds, {"ap": float(averages["allAp"]), "iou_class": float(scores["averageScoreClasses"])}


def in_memory(scenes, predictions, semantics, what: str) -> tuple[float, dict]:
    begin = time.process_time()
    evaluator = CityscapesEvaluator()
    for scene, instances, semantic_HW in zip(scenes, predictions, semantics, strict=True):
        evaluator.update(scene, instances if what != "pixels" else None, semantic_HW if what != "instances" else None)
    scores = evaluator.compute()
    return time.process_time() - begin, scores


def best_of_three(function, *arguments):
    return min((function(*arguments) for _ in range(3)), key=lambda result: result[0])


def from_files(folder: Path, scenes: list[Scene], workers: int, clock=time.process_time) -> tuple[float, dict]:
    begin = clock()
    scores = evaluate_folder(folder, scenes, workers=workers)
    return clock() - begin, scores


def floor(files: list[dict[str, str]], predictions: list[Instances]) -> dict[str, float]:
    """Seconds that no evaluator can save: decoding every mask, and touching every pixel of every mask's box once."""
    begin = time.process_time()
    for paths in files:
        folder = Path(paths["txt"]).parent
        for line in Path(paths["txt"]).read_text().splitlines():
            with Image.open(folder / line.split(" ")[0]) as image:
                image.load()
    decoded = time.process_time() - begin
    begin = time.process_time()
    for instances in predictions:
        for mask in instances.masks:
            np.count_nonzero(mask)
    return {"decode the masks": decoded, "touch the masks": time.process_time() - begin}


def peak_memory_mib(images: int, count: int) -> float:
    """Peak of a process of its own that scores `images` frames of `count` predictions, rendered scenes included."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import evaluation, resource;"
        "evaluation.score_many(int(sys.argv[2]), int(sys.argv[3]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(images), str(count)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def score_many(images: int, count: int) -> None:
    scene = scenes_of(None, "", 1)[0]
    instances = predictions_of(scene, count, np.random.default_rng(0))
    evaluator = CityscapesEvaluator()
    for i in range(images):
        again = Scene(f"frame_{i}", scene.image_HW3, scene.semantic_HW, scene.instance_ids_HW)
        evaluator.update(again, instances, scene.semantic_HW)
    evaluator.compute()


def measure(options: argparse.Namespace) -> dict:
    """Every figure of this bench; seconds are per image."""
    rng = np.random.default_rng(0)
    scenes = scenes_of(options.data, options.split, options.images)
    predictions = [predictions_of(scene, options.predictions, rng) for scene in scenes]
    semantics = [np.roll(scene.semantic_HW, (2, 3), (0, 1)) for scene in scenes]
    memory = {what: best_of_three(in_memory, scenes, predictions, semantics, what) for what in ("instances", "pixels")}
    figures = {
        "images": len(scenes),
        "predictions an image": options.predictions,
        "size": list(scenes[0].size[::-1]),
        "in memory, seconds an image": {what: round(taken / len(scenes), 4) for what, (taken, _) in memory.items()},
    }
    ours = memory["instances"][0] + memory["pixels"][0]
    for bits in (8, 1):
        with tempfile.TemporaryDirectory() as folder:
            figures[f"{bits} bit masks"] = measure_files(
                Path(folder), (scenes, predictions, semantics), bits, options.workers, ours
            )
    peak = round(peak_memory_mib(options.memory_images, options.predictions), 1)
    return figures | {"peak MiB": {f"{options.memory_images} images in memory": peak}}


def measure_files(folder: Path, data: tuple[list, list, list], bits: int, workers: int, in_memory_s: float) -> dict:
    """The official tool, ours from the same files, and the floor."""
    scenes, predictions, _ = data
    files = [write_files(folder, *of, bits) for of in zip(*data, strict=True)]
    theirs, their_scores = official(files, folder)
    one_s, scores = best_of_three(from_files, folder / "results", scenes, 1)
    by_clock = {n: from_files(folder / "results", scenes, n, time.perf_counter)[0] for n in sorted({1, workers})}
    least = floor(files, predictions)
    their_s, decode_s = sum(theirs.values()), least["decode the masks"]
    per_image = lambda seconds: round(seconds / len(scenes), 4)
    return {
        "seconds an image": {
            **{f"official, {what}": per_image(seconds) for what, seconds in theirs.items()},
            "ours from files": per_image(one_s),
            **{f"ours from files, {n} processes by the clock": per_image(taken) for n, taken in by_clock.items()},
            **{f"floor, {what}": per_image(seconds) for what, seconds in least.items()},
        },
        "times faster": {
            "in memory than official": round(their_s / in_memory_s, 1),
            "in memory than official without decoding": round((their_s - decode_s) / in_memory_s, 1),
            "from files than official": round(their_s / one_s, 1),
            "the floor from files than official": round(their_s / decode_s, 1),
        },
        "difference of the scores": {
            "ap": abs(scores["instance"]["ap"] - their_scores["ap"]),
            "iou_class": abs(scores["semantic"]["iou_class"] - their_scores["iou_class"]),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--predictions", type=int, default=100)
    parser.add_argument("--data", help="root of a Cityscapes tree instead of rendered scenes")
    parser.add_argument("--split", default="val")
    parser.add_argument("--memory-images", type=int, default=MEMORY_IMAGES)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options)
    text = json.dumps(figures, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
