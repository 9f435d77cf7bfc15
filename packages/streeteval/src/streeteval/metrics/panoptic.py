"""Panoptic quality ("Panoptic Segmentation", Kirillov et al., 2019) as cityscapesScripts 2.3.0 counts it, by hotcoco.

The prediction is the label map with the instances painted on it, the highest score on top; pixels of a class with
instances that no instance covers, and of classes that are not evaluated, predict nothing. hotcoco matches the segments
of one image at a time, so no map is kept.

Axes: H W image, R runs, P predicted segments, C evaluated classes, 4 = (sum of IoU, TP, FP, FN); N images,
B weightings.
Source of every rule: cityscapesScripts, preparation/createPanopticImgs.py, evaluation/evalPanopticSemanticLabeling.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from streeteval.errors import InputError
from streeteval.instances import Instances
from streeteval.labels import INSTANCE_FACTOR, LabelSet
from streeteval.metrics.metric import Detail, Metric, Predicted, finite_array
from streeteval.metrics.pixel import mean_of_valid
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
    from hotcoco.panoptic import PanopticEval

    evaluated = scene.label_set.evaluated
    height, width = scene.size
    common = {
        "images": [{"id": 0, "height": height, "width": width}],
        "categories": [{"id": x.id, "name": x.name, "isthing": int(x.has_instances)} for x in evaluated],
    }
    evaluation = PanopticEval(
        common | {"annotations": _true_segments(scene)},
        common | {"annotations": _predicted_segments(instances, semantic_HW, scene.label_set)},
    )
    evaluation.evaluate()
    of_class = evaluation.results()["per_class"]
    return np.array([[of_class[x.id][key] for key in SEGMENT_SUMS] for x in evaluated], np.float64)


def _true_segments(scene: Scene) -> list[dict]:
    """Return the COCO annotations of the truth.

    A bare id of a class with instances is a group: it need not be found, and what is found there is not an error.
    """
    segments: list[dict] = []
    for value, run_lengths in _run_lengths(scene.instance_ids_HW):
        label = scene.label_set.by_id.get(value if value < INSTANCE_FACTOR else value // INSTANCE_FACTOR)
        if label is not None and label.evaluated:
            group = value < INSTANCE_FACTOR and label.has_instances
            segments.append(_segment(len(segments), label.id, run_lengths, group))
    return segments


def _predicted_segments(instances: Instances, semantic_HW: np.ndarray, label_set: LabelSet) -> list[dict]:
    """Return the COCO annotations of a prediction."""
    painted_HW, label_P = _painted(instances, semantic_HW, label_set)
    found = [(int(label_P[number]), run_lengths) for number, run_lengths in _run_lengths(painted_HW) if number]
    return [_segment(i, label, run_lengths) for i, (label, run_lengths) in enumerate(found)]


def _segment(number: int, label: int, run_lengths: dict, group: bool = False) -> dict:
    # From 1: to COCO's own code an id of 0 is none.
    """Return the COCO annotation of one segment."""
    place = {"id": number + 1, "image_id": 0, "category_id": label}
    return place | {"iscrowd": int(group), "area": sum(run_lengths["counts"][1::2]), "segmentation": run_lengths}


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


def _run_lengths(map_HW: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield every value of a map with COCO's run lengths: pixels outside, inside, outside, ... down the columns.

    >>> list(_run_lengths(np.array([[7, 7, 9], [9, 7, 7]])))[0]
    (7, {'size': [2, 3], 'counts': [0, 1, 1, 2, 1, 1]})
    """
    flat = map_HW.T.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ends = np.append(starts[1:], flat.size)
    order = np.argsort(flat[starts], kind="stable")
    for rows_R in np.split(order, np.flatnonzero(np.diff(flat[starts][order])) + 1):
        edges = np.stack([starts[rows_R], ends[rows_R]], axis=1).reshape(-1)
        counts = np.diff(edges, prepend=0, append=flat.size)
        counts = counts if counts[-1] else counts[:-1]  # the last stretch is outside, where there is one
        yield int(flat[starts[rows_R[0]]]), {"size": list(map_HW.shape), "counts": counts.tolist()}


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

    def scores(self, records: Sequence[np.ndarray], detail: Detail) -> dict[str, Any]:
        """Return the three means, also of things, of stuff and of each class."""
        return panoptic_scores(np.stack(records).sum(axis=0), self.label_set)

    def record_from_json(self, value: Any) -> np.ndarray:
        """Restore the sums of an image from what a JSON file holds."""
        return finite_array(value, (len(self.label_set.evaluated), len(SEGMENT_SUMS)))
