"""The semantic map brought in line with the instances.

Axes: H and W pixels, h and w cells of a semantic map.
"""

from __future__ import annotations

import numpy as np

from partwise.geometry import nearest_index
from partwise.instances import Instances
from partwise.labels import LabelSet


def reconcile(
    semantic_HW: np.ndarray, instances: Instances, uncertain_HW: np.ndarray, label_set: LabelSet
) -> np.ndarray:
    """Give uncertain pixels the class of the instance that they lie in, if the map has another of its category there.

    Pixel by pixel a bus is easily half a truck. An instance depends on all of its pixels, so that its class is the
    more likely one. Where the map has a class of another category, the map knows more about the outline.

    Args:
        semantic_HW: (H, W) uint8 ids of the label set; it stays as it is.
        instances: Of the same image. Where several overlap, the one with the highest score counts.
        uncertain_HW: (H, W) bool: where the map may be changed.
        label_set: Of the ids.

    Returns:
        (H, W) uint8: the new map.
    """
    reconciled_HW = semantic_HW.copy()
    for i in np.argsort(instances.scores, kind="stable").tolist():  # the highest score last, on top
        label = int(instances.labels[i])
        category = [other.id for other in label_set.things_by_category[label_set.by_id[label].category]]
        x0, y0, x1, y1 = instances.boxes[i]
        pixels_hw = reconciled_HW[y0:y1, x0:x1]
        open_hw = instances.masks[i] & uncertain_HW[y0:y1, x0:x1]
        ids = pixels_hw[open_hw]
        ids[np.isin(ids, category)] = label
        pixels_hw[open_hw] = ids
    return reconciled_HW


def uncertain_pixels(
    uncertain_hw: np.ndarray, stride_px: int, seen: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """Whether the semantic map is uncertain, at the pixels of an image.

    Args:
        uncertain_hw: (h, w) bool, at cells of `stride_px` pixels.
        stride_px: Pixels to a cell.
        seen: (H, W) in pixels at which the network saw the image; the cells may reach beyond it.
        size: (H, W) in pixels of the image.

    Returns:
        (H, W) bool.

    >>> uncertain_pixels(np.array([[True, False]]), 2, (1, 3), (1, 3)).tolist()
    [[True, True, False]]
    """
    uncertain_HW = uncertain_hw.repeat(stride_px, 0).repeat(stride_px, 1)[: seen[0], : seen[1]]
    if tuple(size) == tuple(seen):
        return uncertain_HW
    return uncertain_HW[np.ix_(*(nearest_index(*sides) for sides in zip(seen, size, strict=True)))]
