"""A metric of another package: the error of the number of instances, in total and for each class.

Axes: B weightings, N images, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from partwise import LabelSet, Scene
from partwise.evaluation import Detail, Metric, Predicted


class CountError(Metric[np.ndarray]):
    """Mean absolute difference of the numbers of true and predicted instances.

    The record of an image is (C,) int64, the number of predicted minus the number of true instances of each class that
    has instances.

    Args:
        label_set: The classes.
    """

    name = "counts"
    better = "lower"
    fractions = False

    def __init__(self, label_set: LabelSet) -> None:
        super().__init__(label_set)
        self.ids = np.array([label.id for label in label_set.things])

    def observe(self, scene: Scene, prediction: Predicted, depth_HW: np.ndarray | None = None) -> np.ndarray | None:
        """Return the record of one image; None if the prediction has no instances to count."""
        if prediction.instances is None:
            return None
        of_class = lambda labels: (labels[:, None] == self.ids).sum(axis=0)
        return of_class(prediction.instances.labels) - of_class(scene.instances.labels)

    def summarise(
        self, records: Sequence[np.ndarray], weights_BN: np.ndarray, detail: Detail | None = None
    ) -> dict[str, np.ndarray]:
        """Return figures (B,) for records of N images and weights (B, N); with `detail` also those of each class."""
        differences_NC = np.stack(records)
        mean = lambda errors_N: weights_BN @ errors_N / weights_BN.sum(axis=1)
        figures = {"mean_error": mean(abs(differences_NC.sum(axis=1)))}
        if detail:
            names = [label.name for label in self.label_set.things]
            figures |= {f"mean_error {name}": mean(abs(differences_NC[:, c])) for c, name in enumerate(names)}
        return figures

    def record_from_json(self, value: Any) -> np.ndarray | None:
        """Read a record from JSON.

        Raises:
            ValueError: If it is not a list of a whole number for each class.
        """
        if value is None:
            return None
        differences = np.array(value)
        if differences.shape != self.ids.shape or differences.dtype.kind != "i":
            raise ValueError(f"not {len(self.ids)} integers")
        return differences
