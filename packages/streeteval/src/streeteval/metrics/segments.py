"""Match the segments of two panoptic maps: sums of IoU, TP, FP and FN of each category.

A truth is a group ("crowd") where its instances are not told apart: it need not be found, and what is found there is no
error. Segment 0 of a map is void.

Axes: H W image, K pairs of segments that share pixels.
Source of every rule: cityscapesScripts 2.3.0, evaluation/evalPanopticSemanticLabeling.py (that of panopticapi).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from streeteval.rle import joint_runs

__all__ = ["VOID", "PredictedSegment", "SegmentSums", "TrueSegment", "match_segments", "shared_areas"]

VOID = 0
_MATCH_IOU = 0.5  # a match has a larger IoU, so that a segment has at most one


class TrueSegment(NamedTuple):
    """A segment of the truth: its category, its pixels, and whether it is a group."""

    category: int
    area: int
    group: bool


class PredictedSegment(NamedTuple):
    """A predicted segment: its category and its pixels."""

    category: int
    area: int


class SegmentSums:
    """The sums of one category: `iou` of the matches, and how many are true, false and missed.

    >>> sums = SegmentSums() + SegmentSums(0.75, 1, 0, 2)
    >>> sums.iou, sums.tp, sums.fp, sums.fn
    (0.75, 1, 0, 2)
    """

    def __init__(self, iou: float = 0.0, tp: int = 0, fp: int = 0, fn: int = 0) -> None:
        self.iou, self.tp, self.fp, self.fn = iou, tp, fp, fn

    def __add__(self, other: SegmentSums) -> SegmentSums:
        return SegmentSums(self.iou + other.iou, self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def shared_areas(truth_HW: np.ndarray, predicted_HW: np.ndarray) -> dict[tuple[int, int], int]:
    """Count the pixels that each pair of segments shares.

    Args:
        truth_HW: (H, W) segment ids from 0 to 2**24 - 1.
        predicted_HW: (H, W) likewise.

    Returns:
        (true id, predicted id) -> pixels, in rising order.

    Example:
        >>> shared_areas(np.array([[1, 1, 2]]), np.array([[5, 0, 5]]))
        {(1, 0): 1, (1, 5): 1, (2, 5): 1}
    """
    starts_R, lengths_R = joint_runs(truth_HW, predicted_HW)
    truth_R, predicted_R = (map_HW.reshape(-1)[starts_R].astype(np.int64) for map_HW in (truth_HW, predicted_HW))
    pairs_K, places_R = np.unique((truth_R << 24) + predicted_R, return_inverse=True)
    areas_K = np.bincount(places_R, weights=lengths_R).astype(np.int64)
    keys = zip((pairs_K >> 24).tolist(), (pairs_K & 0xFFFFFF).tolist(), strict=True)
    return dict(zip(keys, areas_K.tolist(), strict=True))


def match_segments(
    shared: Mapping[tuple[int, int], int],
    truth: Mapping[int, TrueSegment],
    predicted: Mapping[int, PredictedSegment],
) -> dict[int, SegmentSums]:
    """Match the segments of one image.

    Args:
        shared: What `shared_areas` returned.
        truth: The true segments by id. An id of the map that is not here matches nothing.
        predicted: The predicted segments by id.

    Returns:
        The sums of each category that has a segment which counts.
    """
    sums: dict[int, SegmentSums] = {}
    found, right = set(), set()
    for (true_id, predicted_id), pixels in shared.items():
        true, other = truth.get(true_id), predicted.get(predicted_id)
        if true is None or other is None or true.group or true.category != other.category:
            continue
        union = other.area + true.area - pixels - shared.get((VOID, predicted_id), 0)
        if pixels / union > _MATCH_IOU:
            of = sums.setdefault(true.category, SegmentSums())
            of.tp += 1
            of.iou += pixels / union
            found.add(true_id)
            right.add(predicted_id)
    group_of: dict[int, int] = {}
    for true_id, true in truth.items():
        if true_id not in found and true.group:
            group_of[true.category] = true_id  # of several groups of a category, the last one
        elif true_id not in found:
            sums.setdefault(true.category, SegmentSums()).fn += 1
    for predicted_id, other in predicted.items():
        if predicted_id in right:
            continue
        ignored = shared.get((VOID, predicted_id), 0)
        if other.category in group_of:
            ignored += shared.get((group_of[other.category], predicted_id), 0)
        if ignored / other.area <= _MATCH_IOU:
            sums.setdefault(other.category, SegmentSums()).fp += 1
    return sums
