"""Non-maximum suppression: where masks of one class overlap, only the candidate with the highest score is kept.

Axes: E candidates, N instances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from partwise.decoding.candidates import Candidates
from partwise.decoding.masks import Mask, WindowMask
from streeteval.boxes import crop_intersection

# "kept"      the candidate became an instance
# "overlaps"  its mask overlaps an instance of its class that has a higher score
# "empty"     its mask has no cell
# "unsure"    its score is not above the minimum
# "full"      the maximum number of instances was reached, all with higher scores
Outcome = Literal["kept", "overlaps", "empty", "unsure", "full"]


@dataclass(frozen=True, eq=False)
class Kept:
    """The decisions of suppression about E candidates, N of which became instances.

    Attributes:
        candidate_N: (N,) int, index of the candidate that became each instance, ascending.
        outcomes_E: The outcome of each candidate.
        instance_E: (E,) int, index of the instance that the candidate became or that it overlaps; -1 for neither.
        iou_E: (E,) float64, IoU with the instance that the candidate overlaps; 0 for other outcomes.
    """

    candidate_N: np.ndarray
    outcomes_E: tuple[Outcome, ...]
    instance_E: np.ndarray
    iou_E: np.ndarray


def suppress(
    candidates: Candidates, masks: Sequence[WindowMask], *, min_score: float, nms_iou: float, max_instances: int
) -> Kept:
    """Keep the candidates that overlap no kept candidate of their class with a higher score.

    Args:
        candidates: E candidates, the highest score first.
        masks: The masks of the candidates with a score above `min_score`, in their order; all have cells of one size.
        min_score: Only candidates with a score above it are kept.
        nms_iou: Two masks of one class overlap if their IoU is above it.
        max_instances: The maximum number of candidates that are kept.
    """
    kept: list[int] = []
    decisions: list[tuple[Outcome, int, float]] = []
    instances = KeptMasks(max_instances)
    columns = zip(candidates.score_E.tolist(), candidates.class_E.tolist(), strict=True)
    for index, (score, class_index) in enumerate(columns):
        if score <= min_score:
            decisions.append(("unsure", -1, 0.0))
        elif len(kept) == max_instances:
            decisions.append(("full", -1, 0.0))
        elif masks[index].empty:
            decisions.append(("empty", -1, 0.0))
        elif (overlapped := instances.overlapped(class_index, masks[index].in_cells(), nms_iou)) is not None:
            decisions.append(("overlaps", *overlapped))
        else:
            decisions.append(("kept", len(kept), 0.0))
            instances.add(class_index, masks[index].in_cells())
            kept.append(index)
    return Kept(
        np.array(kept, np.int64),
        tuple(outcome for outcome, _, _ in decisions),
        np.array([instance for _, instance, _ in decisions], np.int64),
        np.array([iou for _, _, iou in decisions], np.float64),
    )


class KeptMasks:
    """The masks that suppression has kept so far, with their classes.

    Args:
        most: The maximum number of masks.
    """

    def __init__(self, most: int):
        self._masks: list[np.ndarray] = []
        self._boxes = np.zeros((most, 4), np.int64)
        self._areas = np.zeros(most, np.int64)
        self._classes = np.full(most, -1)

    def add(self, class_index: int, mask: Mask) -> None:
        """Add the mask of the next instance, in cells of the image."""
        index = len(self._masks)
        self._masks.append(mask[1])
        self._boxes[index], self._areas[index], self._classes[index] = mask[0], np.count_nonzero(mask[1]), class_index

    def overlapped(self, class_index: int, mask: Mask, nms_iou: float) -> tuple[int, float] | None:
        """Find the first kept mask of a class that overlaps a mask by an IoU above `nms_iou`.

        Args:
            class_index: Index of the class.
            mask: The mask in cells of the image; it is not empty.
            nms_iou: The threshold, 0..1.

        Returns:
            The index of the kept mask and the IoU; None if there is no such mask.
        """
        (x0, y0, x1, y1), inside = mask
        area, kept = np.count_nonzero(inside), len(self._masks)
        boxes, areas = self._boxes[:kept].T, self._areas[:kept]
        width = np.minimum(boxes[2], x1) - np.maximum(boxes[0], x0)
        height = np.minimum(boxes[3], y1) - np.maximum(boxes[1], y0)
        # An upper bound of the number of cells that two masks share, computed from their boxes and areas alone.
        most = np.minimum(np.minimum(np.maximum(width, 0) * np.maximum(height, 0), areas), area)
        near = (most > nms_iou * (area + areas - most)) & (self._classes[:kept] == class_index)
        for index in near.nonzero()[0].tolist():
            shared = crop_intersection(mask[0], inside, self._boxes[index], self._masks[index])
            iou = shared / (area + self._areas[index] - shared)
            if iou > nms_iou:
                return index, float(iou)
        return None
