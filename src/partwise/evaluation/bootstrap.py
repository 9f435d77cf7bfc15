"""How much a score would change with other images: bootstrap over images ("An Introduction to the Bootstrap", Efron and
Tibshirani, 1993, chapter 13, percentile intervals).

An image drawn n times weighs n, so a draw costs no matching, only sums. Two results weighed by the same draws are
compared image by image (a paired bootstrap).

Axes: B draws, N images, S pixel sums.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from partwise.evaluation.instance import SIZES_PX, ClassTable, class_table, instance_scores
from partwise.evaluation.matching import ImageMatches
from partwise.evaluation.pixel import pixel_scores
from partwise.labels import LabelSet

LEVEL = 0.95
PIXEL_HEADLINES = ("iou_class", "iiou_class", "iou_category", "iiou_category")


def draw_images(images: int, draws: int, seed: int) -> np.ndarray:
    """(B, N) int64: how often each image is in each draw of N images with replacement."""
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=draws)


def drawn_scores(
    pixels_NS: np.ndarray | None,
    matches: Sequence[ImageMatches] | None,
    label_set: LabelSet,
    weights_BN: np.ndarray,
    in_detail: bool = False,
) -> dict[str, np.ndarray]:
    """(B,) values of every headline figure, by a name such as "semantic.iou_class" or "instance.ap50".

    in_detail    also of each class ("instance.ap car", "semantic.iou road") and size ("instance.ap 32-64 px")
    """
    drawn: dict[str, np.ndarray] = {}
    if pixels_NS is not None:
        scores = pixel_scores(weights_BN @ pixels_NS, label_set)
        drawn |= {f"semantic.{key}": scores[key] for key in PIXEL_HEADLINES}
        if in_detail:
            drawn |= {f"semantic.iou {x.name}": scores["iou"][:, c] for c, x in enumerate(label_set.evaluated)}
    if matches is not None:
        tables = {label.name: class_table(matches, label.id) for label in label_set.things}
        drawn |= _drawn_aps(tables, weights_BN, "", in_detail)
        for name, low, below in SIZES_PX if in_detail else ():
            of_size = {x.name: class_table(matches, x.id, (low, below)) for x in label_set.things}
            drawn |= _drawn_aps(of_size, weights_BN, f" {name} px", False)
    return drawn


def _drawn_aps(
    tables: dict[str, ClassTable], weights_BN: np.ndarray, suffix: str, in_detail: bool
) -> dict[str, np.ndarray]:
    rows = [instance_scores(tables, weights_N) for weights_N in weights_BN]
    drawn = {f"instance.{key}{suffix}": np.array([row[key] for row in rows]) for key in ("ap", "ap50")}
    if in_detail:
        drawn |= {f"instance.ap {name}": np.array([row["per_class"][name]["ap"] for row in rows]) for name in tables}
    return drawn


def interval(values_B: np.ndarray) -> tuple[float, float]:
    """(low, high) that hold the middle 95 % of the draws; NaN if fewer than half of the draws have a value."""
    valid = values_B[~np.isnan(values_B)]
    if 2 * len(valid) < len(values_B) or len(valid) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(valid, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
