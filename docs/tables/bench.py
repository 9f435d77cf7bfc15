"""Tables of `partwise bench models` (models.json) and `partwise bench baselines` (baselines, baselines_curve)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from tables.table import MISSING, Make, Table, at, fraction, load, signed

TRAINED = {  # position in models.json: what the pages call the model
    0: "fourth bundled model, EfficientNet-Lite0",
    1: "first part maps on VGG16",
    2: "FCN-8s on VGG16",
}
RUNTIMES = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
EIGHT_MINUTES = {3: "`parts_light`", 4: "`centres_light`", 5: "`mask_rcnn_light`"}
SCORED = {"AP": "ap", "AP50": "ap50", "AR@100": "ar100", "car AP": "class_ap/car", "PQ": "pq", "IoU class": "iou_class"}
TIMED = ("512x256", "1024x512", "2048x1024")


def models(names: dict[int, str]) -> Table:
    """A row for each model and each size of the frames that it was scored on."""
    rows = []
    for position, name in names.items():
        model = load("models")["models"][position]
        for size, figures in model["sizes"].items():
            if any(at(figures, path) is not None for path in SCORED.values() if path in figures):
                scores = [fraction(at(figures, path)) for path in SCORED.values()]
                rows.append([name, _millions(model), size, f"{figures['ms']:.0f}", *scores])
    return Table(["model", "M parameters", "frames", "ms", *SCORED], rows)


def model_times() -> Table:
    """Milliseconds an image of every model at every size."""
    rows = [
        [name, *(f"{load('models')['models'][position]['sizes'][size]['ms']:.0f}" for size in TIMED)]
        for position, name in (TRAINED | EIGHT_MINUTES).items()
    ]
    return Table(["model", *(f"ms {size}" for size in TIMED)], rows)


def crops_before() -> Table:
    """IoU of the VGG16 model before its crops were enlarged, on frames of two sizes."""
    sizes = load("models_before")["models"][1]["sizes"]
    rows = [[size, fraction(sizes[size]["iou_class"])] for size in ("512x256", "1024x512")]
    return Table(["frames", "IoU class"], rows)


def baseline_runs() -> Table:
    """A row for each training."""
    columns = ["recipe", "seed", "steps", "AP", "AP50", "AR@100", "car AP", "AP at 512x256"]
    paths = ("ap", "ap50", "ar100", "class_ap/car", "at_scale/0.5/ap")
    rows = [
        [f"`{run['recipe']}`", str(run["seed"]), str(run["steps"]), *(fraction(at(run, path)) for path in paths)]
        for run in load("baselines")["results"]
    ]
    return Table(columns, rows)


def baseline_means() -> Table:
    """Mean and standard deviation over the trainings of a recipe; its size and its times, those of the first."""
    rows = []
    for recipe, figures in load("baselines")["seeds"].items():
        first = next(run for run in load("baselines")["results"] if run["recipe"] == recipe)
        scores = [f"{figures[key]['mean']:.3f} ± {figures[key]['sd']:.3f}" for key in ("ap", "ap50")]
        rows.append([f"`{recipe}`", *scores, _millions(first), *(f"{first['ms'][size]:,.0f}" for size in TIMED)])
    return Table(["recipe", "AP", "AP50", "M parameters", *(f"ms {size}" for size in TIMED)], rows)


def baseline_differences() -> Table:
    """AP of a recipe less that of Mask R-CNN, seed by seed, with the interval over images."""
    rows = []
    for recipe, runs in load("baselines")["differences"].items():
        for run in runs:
            found = run["instance.ap"]
            interval = _interval(found["low"], found["high"], signed)
            rows.append([f"`{recipe}`", str(run["seed"]), signed(found["difference"]), interval])
    return Table(["recipe, less `mask_rcnn_light`", "seed", "AP", "95 % interval"], rows)


def baseline_curve() -> Table:
    """A row for each minute of each training that was scored, with the difference from Mask R-CNN at this minute."""
    rows = []
    for row in sorted(load("baselines_curve")["curve"], key=lambda row: (row["seed"], row["minutes"])):
        less = (row.get("difference") or {}).get("ap")
        between = [signed(less["difference"]), _interval(less["low"], less["high"], signed)] if less else [MISSING] * 2
        scores = [fraction(row["ap"]), _interval(*row["interval"]["ap"], fraction), fraction(row["ap50"])]
        scores.append(fraction(at(row, "class_ap/car")))
        about = [str(row["seed"]), f"{row['minutes']:g}", f"`{row['recipe']}`", str(row["steps"])]
        rows.append([*about, *scores, *between])
    columns = ["seed", "minutes", "recipe", "steps", "AP", "95 % interval", "AP50", "car AP"]
    return Table([*columns, "AP, less `mask_rcnn_light`", "95 % interval"], rows)


def _interval(low: float, high: float, form: Callable[[float], str]) -> str:
    return f"{form(low)} to {form(high)}"


def runtimes() -> Table:
    """A row for each runtime and number of threads: the time of each stage."""
    stages = ("read", "resize", "network", "decode")
    rows = [
        [
            f"{RUNTIMES[row['runtime']]} {re.split('[-+]', row['version'])[0]}",
            str(row["threads"]),
            *(f"{row['stages'][stage]:,.0f}" for stage in stages),
            f"{row['ms']:,.0f}",
            f"{row['of_torch']:.2f}",
        ]
        for row in load("runtimes")["runtimes"]
    ]
    return Table(["runtime", "threads", *(f"{stage} ms" for stage in stages), "total ms", "of PyTorch"], rows)


def _millions(model: dict[str, Any]) -> str:
    return MISSING if model["parameters"] is None else f"{model['parameters'] / 1e6:.1f}"


TABLES: dict[str, Make] = {
    "models-trained": partial(models, TRAINED),
    "models-eight-minutes": partial(models, EIGHT_MINUTES),
    "model-times": model_times,
    "vgg16-crops-before": crops_before,
    "baseline-runs": baseline_runs,
    "baseline-means": baseline_means,
    "baseline-differences": baseline_differences,
    "baseline-curve": baseline_curve,
    "runtimes": runtimes,
}
