"""Panoptic quality ("Panoptic Segmentation", Kirillov et al., 2019) as cityscapesScripts 2.3.0 counts it.

The prediction is the label map with the instances painted on it, the highest score on top; pixels of a class with
instances that no instance covers, and of classes that are not evaluated, predict nothing.

Axes: H W image, P predicted segments, C evaluated classes, 4 = (sum of IoU, TP, FP, FN); N images,
B weightings.
Source of every rule: cityscapesScripts, preparation/createPanopticImgs.py, evaluation/evalPanopticSemanticLabeling.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.instances import Instances
from streeteval.labels import INSTANCE_FACTOR, LabelSet
from streeteval.metrics.metric import Detail, Metric, Predicted, finite_array
from streeteval.metrics.pixel import mean_of_valid
from streeteval.metrics.segments import PredictedSegment, SegmentSums, TrueSegment, match_segments, shared_areas
from streeteval.rle import value_counts
from streeteval.scene import Scene

PANOPTIC_SCORES = ("pq", "sq", "rq")
SEGMENT_SUMS = ("iou", "tp", "fp", "fn")


def count_segments(scene: Scene, instances: Instances, semantic_HW: np.ndarray) -> np.ndarray:
    """Count the segments of one image.

    Args:
        scene: The image with its truth.
        instances: What was predicted.
        semantic_HW: (H, W) predicted label ids.

    Returns:
        (C, 4) float64 sums, classes in the order of their train ids.
    """
    truth_HW, truth = _true_segments(scene)
    painted_HW, label_P = _painted(instances, semantic_HW, scene.label_set)
    shared = shared_areas(truth_HW, painted_HW)
    areas: dict[int, int] = {}
    for (_, number), pixels in shared.items():
        areas[number] = areas.get(number, 0) + pixels
    predicted = {number: PredictedSegment(int(label_P[number]), area) for number, area in areas.items() if number}
    sums = match_segments(shared, truth, predicted)
    of_class = [sums.get(label.id, SegmentSums()) for label in scene.label_set.evaluated]
    return np.array([[getattr(one, key) for key in SEGMENT_SUMS] for one in of_class], np.float64)


def _true_segments(scene: Scene) -> tuple[np.ndarray, dict[int, TrueSegment]]:
    """Return the map of the true segments, 0 for those that are not evaluated, and the segments by their number.

    A bare id of a class with instances is a group.
    """
    ids, pixels = value_counts(scene.instance_ids_HW)
    numbers = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
    truth: dict[int, TrueSegment] = {}
    for value, area in zip(ids.tolist(), pixels.tolist(), strict=True):
        label = scene.label_set.by_id.get(value if value < INSTANCE_FACTOR else value // INSTANCE_FACTOR)
        if label is not None and label.evaluated:
            numbers[value] = len(truth) + 1
            truth[len(truth) + 1] = TrueSegment(label.id, area, value < INSTANCE_FACTOR and label.has_instances)
    return numbers[scene.instance_ids_HW], truth


def _painted(instances: Instances, semantic_HW: np.ndarray, label_set: LabelSet) -> tuple[np.ndarray, np.ndarray]:
    """Paint the instances on the semantic map.

    Returns:
        (H, W) int32 segment numbers, 0 for nothing; and the (P + 1,) label id of each segment, 0 for nothing.
    """
    things = [label.id for label in label_set.things]
    stuff = [label.id for label in label_set.evaluated if not label.has_instances]
    segment_of_id = np.zeros(256, np.int32)
    segment_of_id[stuff] = 1 + np.arange(len(stuff))
    painted_HW = segment_of_id[semantic_HW]
    labels = [0, *stuff]
    for i in np.argsort(instances.scores, kind="stable"):
        if instances.labels[i] in things:
            x0, y0, x1, y1 = instances.boxes[i]
            painted_HW[y0:y1, x0:x1][instances.masks[i]] = len(labels)
            labels.append(int(instances.labels[i]))
    return painted_HW, np.array(labels)


def panoptic_quality(sums_C4: np.ndarray) -> tuple[dict, dict]:
    """Compute PQ, SQ and RQ from sums.

    PQ = SQ * RQ: the mean IoU of the matches, and TP / (TP + FP / 2 + FN / 2).

    Args:
        sums_C4: (..., C, 4) added or weighted `count_segments`.

    Returns:
        {"pq", "sq", "rq"} in 0..1, (...,) means over the classes that have a segment; and the same (..., C) of each
        class. NaN for a class without a segment.
    """
    iou, true, false, missed = np.moveaxis(sums_C4, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        rq = true / (true + 0.5 * false + 0.5 * missed)
        sq = np.where(true > 0, iou / true, np.where(np.isnan(rq), np.nan, 0.0))
    of_class = dict(zip(PANOPTIC_SCORES, (sq * rq, sq, rq), strict=True))
    return {key: mean_of_valid(values) for key, values in of_class.items()}, of_class


def panoptic_scores(sums_C4: np.ndarray, label_set: LabelSet) -> dict:
    """Return the scores in words of classes.

    Returns:
        {"pq", "sq", "rq", "things": {...}, "stuff": {...}, "per_class": {name: {...}}}; NaN if no class has a segment.
    """
    means, of_class = panoptic_quality(sums_C4)
    things = np.array([label.has_instances for label in label_set.evaluated])
    mean = lambda keep: {key: float(mean_of_valid(values[keep])) for key, values in of_class.items()}
    return {
        **{key: float(value) for key, value in means.items()},
        "things": mean(things),
        "stuff": mean(~things),
        "per_class": {
            label.name: {key: float(values[c]) for key, values in of_class.items()}
            for c, label in enumerate(label_set.evaluated)
        },
    }


class PanopticScores(Metric[np.ndarray]):
    """PQ, SQ and RQ. The record of an image is `count_segments`, (C, 4) float64."""

    name = "panoptic"
    record_key = "segments"

    def observe(self, scene: Scene, prediction: Predicted, depth_HW: np.ndarray | None = None) -> np.ndarray:
        """Return the sums of one image.

        Raises:
            InputError: If there are no instances or no semantic map.
        """
        if prediction.instances is None or prediction.semantic_HW is None:
            raise InputError(f"{scene.name}: panoptic quality needs instances and a semantic map: give both")
        return count_segments(scene, prediction.instances, prediction.semantic_HW)

    def summarise(
        self, records: Sequence[np.ndarray], weights_BN: np.ndarray, detail: Detail | None = None
    ) -> dict[str, np.ndarray]:
        """Return the three means; in detail also "pq <class>"."""
        figures, of_class = panoptic_quality(np.tensordot(weights_BN, np.stack(records), axes=1))
        if detail:
            figures |= {f"pq {x.name}": of_class["pq"][:, c] for c, x in enumerate(self.label_set.evaluated)}
        return figures

    def images_behind(self, records: Sequence[np.ndarray], detail: Detail | None = None) -> dict[str, int]:
        """Count the images with a true segment; of the class for its PQ."""
        _, true, _, missed = np.moveaxis(np.stack(records), -1, 0)
        has_truth = true + missed > 0
        images = dict.fromkeys(PANOPTIC_SCORES, int(has_truth.any(axis=1).sum()))
        if detail:
            of_class = has_truth.sum(axis=0).tolist()
            images |= {f"pq {x.name}": n for x, n in zip(self.label_set.evaluated, of_class, strict=True)}
        return images

    def scores(self, records: Sequence[np.ndarray], detail: Detail) -> dict[str, Any]:
        """Return the three means, also of things, of stuff and of each class."""
        return panoptic_scores(np.stack(records).sum(axis=0), self.label_set)

    def record_from_json(self, value: Any) -> np.ndarray:
        """Restore the sums of an image from what a JSON file holds."""
        return finite_array(value, (len(self.label_set.evaluated), len(SEGMENT_SUMS)))
