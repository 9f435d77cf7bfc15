"""How much a score would change with other images: bootstrap over images ("An Introduction to the Bootstrap", Efron and
Tibshirani, 1993, chapter 13, percentile intervals).

An image drawn n times weighs n, so a draw costs no matching, only sums. Two results weighed by the same draws are
compared image by image (a paired bootstrap).

Axes: B draws, N images, S pixel sums, C evaluated classes, 4 sums of panoptic.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partwise.evaluation.coco import drawn_coco_scores
from partwise.evaluation.instance import (
    SIDE_BOUNDS_PX,
    ClassTable,
    class_table,
    drawn_average_recall,
    instance_scores,
    size_ranges,
)
from partwise.evaluation.matching import ImageMatches
from partwise.evaluation.panoptic import panoptic_quality
from partwise.evaluation.pixel import pixel_scores
from partwise.labels import LabelSet

LEVEL = 0.95
PIXEL_HEADLINES = ("iou_class", "iiou_class", "iou_category", "iiou_category")


@dataclass(frozen=True)
class Counted:
    """What was counted on N images, one entry an image in every part; None for a part that was not asked for.

    pixels_NS       `PixelCounts.flat()`
    matches         of all instances
    boundary        whether the matches hold boundary IoU
    within          matches of the instances within a distance, by name ("100m")
    segments_NC4    `count_segments`
    coco            `coco_matches`
    """

    label_set: LabelSet
    pixels_NS: np.ndarray | None = None
    matches: Sequence[ImageMatches] | None = None
    boundary: bool = False
    within: dict[str, Sequence[ImageMatches]] | None = None
    segments_NC4: np.ndarray | None = None
    coco: Sequence[list] | None = None


def draw_images(images: int, draws: int, seed: int) -> np.ndarray:
    """(B, N) int64: how often each image is in each draw of N images with replacement."""
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=draws)


def drawn_scores(
    counted: Counted,
    weights_BN: np.ndarray,
    in_detail: bool = False,
    side_bounds_px: Sequence[int] = SIDE_BOUNDS_PX,
) -> dict[str, np.ndarray]:
    """(B,) values of every headline figure, by its place in the scores, such as "instance.ap50" or "panoptic.pq".

    in_detail        also of each class ("instance.ap car", "semantic.iou road") and size ("instance.ap 32-64 px")
    side_bounds_px   between those sizes, see `size_ranges`
    """
    drawn: dict[str, np.ndarray] = {}
    if counted.pixels_NS is not None:
        drawn |= _drawn_pixel_scores(counted, weights_BN, in_detail)
    if counted.matches is not None:
        sizes = size_ranges(side_bounds_px) if in_detail else ()
        drawn |= _drawn_instance_scores(counted, weights_BN, in_detail, sizes)
    if counted.segments_NC4 is not None:
        means, of_class = panoptic_quality(np.tensordot(weights_BN, counted.segments_NC4, axes=1))
        drawn |= {f"panoptic.{key}": values for key, values in means.items()}
        if in_detail:
            names = [label.name for label in counted.label_set.evaluated]
            drawn |= {f"panoptic.pq {name}": of_class["pq"][:, c] for c, name in enumerate(names)}
    return drawn


def _drawn_pixel_scores(counted: Counted, weights_BN: np.ndarray, in_detail: bool) -> dict[str, np.ndarray]:
    scores = pixel_scores(weights_BN @ counted.pixels_NS, counted.label_set)
    drawn = {f"semantic.{key}": scores[key] for key in PIXEL_HEADLINES}
    if in_detail:
        drawn |= {f"semantic.iou {x.name}": scores["iou"][:, c] for c, x in enumerate(counted.label_set.evaluated)}
    return drawn


def _drawn_instance_scores(
    counted: Counted, weights_BN: np.ndarray, of_classes: bool, sizes: Sequence[tuple[str, float, float]]
) -> dict[str, np.ndarray]:
    things = {label.name: label.id for label in counted.label_set.things}
    tables = lambda matches, **how: {name: class_table(matches, id_, **how) for name, id_ in things.items()}
    drawn = _drawn_aps("instance.{}", tables(counted.matches), weights_BN, of_classes)
    drawn |= {f"instance.ar.{n}": recall for n, recall in drawn_average_recall(counted.matches, weights_BN).items()}
    for name, low, below in sizes:
        drawn |= _drawn_aps(f"instance.{{}} {name} px", tables(counted.matches, sizes_px=(low, below)), weights_BN)
    if counted.boundary:
        drawn |= _drawn_aps("instance.boundary.{}", tables(counted.matches, boundary=True), weights_BN)
    for name, matches in (counted.within or {}).items():
        drawn |= _drawn_aps(f"instance.within_{name}.{{}}", tables(matches), weights_BN)
    if counted.coco is not None:
        of_coco = drawn_coco_scores(counted.coco, counted.label_set, weights_BN)
        drawn |= {f"instance.coco.{key}": values for key, values in of_coco.items()}
    return drawn


def _drawn_aps(
    place: str, tables: dict[str, ClassTable], weights_BN: np.ndarray, of_classes: bool = False
) -> dict[str, np.ndarray]:
    """AP and AP50; `place` names them, with {} for the figure."""
    rows = [instance_scores(tables, weights_N) for weights_N in weights_BN]
    drawn = {place.format(key): np.array([row[key] for row in rows]) for key in ("ap", "ap50")}
    if of_classes:
        for name in tables:
            drawn[place.format(f"ap {name}")] = np.array([row["per_class"][name]["ap"] for row in rows])
    return drawn


def interval(values_B: np.ndarray) -> tuple[float, float]:
    """(low, high) that hold the middle 95 % of the draws; NaN if fewer than half of the draws have a value."""
    valid = values_B[~np.isnan(values_B)]
    if 2 * len(valid) < len(values_B) or len(valid) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(valid, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
