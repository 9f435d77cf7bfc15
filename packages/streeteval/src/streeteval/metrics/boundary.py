"""Compute boundary IoU: how well two masks agree near their contours ("Boundary IoU", Cheng et al., CVPR 2021).

The boundary of a mask is its pixels within `width_px` of its contour or of the image's border, by the chessboard
distance (an erosion with a square, as the authors' code does).

Axes: h w crop of a mask.
"""

from __future__ import annotations

import math

import numpy as np

from streeteval.boxes import Box, crop_iou
from streeteval.instances import Instances
from streeteval.metrics.matching import Overlaps
from streeteval.scene import Scene

WIDTH_OF_DIAGONAL = 0.005  # the authors' boundary-iou-api, Cityscapes instances: args.dilation_ratio


def boundary_width_px(size: tuple[int, int]) -> int:
    """Return the width of the boundary for an image of `size` (H, W): 11 px at 2048x1024, at least 1.

    >>> boundary_width_px((1024, 2048))
    11
    """
    return max(1, round(WIDTH_OF_DIAGONAL * math.hypot(*size)))


def boundary_of(mask_hw: np.ndarray, width_px: int) -> np.ndarray:
    """Return the pixels of a mask that have a pixel outside of it at most `width_px` away.

    Everything outside the crop counts as outside the mask. So the image's border is a contour, too.

    Args:
        mask_hw: (h, w) bool crop.
        width_px: Width of the boundary.

    Returns:
        (h, w) bool.

    >>> boundary_of(np.ones((3, 4), bool), 1).astype(int).tolist()
    [[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    """
    inner = _eroded_along_rows(_eroded_along_rows(mask_hw, width_px).T, width_px).T
    return mask_hw & ~inner


def _eroded_along_rows(mask_hw: np.ndarray, width_px: int) -> np.ndarray:
    """Return the pixels whose 2 * width + 1 neighbours along the row are all inside."""
    window = 2 * width_px + 1
    padded = np.pad(mask_hw, ((0, 0), (width_px + 1, width_px)))
    sums = np.cumsum(padded, axis=1, dtype=np.int32)
    return sums[:, window:] - sums[:, :-window] == window


def boundary_iou(box_a: Box, mask_a: np.ndarray, box_b: Box, mask_b: np.ndarray, width_px: int) -> float:
    """Compute the IoU of the boundaries of two cropped masks.

    Args:
        box_a: Box (x0, y0, x1, y1) of the first crop.
        mask_a: (h, w) bool.
        box_b: Box of the second crop.
        mask_b: (h, w) bool.
        width_px: Width of the boundary.

    Returns:
        IoU in 0..1.
    """
    return crop_iou(box_a, boundary_of(mask_a, width_px), box_b, boundary_of(mask_b, width_px))


class BoundaryPairs:
    """Boundary IoU of prediction p and truth value k of an image's `Overlaps`; each truth's boundary is made once."""

    def __init__(self, scene: Scene, instances: Instances, found: Overlaps):
        self.scene, self.instances, self.found = scene, instances, found
        self.width_px = boundary_width_px(scene.size)
        self._truth: dict[int, np.ndarray] = {}

    def __call__(self, p: int, k: int) -> float:
        """Return the boundary IoU of one pair, in 0..1."""
        i = self.found.indices[p]
        x0, y0, x1, y1 = box = self.found.truth_boxes[k].tolist()
        if k not in self._truth:
            mask = self.scene.instance_ids_HW[y0:y1, x0:x1] == self.found.truth_ids[k]
            self._truth[k] = boundary_of(mask, self.width_px)
        own = boundary_of(self.instances.masks[i], self.width_px)
        return crop_iou(box, self._truth[k], self.instances.boxes[i].tolist(), own)
