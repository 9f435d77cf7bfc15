"""Score models on frames that are changed as other cameras, files and hands change them.

Each change is applied to every frame, and with it to the truth if it moves pixels. The same change of the same frame is
the same for all models. Choose on a training split or on rendered streets; no photo of another country is needed.

Axes: H and W pixels.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tvf

from partwise.bench.models import loaded_by_name, model_figures, score_segmenter
from partwise.bench.scored_data import data_for
from partwise.bench.speed import with_threads
from partwise.data.source import DataSource
from partwise.data.transforms import as_tensors, from_tensors
from partwise.errors import PartwiseError
from partwise.report.tables import Table, fraction
from partwise.report.text import table_text
from partwise.scene import Scene, Scenes
from streeteval.machine import describe_machine
from streeteval.reading.truth import require_truth
from streeteval.scene import EvenlySpaced, Mapped

__all__ = ["AS_THEY_ARE", "CHANGES", "Changed", "bench_robustness", "robustness_text"]

AS_THEY_ARE = "as they are"
Change = Callable[[Scene], Scene]


def _recoloured(scene: Scene, change: Callable[[tv_tensors.Image], torch.Tensor]) -> Scene:
    """Change the colours of a scene; its truth stays."""
    image, truth = as_tensors(scene)
    return from_tensors(scene, change(image), truth)


def _noisy(scene: Scene, sigma: float) -> Scene:
    """Add Gaussian noise with a standard deviation in grey values, the same for the same scene."""
    noise = np.random.default_rng(0).normal(0, sigma, scene.image_HW3.shape)
    return replace(scene, image_HW3=(scene.image_HW3 + noise).round().clip(0, 255).astype(np.uint8))


def _resized(scene: Scene, height: float, width: float) -> Scene:
    """Multiply the sides of a scene."""
    size = tuple(max(1, round(side * by)) for side, by in zip(scene.size, (height, width), strict=True))
    image = Image.fromarray(scene.image_HW3).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return scene.resized_as(np.array(image))


def _turned(scene: Scene, degrees: float) -> Scene:
    """Turn a scene about its centre. Corners that nothing covers are black, and void in the truth."""
    image, truth = as_tensors(scene)
    image = tvf.rotate(image, degrees, interpolation=InterpolationMode.BILINEAR)
    return from_tensors(scene, image, tvf.rotate(truth, degrees, interpolation=InterpolationMode.NEAREST))


def _colours(change: Callable[..., torch.Tensor], *values: Any) -> Change:
    return lambda scene: _recoloured(scene, lambda image: change(image, *values))


CHANGES: Mapping[str, Change] = {
    AS_THEY_ARE: lambda scene: scene,
    "hue: a quarter turn": _colours(tvf.adjust_hue, 0.25),
    "hue: half a turn": _colours(tvf.adjust_hue, 0.5),
    "without colour": _colours(tvf.rgb_to_grayscale, 3),
    "dark: brightness 0.4": _colours(tvf.adjust_brightness, 0.4),
    "bright: gamma 0.5": _colours(tvf.adjust_gamma, 0.5),
    "hard: contrast 2": _colours(tvf.adjust_contrast, 2.0),
    "blur: sigma 2 px": _colours(tvf.gaussian_blur, [13, 13], [2.0, 2.0]),
    "noise: sigma 20": functools.partial(_noisy, sigma=20.0),
    "JPEG: quality 10": _colours(tvf.jpeg, 10),
    "turned by 10 degrees": functools.partial(_turned, degrees=10.0),
    "narrower: width 0.6": functools.partial(_resized, height=1.0, width=0.6),
    "half the size": functools.partial(_resized, height=0.5, width=0.5),
}


class Changed(Mapped[Scene]):
    """Scenes to which one change is applied when they are read.

    Args:
        scenes: To change.
        change: A key of CHANGES.
    """

    def __init__(self, scenes: Scenes, change: str):
        super().__init__(scenes, CHANGES[change])


def bench_robustness(
    models: Sequence[str],
    data: Path,
    split: str = "train",
    *,
    changes: Sequence[str] = (),
    frames: int = 40,
    threads: int = 2,
    progress: Callable[[str, int, int], None] = lambda part, done, total: None,
) -> dict:
    """Score every model on every change of the same frames.

    Args:
        models: What `partwise.load` takes, also exported files.
        data: Root of the data set.
        split: Split of the data set.
        changes: Keys of CHANGES; all of them without any. The frames as they are come first in any case.
        frames: Largest number of frames, evenly spaced; 0 for all.
        threads: Number of threads of torch and of other runtimes.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"machine", "data", "frames", "robustness": [{"model", "origin", "changes": {change: {"ap", "ap50", "class_ap",
        "iou_class", ...}}, "mean": {"ap", "ap50", "iou_class"}, "kept": {the same}}]}. "mean" is over all changes, and
        "kept" is its share of the figure on the frames as they are. A figure that a model does not have is None.

    Raises:
        PartwiseError: If a number is out of range, a change is unknown, two models have one name, or the models or the
            data cannot be read.
    """
    if frames < 0 or threads < 1:
        raise PartwiseError(f"--frames {frames} --threads {threads}: give frames from 0 (all) and threads from 1 on")
    if unknown := [name for name in changes if name not in CHANGES]:
        raise PartwiseError(f"--change {unknown[0]!r}: unknown: give one of {', '.join(CHANGES)}")
    segmenters = loaded_by_name(models, threads)
    source = DataSource.of(data)
    of_model = {name: EvenlySpaced(data_for(one, source, split), frames) for name, one in segmenters.items()}
    for scenes in of_model.values():
        require_truth(scenes, f"{data}, split {split}")
    chosen = list(dict.fromkeys([AS_THEY_ARE, *(changes or CHANGES)]))
    rows = []
    with with_threads(threads):
        for name, segment in segmenters.items():
            found, scenes = {}, of_model[name]
            for change in chosen:
                told = functools.partial(progress, f"{name}, {change}")
                found[change] = model_figures(score_segmenter(segment, Changed(scenes, change), None, told).compute())
            rows.append({"model": name, "origin": segment.info.origin, "changes": found} | _summary(found))
    machine = describe_machine() | {"threads": threads, "torch": torch.__version__}
    return {
        "machine": machine,
        "data": {"root": data.resolve().name, "split": split},
        "frames": max(map(len, of_model.values()), default=0),
        "robustness": rows,
    }


def _summary(found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """The mean of the main figures over the changes, and its share of the figure on the frames as they are."""
    mean: dict[str, float | None] = {}
    kept: dict[str, float | None] = {}
    for figure in ("ap", "ap50", "iou_class"):
        first = found[AS_THEY_ARE][figure]
        values = [one[figure] for change, one in found.items() if change != AS_THEY_ARE]
        known = [value for value in values if value is not None and math.isfinite(value)]
        mean[figure] = sum(known) / len(known) if known else None
        kept[figure] = mean[figure] / first if first and mean[figure] is not None else None
    return {"mean": mean, "kept": kept}


def robustness_text(figures: dict) -> str:
    """Format the result: a row for each change, and the means; columns for each model.

    Args:
        figures: What `bench_robustness` returns.
    """
    rows = figures["robustness"]
    columns = ["frames", *(f"{row['model']} {figure}" for row in rows for figure in ("AP", "AP50", "IoU class"))]
    keys = ("ap", "ap50", "iou_class")
    lines = [
        [change, *(fraction(row["changes"][change][key]) for row in rows for key in keys)]
        for change in rows[0]["changes"]
    ]
    for name, part in (("mean of the changes", "mean"), ("share of the first row", "kept")):
        lines.append([name, *(fraction(row[part][key]) for row in rows for key in keys)])
    return table_text(Table("", tuple(columns), lines))
