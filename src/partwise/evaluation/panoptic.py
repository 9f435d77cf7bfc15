"""Panoptic quality ("Panoptic Segmentation", Kirillov et al., 2019) as cityscapesScripts 2.3.0 counts it.

The prediction is the label map with the instances painted on it, the surest on top; pixels of a class with instances
that no instance covers, and of classes that are not evaluated, predict nothing.

Axes: H W image, K truth segments, P predicted segments, C evaluated classes, 4 = (sum of IoU, TP, FP, FN).
Source of every rule: cityscapesScripts, preparation/createPanopticImgs.py, evaluation/evalPanopticSemanticLabeling.py.
"""

from __future__ import annotations

import numpy as np

from partwise.evaluation.pixel import mean_of_valid
from partwise.evaluation.runs import joint_counts, joint_runs
from partwise.labels import INSTANCE_FACTOR, LabelSet
from partwise.scene import Instances, Scene

MATCH_IOU = 0.5  # larger, not equal: then at most one segment can match ("Panoptic Segmentation", section 4.1)


def count_segments(scene: Scene, instances: Instances, semantic_HW: np.ndarray) -> np.ndarray:
    """(C, 4) float64: the sums of one image, classes in the order of their train ids."""
    predicted_HW, predicted_label = _painted(instances, semantic_HW, scene.label_set)
    starts, lengths = joint_runs(scene.instance_ids_HW, predicted_HW)
    truth_ids, truth_R = np.unique(scene.instance_ids_HW.reshape(-1)[starts], return_inverse=True)
    segments, predicted_R = np.unique(predicted_HW.reshape(-1)[starts], return_inverse=True)
    shared_KP = joint_counts(truth_R, predicted_R, lengths, (len(truth_ids), len(segments)))
    truth_label = np.where(truth_ids < INSTANCE_FACTOR, truth_ids, truth_ids // INSTANCE_FACTOR)
    things = [label.id for label in scene.label_set.things]
    return _judge(
        shared_KP,
        truth_label,
        # A bare id of a class with instances is a group: neither asked for nor punished.
        (truth_ids < INSTANCE_FACTOR) & np.isin(truth_label, things),
        predicted_label[segments],
        [label.id for label in scene.label_set.evaluated],
    )


def _painted(instances: Instances, semantic_HW: np.ndarray, label_set: LabelSet) -> tuple[np.ndarray, np.ndarray]:
    """((H, W) int32 segment numbers, 0 = nothing; (numbers,) label id of each segment, 0 for nothing)."""
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


def _judge(
    shared_KP: np.ndarray,
    truth_label: np.ndarray,
    group_K: np.ndarray,
    predicted_label: np.ndarray,
    evaluated: list[int],
) -> np.ndarray:
    """(C, 4) from the pixels that segments share."""
    asked_K, said_P = np.isin(truth_label, evaluated), predicted_label > 0
    truth_px, predicted_px = shared_KP.sum(axis=1), shared_KP.sum(axis=0)
    void_P = shared_KP[~asked_K].sum(axis=0)
    same_KP = truth_label[:, None] == predicted_label
    union_KP = truth_px[:, None] + predicted_px - shared_KP - void_P
    iou_KP = shared_KP / np.maximum(union_KP, 1)  # 0 only where both sides are void
    match_KP = same_KP & (asked_K & ~group_K)[:, None] & said_P & (iou_KP > MATCH_IOU)
    group_px_P = np.where(same_KP & (asked_K & group_K)[:, None], shared_KP, 0).sum(axis=0)
    ignored_P = (void_P + group_px_P) / predicted_px > MATCH_IOU
    sums = np.zeros((len(evaluated), 4))
    for c, id_ in enumerate(evaluated):
        rows, columns = truth_label == id_, predicted_label == id_
        hits = match_KP[rows][:, columns]
        missed = rows & ~group_K & ~match_KP.any(axis=1)
        wrong = columns & ~match_KP.any(axis=0) & ~ignored_P
        sums[c] = iou_KP[rows][:, columns][hits].sum(), hits.sum(), wrong.sum(), missed.sum()
    return sums


def panoptic_scores(sums_C4: np.ndarray, label_set: LabelSet) -> dict:
    """{"pq", "sq", "rq", "things": {...}, "stuff": {...}, "per_class": {name: {...}}}; NaN for a class that never was.

    PQ = SQ * RQ: mean IoU of the matches, and TP / (TP + FP / 2 + FN / 2).
    """
    iou, true, false, missed = sums_C4.T
    with np.errstate(invalid="ignore", divide="ignore"):
        rq = true / (true + 0.5 * false + 0.5 * missed)
        sq = np.where(true > 0, iou / true, np.where(np.isnan(rq), np.nan, 0.0))
    per_class = {"pq": sq * rq, "sq": sq, "rq": rq}
    things = np.array([label.has_instances for label in label_set.evaluated])
    mean = lambda keep: {key: float(mean_of_valid(values[keep])) for key, values in per_class.items()}
    return {
        **mean(slice(None)),
        "things": mean(things),
        "stuff": mean(~things),
        "per_class": {
            label.name: {key: float(values[c]) for key, values in per_class.items()}
            for c, label in enumerate(label_set.evaluated)
        },
    }
