"""Compute Cityscapes' pixel scores: IoU and iIoU of classes and of categories, as cityscapesScripts 2.3.0 defines them.

One image becomes a few sums (`count_pixels`), sums add up, and `pixel_scores` turns them into scores. A weighted sum of
images is as good as a sum, so the same function scores a bootstrap sample. `PixelScores` is the metric.

Axes: H W image, D label ids, C evaluated classes, G evaluated categories, T classes with instances (things), I
instances of an image, 3 = (true positive, false positive, false negative), B weightings, N images, R runs, S sums of an
image.
Source of every rule: cityscapesScripts, evaluation/evalPixelLevelSemanticLabeling.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.labels import CITYSCAPES, LabelSet
from streeteval.metrics.metric import Detail, Metric, Predicted, finite_array
from streeteval.metrics.pixel_counts import count_pixels, groups_of, rows_of
from streeteval.scene import Scene

HEADLINES = ("iou_class", "iiou_class", "iou_category", "iiou_category")


def pixel_scores(sums: np.ndarray, label_set: LabelSet = CITYSCAPES) -> dict[str, np.ndarray]:
    """Compute the pixel scores from sums.

    Args:
        sums: (..., S) added or weighted `PixelCounts.flat()`.
        label_set: The classes.

    Returns:
        Scores in 0..1: "iou_class", "iiou_class", "iou_category", "iiou_category" (...); "iou" (..., C); "iiou" (...,
            T); "category_iou" (..., G); "category_iiou" (..., categories of things). NaN if nothing was to be found and
            nothing was predicted.
    """
    counts = rows_of(label_set)
    parts = np.split(sums, np.cumsum([3 * n for n in counts])[:-1], axis=-1)
    values = []
    for part, n in zip(parts, counts, strict=True):
        triple = part.reshape(*part.shape[:-1], n, 3)
        total = triple.sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            values.append(np.where(total > 0, triple[..., 0] / total, np.nan))
    scores = dict(zip(("iou", "category_iou", "iiou", "category_iiou"), values, strict=True))
    unknown_T, unknown_G = _without_mean_size(label_set)
    scores["iiou"][..., unknown_T] = np.nan
    scores["category_iiou"][..., unknown_G] = np.nan
    for headline, of in (
        ("iou_class", "iou"),
        ("iiou_class", "iiou"),
        ("iou_category", "category_iou"),
        ("iiou_category", "category_iiou"),
    ):
        scores[headline] = mean_of_valid(scores[of])
    return scores


def _without_mean_size(label_set: LabelSet) -> tuple[np.ndarray, np.ndarray]:
    """Which things, and which categories of things, have no iIoU because the mean size of an instance is not known.

    Returns:
        (T,) and (categories of things,) bool.
    """
    unknown = [label.mean_instance_px is None for label in label_set.things]
    categories = {label.category for label, is_unknown in zip(label_set.things, unknown, strict=True) if is_unknown}
    of_things = [name in categories for name in groups_of(label_set).thing_categories]
    return np.array(unknown, bool), np.array(of_things, bool)


def mean_of_valid(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis without NaN, and without a warning; NaN if there is nothing else."""
    valid = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(valid, values, 0).sum(axis=-1) / valid.sum(axis=-1)


class PixelScores(Metric[np.ndarray]):
    """IoU and iIoU of classes and categories. The record of an image is `PixelCounts.flat()`, (S,) float64."""

    name = "semantic"
    record_key = "pixels"

    def observe(self, scene: Scene, prediction: Predicted, depth_HW: np.ndarray | None = None) -> np.ndarray | None:
        """Return the sums of one image; None without a semantic map."""
        if prediction.semantic_HW is None:
            return None
        try:
            return count_pixels(prediction.semantic_HW, scene.semantic_HW, scene.instance_ids_HW, self.label_set).flat()
        except InputError as error:
            raise InputError(f"{scene.name}: {error}") from None

    def summarise(
        self, records: Sequence[np.ndarray], weights_BN: np.ndarray, detail: Detail | None = None
    ) -> dict[str, np.ndarray]:
        """Return the four means; in detail also "iou <class>"."""
        scores = pixel_scores(weights_BN @ np.stack(records), self.label_set)
        figures = {key: scores[key] for key in HEADLINES}
        if detail:
            figures |= {f"iou {x.name}": scores["iou"][:, c] for c, x in enumerate(self.label_set.evaluated)}
        return figures

    def images_behind(self, records: Sequence[np.ndarray], detail: Detail | None = None) -> dict[str, int]:
        """Count the images with truth: pixels of an evaluated class; of a thing for iIoU; of the class for its IoU."""
        counts = rows_of(self.label_set)
        triples = np.stack(records).reshape(len(records), -1, 3)
        has_truth = triples[..., 0] + triples[..., 2] > 0
        of = np.split(has_truth, np.cumsum(counts)[:-1], axis=1)
        parts = dict(zip(("iou_class", "iou_category", "iiou_class", "iiou_category"), of, strict=True))
        unknown_T, unknown_G = _without_mean_size(self.label_set)
        parts["iiou_class"] = parts["iiou_class"][:, ~unknown_T]
        parts["iiou_category"] = parts["iiou_category"][:, ~unknown_G]
        images = {key: int(parts[key].any(axis=1).sum()) for key in HEADLINES}
        if detail:
            of_class = parts["iou_class"].sum(axis=0).tolist()
            images |= {f"iou {x.name}": n for x, n in zip(self.label_set.evaluated, of_class, strict=True)}
        return images

    def scores(self, records: Sequence[np.ndarray], detail: Detail) -> dict[str, Any]:
        """Return the four means, and the scores of each class and category; docs/evaluation.md defines every key."""
        scores = pixel_scores(np.stack(records).sum(axis=0), self.label_set)
        iiou = dict(zip([label.name for label in self.label_set.things], scores["iiou"], strict=True))
        thing_categories = groups_of(self.label_set).thing_categories
        category_iiou = dict(zip(thing_categories, scores["category_iiou"], strict=True))
        return {
            **{key: scores[key] for key in HEADLINES},
            "per_class": {
                label.name: {"iou": iou, "iiou": iiou.get(label.name)}
                for label, iou in zip(self.label_set.evaluated, scores["iou"], strict=True)
            },
            "per_category": {
                name: {"iou": iou, "iiou": category_iiou.get(name)}
                for name, iou in zip(self.label_set.categories, scores["category_iou"], strict=True)
            },
        }

    def kinds(self, record: np.ndarray) -> tuple[str, ...]:
        """Return that pixels are scored."""
        return ("pixels",)

    def record_from_json(self, value: Any) -> np.ndarray | None:
        """Restore the sums of an image from what a JSON file holds."""
        return None if value is None else finite_array(value, (3 * sum(rows_of(self.label_set)),))
