"""The confusion of all pixels as a metric, from which the official script for pixels makes its scores.

Axes: D label ids, 3 = (true positive, false positive, false negative).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.evaluator import CityscapesEvaluator
from streeteval.labels import CITYSCAPES, LabelSet
from streeteval.metrics.metric import Detail, Metric, Predicted
from streeteval.metrics.pixel_counts import PixelCounts, groups_of, pixel_tables
from streeteval.scene import Scene

__all__ = ["ConfusionEvaluator", "Confusions"]

Record = tuple[np.ndarray, PixelCounts]


class _ConfusionMetric(Metric[Record]):
    """The record of an image is its confusion and its `PixelCounts`."""

    name = "confusion"

    def observe(self, scene: Scene, prediction: Predicted, depth_HW: np.ndarray | None = None) -> Record | None:
        """Count the pixels of one image."""
        if prediction.semantic_HW is None:
            return None
        try:
            return pixel_tables(prediction.semantic_HW, scene.semantic_HW, scene.instance_ids_HW, self.label_set)
        except InputError as error:
            raise InputError(f"{scene.name}: {error}") from None

    def summarise(
        self, records: Sequence[Record], weights_BN: np.ndarray, detail: Detail | None = None
    ) -> dict[str, np.ndarray]:
        """No figure: the scores are made from the sums, see `Confusions`."""
        return {}


class ConfusionEvaluator(CityscapesEvaluator):
    """An evaluator that keeps the confusion of each image and computes nothing else."""

    def __init__(self, label_set: LabelSet = CITYSCAPES, *, metrics: Sequence[Metric[Any]] = (), **settings: Any):
        super().__init__(label_set, metrics=metrics or (_ConfusionMetric(label_set),), **settings)

    def _own_metrics(self) -> list[Metric[Any]]:
        return []


@dataclass(frozen=True)
class Confusions:
    """The counts of all images.

    Attributes:
        label_set: The classes.
        images: (D, D) int64 confusion of each image by its name, the truth as rows.
        counts: The sums of `PixelCounts`, by the name of its field.
    """

    label_set: LabelSet
    images: dict[str, np.ndarray]
    counts: dict[str, np.ndarray]

    @classmethod
    def of(cls, evaluator: CityscapesEvaluator) -> Confusions:
        """Add the records of an evaluator."""
        records = {name: record.parts[_ConfusionMetric.name] for name, record in sorted(evaluator.records.items())}
        fields = ("classes", "categories", "thing_classes", "thing_categories")
        sums = {field: np.sum([getattr(counts, field) for _, counts in records.values()], axis=0) for field in fields}
        return cls(evaluator.label_set, {name: confusion for name, (confusion, _) in records.items()}, sums)

    @property
    def confusion_DD(self) -> np.ndarray:
        """The confusion of all images."""
        return np.sum(list(self.images.values()), axis=0)

    def scores(self) -> dict[str, dict[str, float]]:
        """Return IoU of "classes" and "categories", and iIoU of "things" and "thing categories", by name."""
        groups = groups_of(self.label_set)
        names = {
            "classes": ("classes", [label.name for label in self.label_set.evaluated]),
            "categories": ("categories", self.label_set.categories),
            "things": ("thing_classes", [label.name for label in self.label_set.things]),
            "thing categories": ("thing_categories", groups.thing_categories),
        }
        return {
            kind: dict(zip(of, _share_of_true(self.counts[field]).tolist(), strict=True))
            for kind, (field, of) in names.items()
        }

    def accuracy_by_name(self) -> dict[str, dict[str, int]]:
        """Return what the official script calls pixel accuracy, of each image.

        Its two counts are of the pixels that are ignored, and of those among them that are predicted as something else,
        whatever their names say. They are kept so that callers get the same numbers.
        """
        ignored = [label.id for label in self.label_set if not label.evaluated]
        return {
            name: {
                "nbNotIgnoredPixels": int(confusion_DD[ignored].sum()),
                "nbCorrectPixels": int(confusion_DD[ignored].sum() - confusion_DD[ignored, ignored].sum()),
            }
            for name, confusion_DD in self.images.items()
        }


def _share_of_true(counts_N3: np.ndarray) -> np.ndarray:
    """Return TP / (TP + FP + FN); NaN if all are 0."""
    total = counts_N3.sum(axis=1)
    return np.divide(counts_N3[:, 0], total, out=np.full(len(total), np.nan), where=total > 0)
