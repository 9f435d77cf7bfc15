"""AP by occlusion: how well instances are found that others cover, the metric `OcclusionScores`.

Axes: N images, B weightings, T counted instances of the truth, H and W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from streeteval.labels import INSTANCE_FACTOR, LabelSet
from streeteval.metrics.average_precision import class_table, instance_scores
from streeteval.metrics.matching import EVERYWHERE, ImageMatches, match, overlaps
from streeteval.metrics.metric import Detail, Metric, Predicted
from streeteval.scene import Scene

__all__ = ["OCCLUSION_RANGES", "OcclusionRange", "OcclusionScores", "Occlusions", "covered_share"]


class OcclusionRange(NamedTuple):
    """Instances whose `covered_share` lies in [low, below)."""

    name: str
    low: float
    below: float


OCCLUSION_RANGES = (
    OcclusionRange("none", 0.0, np.nextafter(0.0, 1.0)),
    OcclusionRange("<10%", np.nextafter(0.0, 1.0), 0.1),
    OcclusionRange("10-30%", 0.1, 0.3),
    OcclusionRange(">=30%", 0.3, np.inf),
)


@dataclass(frozen=True)
class Occlusions:
    """The record of one image.

    Attributes:
        matches: The verdicts on its predictions, as AP takes them.
        covered: (T,) float64, `covered_share` of each of its counted instances.
    """

    matches: ImageMatches
    covered: np.ndarray


def covered_share(ids_HW: np.ndarray, id_: int, box: Sequence[int]) -> float:
    """Measure how far other instances stand in the box of an instance.

    Args:
        ids_HW: The truth's map of instance ids; those of 1000 and more are instances, of whatever class.
        id_: Of the instance.
        box: Its x0, y0, x1, y1 in pixels.

    Returns:
        Share of the pixels of the box that belong to other instances, 0..1. Groups and other regions cover nothing.

    Example:
        >>> covered_share(np.array([[26000, 26000, 24001, 7]]), 26000, (0, 0, 4, 1))
        0.25
    """
    x0, y0, x1, y1 = box
    inside = ids_HW[y0:y1, x0:x1]
    return float(((inside >= INSTANCE_FACTOR) & (inside != id_)).mean())


class OcclusionScores(Metric[Occlusions]):
    """AP of instances by the share of their box that other instances cover; AP itself is not touched.

    A prediction on an instance of another range is ignored; one on nothing is a false positive of every range.
    """

    name = "instance.by_occlusion"
    record_key = None

    def observe(self, scene: Scene, prediction: Predicted, depth_HW: np.ndarray | None = None) -> Occlusions | None:
        """The record of one image; None without instances."""
        if prediction.instances is None:
            return None
        found = overlaps(scene, prediction.instances, prediction.scores)
        things = [label.id for label in self.label_set.things]
        matches = match(found, EVERYWHERE, things)
        # The instances that `match` counts, in its order.
        labels_K = found.truth_labels
        counted_K = (found.truth_ids >= INSTANCE_FACTOR) & (found.truth_px >= EVERYWHERE.min_px)
        counted_K &= np.isin(labels_K, things)
        ids, boxes = found.truth_ids[counted_K].tolist(), found.truth_boxes[counted_K].tolist()
        covered = [covered_share(scene.instance_ids_HW, *one) for one in zip(ids, boxes, strict=True)]
        return Occlusions(matches, np.array(covered, np.float64))

    def summarise(
        self, records: Sequence[Occlusions], weights_BN: np.ndarray, detail: Detail | None = None
    ) -> dict[str, np.ndarray]:
        """In detail "ap <range> covered"; no headline figure."""
        if detail is None:
            return {}
        drawn = {}
        for one in OCCLUSION_RANGES:
            tables = _tables(records, one, self.label_set)
            drawn[f"ap {one.name} covered"] = np.array([instance_scores(tables, w)["ap"] for w in weights_BN])
        return drawn

    def scores(self, records: Sequence[Occlusions], detail: Detail) -> dict[str, Any]:
        """Range -> AP and AP50, also by class, and "instances", how many of the truth lie in it."""
        return {
            one.name: instance_scores(_tables(records, one, self.label_set))
            | {"instances": sum(int(_inside(record, one).sum()) for record in records)}
            for one in OCCLUSION_RANGES
        }

    def kinds(self, record: Occlusions) -> tuple[str, ...]:
        """Nothing of its own: results are compared with files, which hold no occlusions."""
        return ()


def _inside(record: Occlusions, one: OcclusionRange) -> np.ndarray:
    """(T,) bool: which counted instances lie in a range."""
    return (record.covered >= one.low) & (record.covered < one.below)


def _tables(records: Sequence[Occlusions], one: OcclusionRange, label_set: LabelSet) -> dict[str, Any]:
    matches, chosen = [record.matches for record in records], [_inside(record, one) for record in records]
    return {label.name: class_table(matches, label.id, chosen=chosen) for label in label_set.things}
