"""What a person sees: how many of the instances that are shown by default are right, the metric `ShownScores`.

Axes: N images, B weightings, L classes with instances.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from partwise.selection import SHOWN_SCORE
from streeteval.labels import LabelSet
from streeteval.metrics.average_precision import class_table
from streeteval.metrics.matching import EVERYWHERE, match, overlaps
from streeteval.metrics.metric import Detail, Metric, Predicted, finite_array
from streeteval.scene import Scene

__all__ = ["ShownScores"]

RIGHT_IOU = 0.5  # as for AP50, an IoU must be larger


class ShownScores(Metric[np.ndarray]):
    """Precision and recall of the instances that `partwise predict` shows: distinct ones from SHOWN_SCORE on.

    An instance is right if its IoU with an instance of the truth of its class is above RIGHT_IOU. As for AP, a second
    one on the same instance is wrong, and one that lies mostly on groups, void or instances that do not count is
    neither.

    The record of an image is (L, 3) int64: for each class how many are shown, how many of these are right, and how many
    instances the truth has.

    Args:
        label_set: The classes.
    """

    name = "shown"

    def __init__(self, label_set: LabelSet) -> None:
        super().__init__(label_set)
        self.things = list(label_set.things)

    def observe(self, scene: Scene, prediction: Predicted, depth_HW: np.ndarray | None = None) -> np.ndarray | None:
        """Count the shown instances of one image, see the class; None without instances."""
        if prediction.instances is None:
            return None
        shown = prediction.instances
        shown = shown[shown.scores >= SHOWN_SCORE].distinct()
        ids = [label.id for label in self.things]
        found = match(overlaps(scene, shown), EVERYWHERE, ids)
        tables = [class_table([found], id_, overlaps=np.array([RIGHT_IOU])) for id_ in ids]
        counts = [(table.true_PO.sum(), table.false_PO.sum(), table.truths.sum()) for table in tables]
        return np.array([(right + wrong, right, true) for right, wrong, true in counts], np.int64)

    def summarise(
        self, records: Sequence[np.ndarray], weights_BN: np.ndarray, detail: Detail | None = None
    ) -> dict[str, np.ndarray]:
        """Return "precision" (right of those shown) and "recall" (right of the truth); in detail also of classes."""
        counts_B3L = np.einsum("bn,nlk->bkl", weights_BN, np.stack(records))
        figures = _shares("{}", counts_B3L.sum(axis=2))
        if detail is not None:
            for column, label in enumerate(self.things):
                figures |= _shares(f"{{}} {label.name}", counts_B3L[:, :, column])
        return figures

    def record_to_json(self, record: np.ndarray | None) -> list | None:
        """Return a record as a JSON file holds it."""
        return None if record is None else record.tolist()

    def record_from_json(self, value: object) -> np.ndarray | None:
        """Restore a record from what a JSON file holds."""
        return None if value is None else finite_array(value, (len(self.things), 3)).astype(np.int64)


def _shares(name: str, counts_B3: np.ndarray) -> dict[str, np.ndarray]:
    """Return precision and recall of shown, right and true instances; NaN where there is none."""
    shown, right, true = counts_B3.astype(np.float64).T
    with np.errstate(invalid="ignore"):
        return {name.format("precision"): right / shown, name.format("recall"): right / true}
