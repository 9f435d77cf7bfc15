"""Compare rules for the size at which a network sees a photo, over several framings of the same scenes.

A framing is a way in which photos show objects: whole frames, crops around a near object, upright photos, rendered
streets at several sizes. A rule turns the size of a photo into the size of the usual view, with or without an overview
(see `methods.views`). Choose on frames that the model was not trained to be judged on: a training split.

Axes: H and W pixels.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from partwise.bench.models import instance_figures, size_name
from partwise.bench.scored_data import data_for, require_network
from partwise.bench.speed import with_threads
from partwise.data.streets import Streets
from partwise.errors import PartwiseError
from partwise.methods import Method
from partwise.methods.method import image_batch
from partwise.methods.options import seen_sizes
from partwise.report.tables import Table, fraction
from partwise.report.text import table_text
from partwise.scene import Scene
from partwise.segmenter import load
from streeteval.boxes import nearest_index
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import CITYSCAPES
from streeteval.machine import describe_machine
from streeteval.reading.truth import require_truth
from streeteval.scene import EvenlySpaced

RENDERED_SEED = 11
STREET_SIZES = ((256, 512), (512, 1024), (1024, 2048))  # the same streets at 1x, 2x and 4x
NEAR_SIDE_PX = 60  # crops are laid around an object of a frame with at least this longest side, if there is one

Seen = tuple[int, int]


@dataclass(frozen=True)
class Near:
    """A crop of a frame around its largest object, enlarged to a photo.

    Attributes:
        name: Name of the framing.
        size: (H, W) of the photo in pixels.
        fills: Share of the photo's side that the object takes, along the axis where it takes most.
    """

    name: str
    size: tuple[int, int]
    fills: float


NEAR = (
    Near("landscape, half filled", (768, 1024), 0.5),
    Near("landscape, filled", (768, 1024), 0.9),
    Near("upright, filled", (1024, 576), 0.8),
    Near("small, filled", (360, 480), 0.8),
)


@dataclass(frozen=True)
class Rule:
    """A rule for the views of a photo.

    Attributes:
        name: Name of the rule.
        overview: Whether an overview is added.
        area_px: Number of pixels of the usual view; 0 for the default scale with a limit of the longer side.
    """

    name: str
    overview: bool
    area_px: int = 0

    def seen(self, size: tuple[int, int], default_scale: float) -> Seen:
        """Return (H, W) in pixels of the usual view of a photo of this size (H, W)."""
        if not self.area_px:
            return seen_sizes(size, None, default_scale)[0]
        scale = math.sqrt(self.area_px / (size[0] * size[1]))
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


AREA_PX = 1280 * 640  # what the bundled model sees of a Cityscapes frame of 1024x512
RULES = (
    Rule("default scale", overview=False),
    Rule("default scale and overview", overview=True),
    Rule("equal area", overview=False, area_px=AREA_PX),
    Rule("equal area and overview", overview=True, area_px=AREA_PX),
)


def bench_views(
    model: str | None,
    data: Path,
    split: str = "train",
    *,
    frames: int = 20,
    threads: int = 2,
    progress: Callable[[str, int, int], None] = lambda part, done, total: None,
) -> dict:
    """Score every rule on every framing, on the processor.

    Args:
        model: What `partwise.load` takes; None for the default model.
        data: Root of the data set.
        split: Split of the data set.
        frames: Number of scenes of each framing.
        threads: Number of threads of torch.
        progress: Called with what is being done, how much of it is done, and all of it.

    Returns:
        {"machine", "model", "data", "frames", "rows": [{"framing", "size", "rule", "seen", "ap", "ap50", "class_ap",
        "size_ap", "ms"}], "means": {rule: {"ap", "ap50", "ms"}}}.

    Raises:
        PartwiseError: If a number is below 1, the model finds no instances, the frames have no truth, or the model or
            the data cannot be read.
    """
    if frames < 1 or threads < 1:
        raise PartwiseError(f"{frames} frames, {threads} threads: give numbers from 1 on")
    require_network(model)
    segment = load(model, device="cpu")
    if not segment.method.has_instances:
        raise PartwiseError(f"{model}: a semantic model finds no objects, near or far: give a model that does")
    scenes = EvenlySpaced(data_for(segment, data, split), frames)
    require_truth(scenes, f"{data}, split {split}")
    rows = []
    with with_threads(threads), torch.inference_mode():
        for name, framed in _framings(scenes):
            pictures = list(framed)
            for rule in RULES:
                progress(f"{name}, {rule.name}", 0, 0)
                rows.append({"framing": name} | _row(segment.method, pictures, rule))
    means = {
        rule.name: {key: _mean([row[key] for row in rows if row["rule"] == rule.name]) for key in ("ap", "ap50", "ms")}
        for rule in RULES
    }
    machine = describe_machine() | {"threads": threads, "torch": torch.__version__}
    told = {"machine": machine, "model": segment.info.origin, "data": {"root": data.resolve().name, "split": split}}
    return told | {"frames": len(scenes), "rows": rows, "means": means}


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are there; None without one."""
    there = [value for value in values if value is not None]
    return round(float(np.mean(there)), 4) if there else None


def _framings(scenes: EvenlySpaced) -> Sequence[tuple[str, map]]:
    """List the framings by name; their scenes are made when they are read.

    Rendered streets are among them if the model has their classes.
    """
    count, rendered = len(scenes), scenes.label_set.same_classes(CITYSCAPES)
    whole = ("frames", map(scenes.__getitem__, range(count)))
    near = [
        (f"near: {one.name}", map(framed, map(scenes.__getitem__, range(count)), itertools.repeat(one))) for one in NEAR
    ]
    streets = [
        (f"rendered {size_name(size)}", map(Streets(count, size, RENDERED_SEED).__getitem__, range(count)))
        for size in (STREET_SIZES if rendered else ())
    ]
    return [whole, *near, *streets]


def framed(scene: Scene, near: Near) -> Scene:
    """Cut a crop around the largest object of a scene, and enlarge it to a photo.

    The crop is moved so that it lies inside the scene, and is never larger than the scene.
    """
    labels = {label.id for label in scene.label_set.things}
    objects = scene.instances[np.flatnonzero(np.isin(scene.instances.labels, list(labels)))]
    x0, y0, x1, y1 = (
        objects.boxes[int(objects.longest_sides.argmax())].tolist()
        if len(objects)
        else (0, 0, NEAR_SIDE_PX, NEAR_SIDE_PX)
    )
    height, width = near.size
    shrink = max((y1 - y0) / height, (x1 - x0) / width) / near.fills  # pixels of the scene in a pixel of the photo
    shrink = min(shrink, scene.size[0] / height, scene.size[1] / width)
    sides = max(1, round(height * shrink)), max(1, round(width * shrink))
    corner = [
        int(np.clip(round((low + high - side) / 2), 0, length - side))
        for low, high, side, length in zip((y0, x0), (y1, x1), sides, scene.size, strict=True)
    ]
    window = tuple(slice(at, at + side) for at, side in zip(corner, sides, strict=True))
    rows, columns = (nearest_index(old, new) for old, new in zip(sides, near.size, strict=True))
    photo = Image.fromarray(np.ascontiguousarray(scene.image_HW3[window])).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    semantic, ids = (array[window][np.ix_(rows, columns)] for array in (scene.semantic_HW, scene.instance_ids_HW))
    return Scene(scene.name, np.array(photo), semantic, ids, scene.label_set)


def _row(method: Method, scenes: Sequence[Scene], rule: Rule) -> dict:
    """Score one rule on the scenes of one framing. "size" and "seen" are those of the first scene."""
    evaluator, seconds = CityscapesEvaluator(method.label_set), []
    for scene in scenes:
        seen = rule.seen(scene.size, method.default_scale)
        begin = time.perf_counter()
        found = method.predict_views(image_batch(scene.image_HW3), seen, overview=rule.overview)[0]
        seconds.append(time.perf_counter() - begin)
        evaluator.update(scene, found.instances, found.semantic_HW)
    figures, first = evaluator.compute(), scenes[0].size
    size = {"size": size_name(first), "rule": rule.name, "seen": size_name(rule.seen(first, method.default_scale))}
    scores = instance_figures(figures["instance"]) | {"iou_class": (figures["semantic"] or {}).get("iou_class")}
    return size | scores | {"ms": round(1000 * float(np.median(seconds)), 1)}


def views_text(figures: dict) -> str:
    """Format the result: a row for each framing and rule, then the mean of each rule.

    Args:
        figures: What `bench_views` returns.
    """
    columns = ("framing", "rule", "photo", "seen", "AP", "AP50", "ms")
    rows = [
        [row["framing"], row["rule"], row["size"], row["seen"], fraction(row["ap"]), fraction(row["ap50"]), row["ms"]]
        for row in figures["rows"]
    ]
    rows += [
        ["mean", name, "", "", fraction(mean["ap"]), fraction(mean["ap50"]), mean["ms"]]
        for name, mean in figures["means"].items()
    ]
    return table_text(Table("", columns, rows))
